"""Exports dated ahead of the clock, and a watermark that a version before let run ahead."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from exports import CHANGES, LATEST, envelope, record


def ahead(**delta: int) -> str:
    return (datetime.now(timezone.utc) + timedelta(**delta)).isoformat()


@pytest.mark.parametrize("name", ["exported_at", "generated_at", "timestamp"])
@pytest.mark.parametrize("later", [{"minutes": 16}, {"days": 400}])
def test_a_snapshot_dated_ahead_is_refused_and_hides_nothing(loader, name, later):
    loader.snapshot(envelope([record(1)], at=1))
    before = loader.image()
    log = loader.snapshot(envelope([record(1), record(2)], **{name: ahead(**later)}), code=1).log
    assert "refused fuel_records/latest.json: it says it was exported at 20" in log
    assert "which is yet to come: set the exporter's clock right" in log
    assert loader.image()[0] == before[0]
    assert loader.image()[-1] == before[-1]
    loader.delta("2026-11-01T02-00-00Z.json", [record(3)])
    loader.changes()
    assert loader.live() == {"1", "3"}


def test_clocks_may_differ_a_little(loader):
    loader.snapshot(envelope([record(1)], exported_at=ahead(minutes=14)))
    assert loader.live() == {"1"}


@pytest.mark.parametrize("how", ["key", "metadata"])
def test_a_delta_dated_ahead_lands_as_of_now(loader, how):
    """It is spend, and it must not be newer than what comes in the next hour."""
    if how == "key":
        loader.delta("2099-01-01T00-00-00Z.json", [record(1), {"id": 2, "v": "first"}])
    else:
        loader.delta("a.json", envelope([record(1), {"id": 2, "v": "first"}], exported_at=ahead(days=9)))
    log = loader.changes().log
    assert "which is yet to come; taken as exported now" in log
    stored = "select bool_and({} <= now()) from {}"
    for column, table in (("exported_at", "fuel.records_raw"), ("watermark", "fuel.ingest_state")):
        assert loader.database.query(stored.format(column, table)) == [(True,)]
    loader.delta("b.json", envelope([{"id": 2, "v": "second"}], exported_at=ahead(seconds=5)))
    loader.changes()
    assert loader.rows("id, raw ->> 'v'")["2"] == "second"


@pytest.fixture
def of_version_1(loader):
    """Tables as version 0.1 left them: a snapshot of 2099, and a delta after it, absent from the start."""
    loader.snapshot(envelope([record(1), record(2)], at=1))
    loader.delta("2026-11-01T02-00-00Z.json", [record(3)])
    loader.changes()
    loader.database.query(
        "update fuel.ingest_state set watermark = '2099-01-01Z' where feed = 'snapshot';"
        "update fuel.records_raw set exported_at = '2099-01-01Z' where id = '1';"
        "update fuel.records_raw set absent_since = '2099-01-01Z' where id = '3'"
    )
    return loader


def test_a_watermark_ahead_is_told_at_every_run_and_not_believed(of_version_1):
    loader = of_version_1
    told = "the watermark of snapshot, 2099-01-01"
    for args in ("--changes", "--snapshot", "--changes --apply", "--snapshot --apply"):
        assert told in loader(*args.split(), code=1).log
    loader.delta("2026-11-01T05-00-00Z.json", [record(4)])
    loader.changes(code=1)
    assert "4" in loader.live(), "new spend can be seen meanwhile"


def test_reset_watermark(of_version_1):
    loader = of_version_1
    before = loader.image()
    assert "dry run: would put the watermark right" in loader("--reset-watermark").log
    assert loader.image() == before
    log = loader("--reset-watermark", "--apply").log
    assert "put right: snapshot 2099-01-01 00:00 UTC; 2 rows with it" in log
    assert loader.live() == {"1", "2", "3"}
    assert loader.database.query("select feed, watermark::text from fuel.ingest_state order by 1") == [
        ("changes", "2026-11-01 02:00:00+00"),
        ("snapshot", "2026-11-01 01:00:00+00"),
    ]
    newest = loader.database.query("select max(load_id) from fuel.loads")[0][0]
    changed = loader.rows("id, load_id")
    assert (changed["1"], changed["3"]) == (newest, newest), "so that dbt reads them again"
    assert changed["2"] == 1
    assert loader.database.query("select bool_and(exported_at <= now()) from fuel.records_raw") == [(True,)]
    assert "no watermark is ahead" in loader("--reset-watermark", "--apply").log
    loader.snapshot(envelope([record(1, at=3), record(2)], exported_at=ahead(seconds=1)))
    assert loader.live() == {"1", "2"}


def test_reset_and_load_in_one_run(of_version_1):
    loader = of_version_1
    loader.bucket.put(LATEST, envelope([record(1), record(3)], exported_at=ahead(seconds=1)))
    loader("--snapshot", "--apply", "--reset-watermark")
    assert loader.live() == {"1", "3"}


def test_a_fleet_whose_only_snapshot_was_ahead(loader):
    loader.snapshot(envelope([record(1)], at=1))
    loader.database.query("update fuel.ingest_state set watermark = '2099-01-01Z'")
    loader.database.query("update fuel.loads set exported_at = '2099-01-01Z'")
    loader("--reset-watermark", "--apply")
    assert loader.database.query("select watermark from fuel.ingest_state") == [(None,)]
    loader.bucket.put(f"{CHANGES}2026-11-01T02-00-00Z.json", b'[{"id": 2}]')
    loader.changes()
    assert loader.live() == {"1", "2"}
