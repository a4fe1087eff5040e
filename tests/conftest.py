"""Real parts for every test: a PostgreSQL server, an S3 server, and dbt in this process."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import servers
from tests.faulty_s3 import s3_proxy as s3_proxy
from tests.forked import Forked

ROOT = Path(__file__).parent.parent
# Every server and browser of the tests is here: no proxy of the machine leads to it.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


@pytest.fixture(scope="session")
def pg_server() -> Iterator[servers.Postgres]:
    """One PostgreSQL for the session (per xdist worker): the wheel's 18, or FLEETFUEL_PG_BINDIR's."""
    bindir = Path(os.environ.get("FLEETFUEL_PG_BINDIR", servers.WHEEL_BINDIR))
    with servers.postgres(bindir=bindir) as server:
        yield server


@pytest.fixture(scope="session")
def pg15_server() -> Iterator[servers.Postgres]:
    """One PostgreSQL 15, the oldest that is supported, where Debian's package is installed."""
    bindir = Path("/usr/lib/postgresql/15/bin")
    if not (bindir / "initdb").exists():
        pytest.skip("PostgreSQL 15 is not installed (Debian: apt-get install postgresql-15)")
    with servers.postgres(bindir=bindir) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3]:
    """One S3 server for the session: rclone's, or the one that FLEETFUEL_S3_ENDPOINT names."""
    if endpoint := os.environ.get("FLEETFUEL_S3_ENDPOINT"):
        keys = os.environ["FLEETFUEL_S3_ACCESS_KEY"], os.environ["FLEETFUEL_S3_SECRET_KEY"]
        yield servers.S3(endpoint, *keys, tmp_path_factory.mktemp("no-objects-here"))
        return
    with servers.s3() as server:
        yield server


@dataclass(frozen=True)
class Database:
    """One empty database of the session's server."""

    server: servers.Postgres
    name: str

    @property
    def env(self) -> dict[str, str]:
        return self.server.env(self.name)

    def connect(self, **kwargs: Any) -> psycopg.Connection[Any]:
        return self.server.connect(self.name, **kwargs)

    def query(self, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement, commit, and give its rows (if it has any)."""
        with self.connect(autocommit=True) as conn:
            cursor = conn.execute(sql, params)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def fresh_database(server: servers.Postgres, options: str = "", name: str = "") -> Iterator[Database]:
    """Create a database, with `options` if any, and drop it afterwards with whoever is still connected."""
    with server.connect(autocommit=True) as conn:
        # The first free name: what dbt parsed for an earlier test's database then holds for this one, too.
        taken = {each for (each,) in conn.execute("select datname from pg_database")}
        name = name or next(each for n in itertools.count(1) if (each := f"test_{n}") not in taken)
        conn.execute(f"create database {name} {options}")  # type: ignore[arg-type]
    try:
        yield Database(server, name)
    finally:
        with server.connect(autocommit=True) as conn:
            conn.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


@pytest.fixture
def make_database() -> Iterator[Callable[[servers.Postgres], Database]]:
    """Fresh, empty databases for one test, on whichever server."""
    with contextlib.ExitStack() as stack:
        yield lambda server: stack.enter_context(fresh_database(server))


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh, empty database for one test: on `pg_server`, or on the server an indirect parameter names."""
    with fresh_database(request.getfixturevalue(getattr(request, "param", "pg_server"))) as db:
        yield db


# For a test that uses `database`: runs it on the newest and on the oldest PostgreSQL that is supported.
NEWEST_AND_OLDEST = pytest.mark.parametrize("database", ["pg_server", "pg15_server"], indirect=True)


@dataclass(frozen=True)
class Bucket:
    """One empty bucket of the session's S3 server."""

    server: servers.S3
    name: str

    @property
    def env(self) -> dict[str, str]:
        return self.server.env(self.name)

    def put(self, key: str, body: bytes) -> None:
        self.server.client().put_object(Bucket=self.name, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.server.client().delete_object(Bucket=self.name, Key=key)


@pytest.fixture
def bucket(s3_server: servers.S3) -> Iterator[Bucket]:
    """A fresh, empty bucket for one test."""
    name = f"fuel-{secrets.token_hex(6)}"
    s3_server.client().create_bucket(Bucket=name)
    yield Bucket(s3_server, name)
    shutil.rmtree(s3_server.root / name, ignore_errors=True)


PARSED = Path(tempfile.mkdtemp(prefix="fleetfuel-parsed-"))
atexit.register(shutil.rmtree, PARSED, ignore_errors=True)
PARTIAL_PARSE = "partial_parse.msgpack"


def _parsed(database: Database) -> Path:
    """Where the session keeps what dbt parsed for this connection; dbt itself sees which files changed."""
    return PARSED / md5(repr(sorted(database.env.items())).encode(), usedforsecurity=False).hexdigest()


def reuse_parsed(database: Database, target: Path) -> None:
    """Give dbt's target what it parsed for an earlier test, which spares it seconds."""
    if _parsed(database).exists() and not (target / PARTIAL_PARSE).exists():
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(_parsed(database), target / PARTIAL_PARSE)


def keep_parsed(database: Database, target: Path) -> None:
    """Keep what dbt parsed, for the next test."""
    if (target / PARTIAL_PARSE).exists() and not _parsed(database).exists():
        shutil.copy(target / PARTIAL_PARSE, _parsed(database))


@dataclass(frozen=True)
class Dbt:
    """dbt on one project folder and one database, as a subprocess: what cron runs."""

    project: Path
    database: Database
    target: Path

    def __call__(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `dbt ARGS`; with `check`, a failure raises with dbt's own output."""
        process = self.start(*args)
        out, errors = process.communicate()
        keep_parsed(self.database, self.target)
        if check and process.returncode:
            raise AssertionError(f"dbt {' '.join(args)} exited {process.returncode}:\n{out}{errors}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

    def build(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`dbt build ARGS` without the unit tests, as the hourly job runs it."""
        return self("build", "--exclude-resource-type", "unit_test", *args, check=check)

    def start(self, *args: str) -> Forked:
        """Start `dbt ARGS`."""
        reuse_parsed(self.database, self.target)
        return Forked(
            "dbt.cli.main",
            "--no-use-colors",
            *args,
            cwd=self.project,
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.environ.get("HOME", "/"),
                "DBT_TARGET_PATH": str(self.target),
                "DBT_LOG_PATH": str(self.target),
                "DBT_WRITE_JSON": "false",  # as the hourly job
                **self.database.env,
            },
        )


@pytest.fixture
def make_dbt(tmp_path: Path) -> Callable[[Database], Dbt]:
    """dbt on this project and a given database."""
    return lambda database: Dbt(ROOT, database, tmp_path / "target")


@pytest.fixture
def dbt(database: Database, make_dbt: Callable[[Database], Dbt]) -> Dbt:
    """dbt on this project and the test's database."""
    return make_dbt(database)


PROJECT_PARTS = ("dbt_project.yml", "profiles.yml", "models", "macros", "functions", "seeds", "tests/data")


def copy_project(destination: Path) -> Path:
    """A copy of the dbt project that a test may edit."""
    for part in PROJECT_PARTS:
        source, target = ROOT / part, destination / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    return destination
