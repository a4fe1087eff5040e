"""Which version wins, and what is written."""

# ruff: noqa: E501
from __future__ import annotations

import itertools
import json

import pytest
from exports import CHANGES, LATEST, envelope, hour, record


def test_snapshot_then_changes(loader):
    loader.snapshot(envelope([record(1), record(2), record(3)], record_count=3))
    assert loader.counts() == {"seen": 3, "inserted": 3}
    loader.delta(
        "2026-11-01T05-00-00Z.json",
        [record(2, at=4, litres="9"), record(4, at=4), record(1, at=4, deleted_at=hour(4))],
    )
    loader.changes()
    assert loader.counts() == {"seen": 3, "inserted": 1, "updated": 2}
    rows = loader.rows("id, raw ->> 'litres', raw ->> 'deleted_at', load_id, loaded_at > first_loaded_at")
    assert rows == {
        "1": ("45.5L", hour(4), 2, True), "2": ("9", None, 2, True),
        "3": ("45.5L", None, 1, False), "4": ("45.5L", None, 2, False),
    }  # fmt: skip


def test_landed_row_says_where_it_comes_from(loader):
    loader.snapshot(envelope([record(1, at=1, deleted_at=hour(2))], at=3))
    assert loader.database.query(
        "select source_updated_at, exported_at, absent_since, load_id, loaded_at = first_loaded_at from fuel.records_raw"
    ) == loader.database.query(
        f"select '{hour(2)}'::timestamptz, '{hour(3)}'::timestamptz, null::timestamptz, 1, true"
    )
    assert loader.database.query(
        "select mode, object_key, exported_at, status, started_at < finished_at, finished_at <= checked_at from fuel.loads"
    ) == loader.database.query(
        f"select 'snapshot', '{LATEST}', '{hour(3)}'::timestamptz, 'applied', true, true"
    )


def test_the_newer_of_update_and_deletion_counts(loader):
    """Where both are written as usual, and where one of them has to be looked at closely."""
    third = 1793491200 + 3 * 3600
    times = [(hour(1), hour(3)), (hour(3), hour(1)), (hour(1), third), (third, hour(1)), ("?", hour(3))]
    loader.land([{"id": n, "updated_at": u, "deleted_at": d} for n, (u, d) in enumerate(times)])
    assert loader.database.query(
        "select distinct source_updated_at = %s from fuel.records_raw", [hour(3)]
    ) == [(True,)]


def test_dry_run_writes_nothing_not_even_ddl(loader):
    loader.bucket.put(
        LATEST,
        envelope([record(1), record(2), {"x": 1}, {"id": 3, "n": 0}]).replace(b'"n": 0', b'"n": 1e400000'),
    )
    with loader.database.connect(autocommit=True) as conn:
        conn.execute(
            "create function no_ddl() returns event_trigger language plpgsql as $$ begin raise 'DDL'; end $$;"
            "create event trigger no_ddl on ddl_command_start execute function no_ddl()"
        )
        before = conn.execute("select pg_current_xact_id()::text").fetchone()
        log = loader("--snapshot").log
        after = conn.execute("select pg_current_xact_id()::text").fetchone()
        conn.execute("drop event trigger no_ddl")
    assert "4 seen, 2 inserted" in log
    assert "2 rejected" in log
    assert loader.database.query("select to_regnamespace('fuel')") == [(None,)]
    assert int(after[0]) == int(before[0]) + 1, "the dry run used a transaction id"


def test_dry_run_counts_what_the_load_then_does(loader):
    loader.snapshot([record(n) for n in range(30)])
    loader.bucket.put(
        LATEST, json.dumps([record(n, at=n % 2) for n in range(3, 33)] + [record(4, at=5), {}]).encode()
    )
    image = loader.image()
    dry = loader("--snapshot", "--log-format", "json").lines[-1]["counts"]
    assert loader.image() == image
    loader.snapshot()
    assert loader.counts() == {name: count for name, count in dry.items() if count}
    assert dry["absent"] == 3
    assert dry["updated"] == 15
    assert dry["duplicate"] == 1


