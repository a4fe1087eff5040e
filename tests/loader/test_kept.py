"""Versions that were replaced, items that were rejected, and how long both are kept."""

from __future__ import annotations

import json

import pytest
from exports import envelope, hour, record

from loader import session

VERSIONS = "select id, load_id, raw, replaced_by_load_id from fuel.record_versions order by replaced_at, id"


def test_a_replaced_version_is_kept_with_what_replaced_it(loader):
    first, second, third = (record(1, at=n, litres=n) for n in (0, 1, 2))
    loader.snapshot(envelope([first, record(2)], at=0))
    assert loader.database.query(VERSIONS) == []
    loader.snapshot(envelope([second, record(2), record(3)], at=1))
    loader.delta("2026-11-01T02-00-00Z.json", [third, record(3)])
    loader.changes()
    assert loader.database.query(VERSIONS) == [("1", 1, first, 2), ("1", 2, second, 3)]
    assert loader.rows()["1"] == third
    assert loader.database.query(
        "select replaced_at between started_at and finished_at from fuel.record_versions"
        " inner join fuel.loads on replaced_by_load_id = loads.load_id"
    ) == [(True,), (True,)]


def test_what_replaces_nothing_keeps_nothing(loader):
    """Unchanged, stale, absent, come back, or only written otherwise."""
    loader.snapshot(envelope([record(n, at=5) for n in range(30)], at=5))
    loader.snapshot(envelope([record(n, at=5) for n in range(28)], at=6))
    loader.snapshot(envelope([record(n, at=5) for n in range(29)], at=7))
    loader.snapshot(envelope([record(n, at=4) for n in range(30)], at=8))
    assert loader.counts() == {"seen": 30, "stale": 29, "updated": 1}
    loader.snapshot(json.dumps([record(n, at=5) for n in range(30)], indent=1).encode())
    assert loader.counts() == {"seen": 30, "updated": 30}
    assert loader.database.query(VERSIONS) == []


def test_a_soft_deletion_and_its_undoing_are_versions(loader):
    states = [record(1, at=0), record(1, at=1, deleted_at=hour(1)), record(1, at=2)]
    for n, state in enumerate(states):
        loader.delta(f"2026-11-01T0{n}-00-00Z.json", [state])
        loader.changes()
    assert [raw for _, _, raw, _ in loader.database.query(VERSIONS)] == states[:2]


REJECTS = "select position, load_id, last_load_id, occurrences, object_key from fuel.load_rejects order by 1"


def test_each_bad_item_is_kept_once_and_told_once(loader):
    logs = [loader.snapshot(envelope([record(1), {"x": 1}, {"x": 2}], at=n)).log for n in range(3)]
    assert "newly rejected: 2, see fuel.load_rejects" in logs[0]
    assert "newly rejected" not in logs[1] + logs[2]
    key = "fuel_records/latest.json"
    assert loader.database.query(REJECTS) == [(2, 1, 3, 3, key), (3, 1, 3, 3, key)]
    log = loader.snapshot(envelope([{"x": 3}, record(1), {"x": 2}], at=4)).log
    assert "newly rejected: 1, " in log
    assert loader.database.query(REJECTS) == [(1, 4, 4, 1, key), (2, 1, 3, 3, key), (3, 1, 4, 4, key)]
    loader.delta("2026-11-01T05-00-00Z.json", [record(1), {"x": 2}])
    loader.changes()
    assert len(loader.rejects()) == 1, "in another object it is another item"
    assert len(loader.database.query(REJECTS)) == 4


def test_the_same_bad_item_twice_in_an_object(loader):
    loader.snapshot([{}, record(1), {}])
    assert loader.counts() == {"seen": 3, "inserted": 1, "rejected": 2}
    assert loader.database.query(REJECTS)[0][:4] == (1, 1, 1, 2)


def test_what_was_kept_long_enough_is_let_go(loader, monkeypatch):
    monkeypatch.setenv("FUEL_KEEP_DAYS", "30")
    loader.snapshot(envelope([record(n) for n in (1, 2)] + [{"x": 1}], at=0))
    loader.snapshot(envelope([record(n, at=1) for n in (1, 2)] + [{"x": 2}], at=1))
    kept = "select (select count(*) from fuel.record_versions), (select count(*) from fuel.load_rejects)"
    assert loader.database.query(kept) == [(2, 2)]
    loader.database.query(
        "update fuel.record_versions set replaced_at = now() - interval '31 days' where id = '1';"
        "update fuel.load_rejects set last_met_at = now() - interval '31 days' where load_id = 1"
    )
    loader("--changes")
    assert loader.database.query(kept) == [(2, 2)], "a dry run lets nothing go"
    loader.changes()
    assert loader.database.query(kept) == [(1, 1)]
    monkeypatch.setenv("FUEL_KEEP_DAYS", "0")
    assert "FUEL_KEEP_DAYS" in loader.changes(code=2).log


@pytest.mark.parametrize("server", ["pg_server", "pg15_server"])
def test_a_landing_of_version_1_is_updated_in_place(make_loader, server):
    """With the rejects of three hours in it: those of one item become one."""
    loader = make_loader(server)
    first = session.files("loader").joinpath("landing.sql").read_text().partition("-- Version 2")[0]
    with loader.database.connect() as conn:
        conn.execute("create schema fuel; set local search_path = fuel")
        conn.execute(first.encode())
        for load in (1, 2, 3):
            conn.execute(
                "insert into loads (mode, object_key, started_at, finished_at, status)"
                " values ('snapshot', %s, now(), now() + %s * interval '1 hour', 'applied')",
                ["fuel_records/latest.json", load],
            )
            for position, original in enumerate((b"{}", b'{"x": 1}', b"{}") if load < 3 else (b"{}",), 1):
                conn.execute(
                    "insert into load_rejects (load_id, position, reason, original)"
                    " values (%s, %s, 'no id', %s)",
                    [load, position, original],
                )
    assert "nothing new" in loader("--changes").log, "a dry run reads the old tables"
    assert loader.database.query("select max(version) from fuel.landing_versions") == [(1,)]
    assert "landing tables brought to version 2" in loader.changes().log
    key = "fuel_records/latest.json"
    assert loader.database.query(REJECTS) == [(1, 1, 3, 5, key), (2, 1, 2, 2, key)]
    assert loader.database.query(
        "select bool_and(last_met_at = finished_at) from fuel.load_rejects"
        " inner join fuel.loads on last_load_id = loads.load_id"
    ) == [(True,)]
    with loader.database.connect() as conn:
        session.create_landing(conn, "fuel")  # and once more, to no effect
    loader.snapshot([record(1), {}])
    assert loader.database.query(REJECTS)[0] == (1, 1, 4, 6, key)
    old = set(loader.database.query("select checked_at is null from fuel.loads where load_id = 4"))
    assert old == {(False,)}, "what the version before reads is still written"
