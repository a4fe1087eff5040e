"""The same exports on another S3 server, moto's: the loader leaves the same tables."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from exports import CHANGES, LATEST, envelope, record

from demo import servers
from loader import bucket as store
from loader.settings import read_settings
from tests.conftest import Bucket


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3]:
    folder = tmp_path_factory.mktemp("moto")
    port = servers.free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    # It writes a line for each request: into a file, for a pipe that nobody reads would fill up and stop it.
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen([*servers.ENDS_WITH_US, *command], stdout=output, stderr=output)
    try:
        servers.wait_for(
            lambda: socket.create_connection(("127.0.0.1", port), 1).close(), server, log, OSError
        )
        yield servers.S3(f"http://127.0.0.1:{port}", "any", "any", folder)
    finally:
        servers.end(server)


def test_the_second_server_gives_the_same_tables(loader, moto, make_database, monkeypatch):
    images = []
    first = loader.bucket
    second = Bucket(moto, "fuel")
    moto.client().create_bucket(Bucket="fuel")
    for bucket in (first, second):
        loader.database = make_database(loader.database.server)
        loader.bucket = bucket
        for name, value in {**loader.database.env, **bucket.env}.items():
            monkeypatch.setenv(name, value)
        bucket.put(LATEST, gzip.compress(envelope([record(1), record(2)], at=0), mtime=0))
        loader.snapshot()
        for n in range(15):
            loader.delta(f"2026-11-02T{n // 60:02}-{n % 60:02}-00Z.json", b"[]" if n else [record(3, at=24)])
        loader.changes()
        loader.delta("2026-11-02T00-00-00Z.json", [record(3, at=24, v="overwritten"), record(4, at=24)])
        loader.delta(
            "2026-11-03T00-00-00Z.json", gzip.compress(json.dumps([record(2, at=48)]).encode(), mtime=0)
        )
        loader.changes()
        assert set(loader.rows()) == {"1", "2", "3", "4"}
        assert loader.database.query("select count(*) from fuel.loads") == [(18,)]
        images.append(loader.image())
    assert images[0] == images[1]


def test_the_second_server_lists_more_than_a_page(loader, moto, monkeypatch):
    """A page has 1,000 keys, as in S3; its tokens are not rclone's."""
    client = moto.client()
    client.create_bucket(Bucket="many")
    times = [datetime(2026, 11, 1) + timedelta(hours=n) for n in range(1005)]
    names = [f"{CHANGES}{time:%Y-%m-%dT%H}-00-00Z.json" for time in times]
    for name in names:
        client.put_object(Bucket="many", Key=name, Body=b"[]")
    for name, value in {**moto.env("many"), **loader.database.env}.items():
        monkeypatch.setenv(name, value)
    assert [each.key for each in store.Bucket(read_settings()).list(CHANGES)] == names
