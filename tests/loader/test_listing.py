"""Listings that end early, repeat themselves, never end, or leave something out."""

from __future__ import annotations

import json

import pytest
from exports import CHANGES, LATEST, record
from listing import odd_server

COMPLETE = [
    "",
    "NextMarker only",
    "no token",
    "false too soon",
    "token ignored",
    "new tokens ignored",
    "no LastModified",
    "start-after includes its key",
    "empty pages",
]


@pytest.fixture
def odd(loader, monkeypatch):
    with odd_server() as server:
        monkeypatch.setenv("RUSTFS_ENDPOINT", server.endpoint)
        for n in range(5):
            name = f"{CHANGES}2026-11-01T0{n}-00-00Z.json"
            server.objects[name] = json.dumps([record(n)]).encode()
        server.objects[LATEST] = json.dumps([record(n) for n in range(5)]).encode()
        yield server


@pytest.mark.parametrize("fault", COMPLETE)
def test_every_object_is_found_however_the_server_lists(loader, odd, fault):
    odd.fault = fault
    loader.changes()
    assert set(loader.rows()) == set("01234")
    assert "nothing new" in loader.changes().log
    loader("--snapshot", "--apply")
    state = loader.database.query("select watermark::text from fuel.ingest_state where feed = 'changes'")
    assert state == [("2026-11-01 04:00:00+00",)], "a missing time is read from the key"


@pytest.mark.parametrize(
    "fault",
    [
        "nothing heeded",
        "start-after ignored",
        "start-after ignored, false too soon",
        "one page, start-after ignored",
        "empty pages for ever",
    ],
)
def test_a_listing_without_progress_is_an_error_and_no_loop(loader, odd, fault):
    odd.fault = fault
    log = loader("--changes", code=69).log
    assert len(log.splitlines()) == 1
    assert "repeats itself, or never ends" in log
    assert len(odd.requests) < 200


def test_a_time_that_cannot_be_read_is_one_line(loader, odd):
    odd.fault = "empty LastModified"
    [line] = loader("--changes", code=69).log.splitlines()
    assert "the bucket's answer cannot be read" in line


def test_an_object_without_any_time_is_landed(loader, odd):
    odd.fault = "no LastModified"
    odd.objects = {f"{CHANGES}a.json": json.dumps([record(1)]).encode(), LATEST: b'[{"id": 1}, {"id": 2}]'}
    loader.changes()
    loader("--snapshot", "--apply")
    loader.changes("--since", "2026-11-01")
    assert set(loader.rows()) == {"1", "2"}