def test_every_order_of_arrival_ends_in_the_same_rows(loader):
    objects = {
        LATEST: envelope([record(1, at=2, v="S"), record(2, at=0, v="S"), record(3, at=1, v="S")], at=2),
        CHANGES + "2026-11-01T01-00-00Z.json": [
            record(1, at=1, v="A"),
            record(3, at=1, v="A"),
            record(4, at=1, v="A"),
        ],
        CHANGES + "2026-11-01T03-00-00Z.json": [
            record(1, at=3, v="B"),
            record(2, at=3, v="B", deleted_at=hour(3)),
        ],
        CHANGES + "2026-11-01T04-00-00Z.json": [
            record(2, at=4, v="C"),
            {"id": 3, "v": "C"},
            record(5, at=4, v="C"),
        ],
    }
    bodies = {
        key: body if isinstance(body, bytes) else json.dumps(body).encode() for key, body in objects.items()
    }
    with loader.deliveries() as deliver:
        for order in itertools.permutations(objects):
            order += (CHANGES + "2026-11-01T03-00-00Z.json",)
            deliver([("snapshot" if key == LATEST else "changes", key, bodies[key]) for key in order])
            found = loader.rows("id, raw ->> 'v', absent_since is null")
            assert found == {
                "1": ("B", True), "2": ("C", True), "3": ("C", True), "4": ("A", False), "5": ("C", True),
            }, order  # fmt: skip


def versions(loader):
    return loader.database.query("select id, xmin::text, ctid::text from fuel.records_raw order by id")


def test_unchanged_records_are_not_written(loader):
    records = [record(n) for n in range(100)]
    loader.snapshot(envelope(records, at=1))
    before = versions(loader)
    loader.snapshot(envelope(records, at=2))
    assert loader.counts() == {"seen": 100, "unchanged": 100}
    loader.delta("2026-11-01T03-00-00Z.json", records[:10])
    loader.changes()
    assert loader.counts() == {"seen": 10, "unchanged": 10}
    assert versions(loader) == before
    records[7]["litres"] = 7
    loader.snapshot(envelope(records, at=4))
    assert loader.counts() == {"seen": 100, "unchanged": 99, "updated": 1}
    after = versions(loader)
    assert [a[0] for a, b in zip(after, before, strict=True) if a != b] == ["7"]


def test_how_many_rows_a_large_load_changed_is_known_to_the_planner(loader):
    """A build right after it would join its rows one by one, if it expected a single one."""
    loader.snapshot([record(n) for n in range(4000)])
    loader.database.query("analyze fuel.records_raw")
    loader.snapshot([record(n, at=n % 2) for n in range(4000)])
    explain = "explain (format json) select from fuel.records_raw where load_id > "
    [(plan,)] = loader.database.query(explain + "1")
    assert 1000 < plan[0]["Plan"]["Plan Rows"] < 3000
    for n in range(3):  # too few each, but not together
        some = [record(600 * n + m, at=3) for m in range(600)]
        loader.delta(f"2026-11-03T0{n}-00-00Z.json", some)
    loader.changes()
    [(plan,)] = loader.database.query(explain + "2")
    assert 1000 < plan[0]["Plan"]["Plan Rows"] < 3000


STORED = record(1, at=2, v="stored")


BESIDE = {
    "newer, after": ([STORED, record(1, at=3, v="new")], "new"),
    "newer, before": ([record(1, at=3, v="new"), STORED], "new"),
    "older, after": ([STORED, record(1, at=1, v="old")], "stored"),
    "older, before": ([record(1, at=1, v="old"), STORED], "stored"),
    "as old, after": ([STORED, record(1, at=2, v="last")], "last"),
    "as old, before": ([record(1, at=2, v="first"), STORED], "stored"),
    "twice": ([STORED, STORED], "stored"),
    "twice, and newer": ([STORED, record(1, at=3, v="new"), STORED], "new"),
}


@pytest.mark.parametrize("case", BESIDE)
def test_stored_version_beside_another_one_in_the_same_snapshot(loader, case):
    """A version that a snapshot repeats is not read; which version is the newest one must not depend on that."""
    versions, newest = BESIDE[case]
    others = [record(n) for n in range(2, 30)]
    loader.snapshot(envelope([STORED, *others], at=3))
    loader.snapshot(envelope([*others[:9], *versions, *others[9:]], at=4))
    changed = newest != "stored"
    expected = {"seen": 28 + len(versions), "unchanged": 29 - changed, "duplicate": len(versions) - 1}
    assert loader.counts() == {**expected, **({"updated": 1} if changed else {})}
    assert loader.rows("id, raw ->> 'v'")["1"] == newest
    assert len(loader.live()) == 29


def test_wrapped_items_are_compared_without_their_wrapping(loader):
    """n8n numbers its items: the numbers move on with every record before them."""
    items = [{"json": record(n), "pairedItem": {"item": n}} for n in range(1, 30)]
    loader.snapshot(items)
    before = versions(loader)
    loader.snapshot([{"json": record(0), "pairedItem": {"item": 0}}, *items[1:], items[0]])
    assert loader.counts() == {"seen": 30, "inserted": 1, "unchanged": 29}
    loader.snapshot([each["json"] for each in items])
    assert loader.counts() == {"seen": 29, "unchanged": 29, "absent": 1}
    assert [row for row in versions(loader) if row[0] != "0"] == before
