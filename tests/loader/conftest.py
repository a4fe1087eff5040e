"""What the loader's tests share: a loader in this process, and a bucket that fails on demand."""

# ruff: noqa: E501
from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
import tenacity
from exports import CHANGES, LATEST

from demo import servers
from loader import bucket as bucket_module
from loader import cli, feed, landing
from loader.settings import read_settings


@dataclass
class Ran:
    code: int
    log: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]


@dataclass
class Loader:
    """The loader on one database and one bucket, in this process."""

    database: Any
    bucket: Any
    capsys: pytest.CaptureFixture[str]
    folder: Path

    def __call__(self, *args: str, code: int | None = 0) -> Ran:
        self.capsys.readouterr()
        ran = Ran(cli.main(list(args)), "")
        ran.log = self.capsys.readouterr().err
        if code is not None:
            assert ran.code == code, ran.log
        return ran

    def snapshot(self, body: bytes | list[Any] | None = None, *args: str, code: int = 0) -> Ran:
        if body is not None:
            self.bucket.put(LATEST, body if isinstance(body, bytes) else json.dumps(body).encode())
        return self("--snapshot", "--apply", *args, code=code)

    def changes(self, *args: str, code: int = 0) -> Ran:
        return self("--changes", "--apply", *args, code=code)

    def land(self, body: bytes | list[Any], name: str = "export.json", code: int = 0) -> Ran:
        """Land an export from a file: no bucket needed."""
        path = self.folder / name
        path.write_bytes(body if isinstance(body, bytes) else json.dumps(body).encode())
        return self("--file", str(path), "--apply", code=code)

    def delta(self, name: str, body: bytes | list[Any]) -> None:
        self.bucket.put(CHANGES + name, body if isinstance(body, bytes) else json.dumps(body).encode())

    def rows(self, columns: str = "id, raw") -> dict[str, Any]:
        found = self.database.query(f"select {columns} from fuel.records_raw order by id")
        return {row[0]: row[1] if len(row) == 2 else row[1:] for row in found}

    def live(self) -> set[str]:
        return {
            id for (id,) in self.database.query("select id from fuel.records_raw where absent_since is null")
        }

    def counts(self) -> dict[str, int]:
        """The counts of the newest load."""
        names = ("seen", "inserted", "updated", "unchanged", "stale", "duplicate", "rejected", "absent")
        query = f"select {', '.join(names)} from fuel.loads order by load_id desc limit 1"
        counts = dict(zip(names, self.database.query(query)[0], strict=True))
        assert counts["seen"] == sum(counts[name] for name in names[1:7]), counts
        return {name: count for name, count in counts.items() if count}

    def rejects(self) -> list[tuple[Any, ...]]:
        """(position, id, reason, original) of the newest load."""
        return self.database.query(
            "select position, id, reason, original from fuel.load_rejects"
            " where load_id = (select max(load_id) from fuel.loads) order by position"
        )

    def ledger(self) -> list[tuple[Any, ...]]:
        return self.database.query("select object_key, status, error from fuel.loads order by load_id")

    def image(self) -> list[Any]:
        """Everything in the landing tables but the times of loading and the numbers of the loads."""
        return [
            self.database.query(query)
            for query in (
                "select id, raw, raw_digest, source_updated_at, exported_at, absent_since from fuel.records_raw order by id",
                "select mode, object_key, etag, seen, inserted, updated, unchanged, stale, duplicate, rejected,"
                " absent, status, error from fuel.loads order by load_id",
                "select position, id, reason, original from fuel.load_rejects order by load_id, position",
                "select feed, watermark, object_key from fuel.ingest_state order by feed",
            )
        ]

    @contextlib.contextmanager
    def deliveries(self) -> Iterator[Callable[[list[tuple[str, str, bytes]]], None]]:
        """Lands (mode, key, body) one after the other in emptied tables, on one connection: for many histories."""
        with landing.Landing(read_settings(), writing=True) as zone:

            def deliver(objects: list[tuple[str, str, bytes]]) -> None:
                self.database.query(
                    "truncate fuel.loads, fuel.records_raw, fuel.load_rejects, fuel.ingest_state"
                )
                for mode, key, body in objects:
                    parsed = feed.parse(bytearray(body))
                    exported_at = parsed.exported_at or feed.key_time(key)
                    zone.load(landing.Source(mode, key, None, exported_at, True), parsed, accept_shrink=True)

            yield deliver


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once."""
    monkeypatch.setattr(bucket_module, "BACKOFF", tenacity.wait_none())


_clients: dict[str, Any] = {}
_make_client = boto3.client


def _client(service: str, **arguments: Any) -> Any:
    """The loader's own client, made once: that takes longer than a load."""
    key = repr(sorted((name, str(value)) for name, value in arguments.items() if name != "config"))
    key += str(getattr(arguments.get("config"), "read_timeout", None))
    key += repr(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    if key not in _clients:
        _clients[key] = _make_client(service, **arguments)
    return _clients[key]


@pytest.fixture
def make_loader(
    request, make_database, bucket, capsys, monkeypatch, tmp_path, no_waiting
) -> Callable[[str], Loader]:
    """A loader on a fresh database of the server that the named fixture gives."""

    def make(server: str) -> Loader:
        database = make_database(request.getfixturevalue(server))
        for name in list(os.environ):
            if name.startswith(("PG", "RUSTFS_", "DATABASE_URL", "FUEL_")):
                monkeypatch.delenv(name)
        for name, value in {**database.env, **bucket.env}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "client", _client)
        monkeypatch.chdir(tmp_path)
        return Loader(database, bucket, capsys, tmp_path)

    return make


@pytest.fixture
def loader(make_loader) -> Loader:
    return make_loader("pg_server")


@dataclass
class FaultyS3:
    """An HTTP proxy in front of the S3 server: counts the requests, and fails as `faults` says, one by one.

    A fault is a status to answer with, or a status and a body, "hang" (no answer), or "cut" (half of the body,
    then nothing).
    """

    upstream: servers.S3
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    faults: list[Any] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def faulty_s3(s3_server: servers.S3, monkeypatch: pytest.MonkeyPatch, loader: Loader) -> Iterator[FaultyS3]:
    proxy = FaultyS3(s3_server)
    upstream = urlsplit(s3_server.endpoint)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            proxy.requests.append(f"{self.command} {self.path}")
            fault = proxy.faults.pop(0) if proxy.faults else None
            self.close_connection = fault is not None
            if isinstance(fault, (int, tuple)):
                status, body = fault if isinstance(fault, tuple) else (fault, b"")
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                # Without it the client may send its next request into the void.
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)
                return
            if fault == "hang":
                proxy.closing.wait(20)
                return
            connection = http.client.HTTPConnection(upstream.hostname, upstream.port)
            connection.request(self.command, self.path, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in (
                    "content-length",
                    "transfer-encoding",
                    "connection",
                    "date",
                    "server",
                ):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)

        do_HEAD = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("RUSTFS_ENDPOINT", proxy.endpoint)
    try:
        yield proxy
    finally:
        proxy.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
