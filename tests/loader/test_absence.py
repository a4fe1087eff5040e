"""The ids that a snapshot lacks: what it says about them, and when it is not believed."""

# ruff: noqa: E501
from __future__ import annotations

import json

import pytest
from exports import LATEST, envelope, hour, record


def test_snapshot_marks_absent_ids_and_takes_them_back(loader):
    loader.snapshot(envelope([record(n) for n in range(30)], at=1))
    loader.snapshot(envelope([record(n) for n in range(28)], at=2))
    assert loader.counts() == {"seen": 28, "unchanged": 28, "absent": 2}
    gone = loader.rows("id, absent_since, load_id, raw")
    assert gone["29"][0].isoformat() == "2026-11-01T02:00:00+00:00"
    assert gone["29"][1] == 2
    assert loader.rows("id, loaded_at > first_loaded_at")["29"]
    loader.snapshot(envelope([record(n) for n in range(28)], at=3))
    assert loader.rows("id, absent_since, load_id, raw") == gone, "absent stays as it was"
    loader.delta("2026-11-01T04-00-00Z.json", [record(28)])
    loader.changes()
    loader.snapshot(envelope([record(n) for n in range(30)], at=5))
    assert loader.counts() == {"seen": 30, "unchanged": 29, "updated": 1}
    assert loader.live() == {str(n) for n in range(30)}


def test_snapshot_spares_what_was_exported_after_it(loader):
    loader.snapshot(envelope([record(1)], at=1))
    loader.delta("2026-11-01T05-00-00Z.json", [record(2, at=5)])
    loader.changes()
    loader.snapshot(envelope([record(1), record(3)], at=4))
    assert loader.live() == {"1", "2", "3"}
    loader.snapshot(envelope([], at=2))
    assert loader.live() == {"1", "2", "3"}, "an old one, put back by mistake, says nothing about absence"


def test_a_snapshot_that_states_no_time_outdates_nothing(loader):
    """When it came into the bucket says nothing of when it was exported."""
    loader.snapshot([record(1)])
    loader.delta("2026-11-01T05-00-00Z.json", [record(2, at=5)])
    loader.changes()
    assert loader.live() == {"1", "2"}


