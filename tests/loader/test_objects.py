"""Which objects are landed, when, and which are left alone."""

# ruff: noqa: E501
from __future__ import annotations

import gzip
import json

import pytest
from exports import CHANGES, LATEST, envelope, record


def test_applied_etag_is_not_downloaded(loader, faulty_s3):
    loader.snapshot([record(1)])
    loader.delta("2026-11-01T03-00-00Z.json", [record(2)])
    loader.changes()
    checked = loader.database.query("select load_id, checked_at from fuel.loads order by 1")
    del faulty_s3.requests[:]
    loader.snapshot()
    loader.changes()
    assert len(faulty_s3.requests) == 4, "each listing is asked for what comes after its end"
    assert all("list-type=2" in request for request in faulty_s3.requests)
    again = loader.database.query("select load_id, checked_at from fuel.loads order by 1")
    assert [(a[0], a[1] > b[1]) for a, b in zip(again, checked, strict=True)] == [(1, True), (2, True)]


def test_a_refused_object_that_is_taken_away_leaves_the_feed_confirmed(loader):
    """Freshness looks at what was applied only."""
    loader.delta("2026-11-01T03-00-00Z.json", [record(1)])
    loader.changes()
    loader.delta("2026-11-01T04-00-00Z.json", b"[")
    loader.changes(code=1)
    loader.bucket.delete(CHANGES + "2026-11-01T04-00-00Z.json")
    checked = "select checked_at from fuel.loads where status = 'applied'"
    before = loader.database.query(checked)
    assert "nothing new" in loader.changes().log
    assert loader.database.query(checked) > before


def test_late_and_overwritten_deltas_are_applied(loader):
    loader.delta("2026-11-20T00-00-00Z.json", [record(1, at=400)])
    loader.changes()
    loader.delta("2026-11-19T00-00-00Z.json", [record(2, at=390), record(1, at=390, v="old")])
    loader.delta("2025-01-01T00-00-00Z.json", [record(3)])
    loader.changes()
    assert loader.rows("id, raw ->> 'v'") == {"1": None, "2": None, "3": None}
    assert loader.counts() == {"seen": 2, "inserted": 1, "stale": 1}
    loader.delta("2025-01-01T00-00-00Z.json", [record(3, v="re-uploaded"), record(4)])
    loader.changes()
    assert loader.counts() == {"seen": 2, "inserted": 1, "updated": 1}
    assert loader.rows("id, raw ->> 'v'")["3"] == "re-uploaded"
    state = loader.database.query(
        "select watermark, object_key, load_id = (select max(load_id) from fuel.loads), updated_at > started_at"
        " from fuel.ingest_state inner join fuel.loads using (object_key, load_id) where feed = 'changes'"
    )
    assert [(watermark.isoformat(), key.rpartition("/")[2], *rest) for watermark, key, *rest in state] == [
        ("2026-11-20T00:00:00+00:00", "2025-01-01T00-00-00Z.json", True, True)
    ], "the newest time, and the load that came last"


def test_an_object_put_back_to_an_earlier_state_is_applied_again(loader):
    loader.snapshot([record(1), record(2)])
    loader.snapshot([record(1)])
    assert loader.live() == {"1"}
    loader.snapshot([record(1), record(2)])
    assert loader.live() == {"1", "2"}


def test_since(loader):
    loader.delta("2026-11-01T00-00-00Z.json", [record(1)])
    loader.delta("2026-11-02T00-00-00Z.json", [record(2)])
    loader.changes("--since", "2026-11-02T03:00")  # Nairobi time
    assert set(loader.rows()) == {"2"}


def test_empty_prefix_and_empty_exports(loader):
    assert "nothing new" in loader.changes().log
    loader.delta("2026-11-01T00-00-00Z.json", b"[]")
    loader.changes()
    assert loader.counts() == {}
    assert loader.ledger() == [(CHANGES + "2026-11-01T00-00-00Z.json", "applied", None)]


@pytest.mark.reads_the_servers_folder
def test_more_objects_than_a_page_holds(loader, faulty_s3):
    folder = loader.bucket.server.root / loader.bucket.name / CHANGES
    folder.mkdir(parents=True)  # a thousand uploads would take half a minute
    for number in range(1002):
        (folder / f"{number:06d}.txt").touch()
    loader.delta("2026-11-01T00-00-00Z.json", [record(1)])
    loader.changes()
    assert set(loader.rows()) == {"1"}
    assert sum("list-type=2" in request for request in faulty_s3.requests) == 3


@pytest.mark.parametrize(
    "name", ["with space.json", "a+b.json", "ünïcode-☃.json", "100%.json", "a&b=c?.json", "deep/er.json"]
)
def test_odd_keys(loader, name):
    loader.delta(name, [record(1)])
    loader.changes()
    assert loader.ledger() == [(CHANGES + name, "applied", None)]
    assert "nothing new" in loader.changes().log
    assert loader.database.query("select feed from fuel.ingest_state where watermark is not null") == [
        ("changes",)
    ], "the time of the upload, where the key has none"


def test_things_that_are_no_exports_are_left_alone(loader):
    loader.delta("README.txt", b"hello")
    loader.delta(".keep", b"")
    loader.delta("2026-11-01T00-00-00Z.csv", b"id\n1")
    loader.delta("2026-11-01T00-00-00Z.json", [record(1)])
    loader.delta("2026-11-01T01-00-00Z.json.gz", gzip.compress(json.dumps([record(2)]).encode()))
    loader.changes()
    assert [status for _, status, _ in loader.ledger()] == ["applied", "applied"]
    loader.bucket.put(LATEST + ".bak", json.dumps([record(n) for n in range(1, 9)]).encode())
    loader.snapshot([record(1), record(2), record(3)])
    assert set(loader.rows()) == {"1", "2", "3"}


def test_file(loader):
    path = loader.folder / "2026-11-01T05-00-00Z.json"
    path.write_bytes(envelope([record(1), record(2)]))
    loader("--file", str(path))
    loader("--file", str(path), "--apply")
    assert loader.counts() == {"seen": 2, "inserted": 2}
    assert "nothing new" in loader("--file", path.name, "--apply").log
    path.write_bytes(envelope([record(1, at=4)]))
    loader("--file", path.name, "--apply")
    assert loader.counts() == {"seen": 1, "updated": 1}
    assert loader.live() == {"1", "2"}, "a file reconciles nothing"
    assert loader.database.query("select * from fuel.ingest_state") == [], "and it is no feed"
    assert "no.json: No such file" in loader("--file", "no.json", code=2).log
