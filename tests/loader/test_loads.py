"""Which version wins, what is written, and what a snapshot says about ids it lacks."""

# ruff: noqa: E501
from __future__ import annotations

import gzip
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
    """What a snapshot repeats is not read; which version is the newest one must not depend on that."""
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
    loader.changes()  # of a delta nothing hangs on it


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


def test_landing_is_brought_up_to_date_and_a_newer_one_refused(loader, monkeypatch):
    """A database with rows meets a loader of the next version, then again the old one."""
    from loader import session

    loader.snapshot([record(1)])
    image = loader.image()
    old = session.files("loader").joinpath("landing.sql").read_text()
    (loader.folder / "landing.sql").write_text(
        old + "alter table loads add column if not exists note text;\n"
        "insert into landing_versions (version) values (3) on conflict do nothing;\n"
    )
    with monkeypatch.context() as newer:
        newer.setattr(session, "VERSION", 3)
        newer.setattr(session, "files", lambda package: loader.folder)
        assert "version 2" not in loader("--changes").log  # a dry run leaves it as it is
        assert loader.database.query("select max(version) from fuel.landing_versions") == [(2,)]
        assert "brought to version 3" in loader.changes().log
        assert "brought" not in loader.changes().log
        assert loader.image() == image
        assert loader.database.query("select note from fuel.loads") == [(None,)]
    assert "version 3, this loader knows version 2" in loader.changes(code=2).log


def test_landing_sql_says_its_version_and_describes_every_column(database):
    from loader import session

    with database.connect(autocommit=True) as conn:
        for _ in range(2):
            with conn.transaction():
                session.create_landing(conn, "fuel")
        assert conn.execute("select max(version) from fuel.landing_versions").fetchone() == (session.VERSION,)
        undescribed = conn.execute(
            "select attrelid::regclass, attname from pg_attribute join pg_class on pg_class.oid = attrelid"
            " where relnamespace = 'fuel'::regnamespace and relkind = 'r' and attnum > 0"
            " and col_description(attrelid, attnum) is null"
        ).fetchall()
        assert undescribed == []


def test_role_that_owns_nothing_but_the_landing_tables(loader, monkeypatch):
    """Schema and tables were made for it; it has no CREATE anywhere. A load then runs no DDL on them."""
    from loader import session

    role = f"loader_{loader.database.name}"
    with loader.database.connect(autocommit=True) as conn:
        conn.execute(f"create role {role} login")
        monkeypatch.setenv("PGUSER", role)
        conn.execute(f"revoke connect on database {loader.database.name} from public")
        log = loader.changes(code=2).log
        assert "(or DATABASE_URL): " in log
        assert "permission denied for database" in log
        conn.execute(f"grant connect on database {loader.database.name} to public")
        assert (
            "let the owner of schema fuel run `fuel-loader --changes --apply` once"
            in loader.snapshot([record(1)], code=2).log
        )
        with conn.transaction():
            session.create_landing(conn, "fuel")
        conn.execute(f"grant usage on schema fuel to {role}")
        for table in (
            "loads",
            "records_raw",
            "load_rejects",
            "ingest_state",
            "landing_versions",
            "record_versions",
        ):
            conn.execute(f"alter table fuel.{table} owner to {role}")
        loader.snapshot()
        loader.snapshot([record(1, at=1), record(2)])
        loader.snapshot([record(2), {"x": 1}])
        conn.execute("alter table fuel.load_rejects owner to postgres")
        assert (
            "lacks a privilege: permission denied for table load_rejects"
            in loader.snapshot([{"x": 2}, record(2)], code=2).log
        )
    assert loader.counts()["absent"] == 1
    loader.database.query(f"drop owned by {role} cascade")
    loader.database.query(f"drop role {role}")


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