def test_a_record_that_is_refused_is_not_absent(loader):
    loader.snapshot(envelope([record(1), record(2)], at=1))
    loader.snapshot(envelope([record(1), record(2, n=0)], at=2).replace(b'"n": 0', b'"n": 1e400000'))
    assert loader.counts() == {"seen": 2, "unchanged": 1, "rejected": 1}
    assert loader.live() == {"1", "2"}
    deep = b'{"id": 2, "n": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    loader.snapshot(b'{"metadata": {}, "records": [' + json.dumps(record(1)).encode() + b", " + deep + b"]}")
    assert loader.counts() == {"seen": 2, "unchanged": 1, "rejected": 1}
    assert loader.live() == {"1", "2"}


def test_shrunken_snapshot_is_refused(loader):
    """Five per cent of what is alive: neither of what went before, nor of what is deleted."""
    loader.snapshot(envelope([record(n) for n in range(600)], at=0))
    loader.snapshot(envelope([record(n) for n in range(500)], at=1), "--accept-shrink")
    loader.delta("2026-11-01T01-30-00Z.json", [record(n, deleted_at=hour(1)) for n in range(600, 700)])
    loader.changes()
    image = loader.image()[0]
    log = loader.snapshot(envelope([record(n, v="new") for n in range(474)], at=2), code=1).log
    assert "lacks 26 of 500 live rows" in log
    assert "--accept-shrink" in log
    assert loader.image()[0] == image
    assert [status for _, status, _ in loader.ledger()[2:]] == ["applied", "refused"]
    loader.snapshot(None, code=1)  # tried again
    loader.snapshot(None, "--accept-shrink")
    assert loader.counts() == {"seen": 474, "updated": 474, "absent": 126}


def test_a_snapshot_replaced_by_one_of_the_same_export_time(loader):
    loader.snapshot(envelope([record(1), record(2)], at=1))
    loader.snapshot(envelope([record(1)], at=1))
    assert loader.live() == {"1"}
    loader.snapshot(envelope([record(1), record(2, v="other")], at=1))
    assert loader.live() == {"1", "2"}
    assert loader.rows("id, raw ->> 'v'")["2"] == "other"


def test_small_losses_are_believed(loader):
    loader.snapshot(envelope([record(n) for n in range(500)], at=1))
    loader.snapshot(envelope([record(n) for n in range(475)], at=2))  # 25 rows: 5 %
    assert loader.counts()["absent"] == 25
    loader.snapshot(envelope([record(n) for n in range(475, 500)], at=3), "--accept-shrink")
    loader.snapshot(envelope([record(n) for n in range(475, 480)], at=4))  # 20 rows of 25
    assert loader.counts()["absent"] == 20


@pytest.mark.parametrize("when", [hour(1), "01/11/2026 04:00", 1793491200000, True])
def test_soft_deleted_rows_do_not_count_as_lost(loader, when):
    deleted = [record(n, deleted_at=when) for n in range(100, 200)]
    loader.delta("2026-11-01T01-00-00Z.json", [record(n) for n in range(100)] + deleted)
    loader.changes()
    loader.snapshot(envelope([record(n) for n in range(100)], at=2))
    assert loader.counts() == {"seen": 100, "unchanged": 100, "absent": 100}


@pytest.mark.parametrize(
    "word", [False, 0, "N/A", "0000-00-00 00:00:00", "9999-12-30T21:00:00.000Z", "infinity"]
)
def test_what_is_not_deleted_may_say_so(loader, word):
    loader.snapshot(envelope([record(n, deleted_at=word) for n in range(500)], at=1))
    log = loader.snapshot(envelope([record(n, deleted_at=word) for n in range(400)], at=2), code=1).log
    assert "lacks 100 of 500 live rows" in log


def test_a_deletion_that_never_comes_is_not_the_newest_version(loader):
    loader.delta(
        "2026-11-01T01-00-00Z.json", [record(n, at=1, deleted_at=f"9999-12-3{n}T21:00:00Z") for n in (0, 1)]
    )
    loader.delta("2026-11-01T02-00-00Z.json", [record(n, at=2, deleted_at=hour(2)) for n in (0, 1)])
    loader.changes()
    assert loader.counts() == {"seen": 2, "updated": 2}


def test_wrong_record_count_is_refused(loader):
    assert len(loader.snapshot(envelope([], record_count="9" * 9999), code=1).log) < 400
    log = loader.snapshot(envelope([record(1), record(2)], record_count=3), code=1).log
    assert "record_count is 3, but it holds 2 records" in log
    assert loader.rows() == {}
    loader.snapshot(None, "--accept-shrink")
    assert len(loader.rows()) == 2
    loader.snapshot(
        envelope([record(1), record(2), record(1)], record_count="3")
    )  # as text, counting a duplicate
    loader.delta("2026-11-01T00-00-00Z.json", envelope([record(3)], record_count=9))
    loader.changes()  # nothing hangs on the count of a delta


def test_a_late_delta_tells_nothing_new_of_what_a_later_snapshot_held(loader):
    """Without `updated_at`, and with a snapshot that repeated the stored version, so wrote nothing."""
    loader.delta("2026-11-01T01-00-00Z.json", [{"id": 1, "v": "A"}, {"id": 2, "v": "A"}])
    loader.changes()
    loader.snapshot(envelope([{"id": 1, "v": "A"}], at=3))
    loader.snapshot(envelope([{"id": 1, "v": "A"}], at=4))
    loader.delta("2026-11-01T02-00-00Z.json", [{"id": 1, "v": "B"}, {"id": 2, "v": "B"}])
    loader.changes()
    assert loader.counts() == {"seen": 2, "stale": 1, "updated": 1}
    hours = "id, raw ->> 'v', extract(hour from absent_since at time zone 'UTC')::int"
    assert loader.rows(hours) == {"1": ("A", None), "2": ("B", 3)}
    loader.delta("2026-11-01T02-30-00Z.json", [{"id": 2, "v": "B"}])
    loader.changes()
    assert loader.counts() == {"seen": 1, "unchanged": 1}
    loader.delta("2026-11-01T05-00-00Z.json", [{"id": 1, "v": "C"}, {"id": 2, "v": "C"}])
    loader.changes()
    assert loader.rows(hours) == {"1": ("C", None), "2": ("C", None)}


def test_an_absent_id_comes_back_in_an_older_version(loader):
    """The source was restored from a backup: the newest version stays, and is there again."""
    loader.snapshot(envelope([record(1), record(2, at=5)], at=5))
    loader.snapshot(envelope([record(1)], at=6))
    loader.delta("2026-11-01T05-30-00Z.json", [record(2, at=4)])
    loader.changes()
    assert loader.counts() == {"seen": 1, "stale": 1}
    assert loader.live() == {"1"}, "what was exported before says nothing of it"
    loader.bucket.put(LATEST, envelope([record(1), record(2, at=4)], at=7))
    assert "1 updated, 1 unchanged" in loader("--snapshot").log
    loader.snapshot()
    assert loader.counts() == {"seen": 2, "unchanged": 1, "updated": 1}
    assert loader.live() == {"1", "2"}
    assert loader.rows("id, raw ->> 'updated_at', load_id")["2"] == (hour(5), 4)
    loader.snapshot(envelope([record(1), record(2, at=4)], at=8))
    assert loader.counts() == {"seen": 2, "unchanged": 1, "stale": 1}


@pytest.mark.parametrize("stated", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_an_export_time_that_no_clock_shows_does_not_stop_the_next_load(loader, stated):
    loader.snapshot(envelope([record(1)], exported_at=stated))
    loader.snapshot(envelope([record(1), record(2)], exported_at=stated))
    assert loader.live() == {"1", "2"}


@pytest.mark.parametrize(("count", "accepted"), [("2.0", True), ('" 2"', True), ("2e0", True), ("null", True), ("1e400", False), ('""', False), ("[2]", False), ("true", False), ('"\ufffd"', False)])  # fmt: skip
def test_record_count_as_it_may_be_written(loader, count, accepted):
    body = envelope([record(1), record(2)], at=2, record_count=0).replace(
        b'"record_count": 0', f'"record_count": {count}'.encode().replace("\ufffd".encode(), b"\xff")
    )
    log = loader.snapshot(body, code=0 if accepted else 1).log
    if accepted:
        assert loader.database.query("select exported_at from fuel.records_raw limit 1")[0][0].hour == 2
    else:
        assert f"record_count is {count}, but it holds 2 records" in log
