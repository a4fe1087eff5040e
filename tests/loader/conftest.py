"""The fixtures that the loader's tests share: a loader in this process, and its bucket, which fails on demand."""

# ruff: noqa: E501
from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import tenacity
from exports import CHANGES, LATEST

from loader import cli, feed, landing, session
from loader.settings import read_settings
from loader.times import key_time
from tests.faulty_s3 import FaultyS3


def without_times(said: str) -> str:
    """Lines of the log without the time that each of text begins with; argparse's own have none."""
    lines = []
    for line in said.splitlines(keepends=True):
        if not line.startswith(("{", "usage: ", "fuel-loader: error: ", " ")):
            assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line), line
            line = line[21:]
        lines.append(line)
    return "".join(lines)


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
        ran.log = without_times(self.capsys.readouterr().err)
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
            " where last_load_id = (select max(load_id) from fuel.loads) order by position"
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
                "select object_key, position, id, reason, original, occurrences from fuel.load_rejects order by load_id, position",
                "select id, raw from fuel.record_versions order by replaced_by_load_id, id",
                "select feed, watermark, object_key from fuel.ingest_state order by feed",
            )
        ]

    @contextlib.contextmanager
    def deliveries(self) -> Iterator[Callable[[list[tuple[str, str, bytes]]], None]]:
        """Lands (mode, key, body) one after the other in emptied tables, on one connection: for many histories."""
        with landing.Landing(read_settings(), writing=True) as zone:

            def deliver(objects: list[tuple[str, str, bytes]]) -> None:
                self.database.query(
                    "truncate fuel.loads, fuel.records_raw, fuel.load_rejects, fuel.ingest_state, fuel.record_versions"
                )
                for mode, key, body in objects:
                    parsed = feed.parse(bytearray(body))
                    exported_at = parsed.exported_at or key_time(key)
                    zone.load(feed.Source(mode, key, None, exported_at, True), parsed, accept_shrink=True)

            yield deliver


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once."""
    monkeypatch.setattr(session, "BACKOFF", tenacity.wait_none())


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


@pytest.fixture
def faulty_s3(s3_proxy: FaultyS3, monkeypatch: pytest.MonkeyPatch, loader: Loader) -> FaultyS3:
    """The bucket of this loader, behind a proxy."""
    monkeypatch.setenv("RUSTFS_ENDPOINT", s3_proxy.endpoint)
    return s3_proxy
