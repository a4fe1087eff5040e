"""A database of the trigger-derived schema becomes a landing zone."""

# ruff: noqa: E501
from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest
from exports import record

from loader import adopt

OLD = """
create schema if not exists fuel;
create schema if not exists reporting;
create function fuel.norm_plate(p text) returns text language sql immutable as $$ select upper(p) $$;
create function fuel.canon_department(p text) returns text language sql immutable as $$ select lower(p) $$;
create function fuel.canon_fuel_type(p text) returns text language sql immutable as $$ select lower(p) $$;
create function fuel.parse_number(p text) returns numeric language sql immutable as $$ select p::numeric $$;
create function fuel.parse_timestamp(p text) returns timestamptz language sql stable as $$ select p::timestamptz $$;
create function fuel.records_derive() returns trigger language plpgsql as $$
begin
    new.plate := fuel.norm_plate(new.raw ->> 'car');
    return new;
end $$;
create table fuel.records (id bigint primary key, raw jsonb, plate text, deleted_at timestamptz);
create table fuel.notes (record_id bigint references fuel.records); -- has triggers of its own, on both tables
create index records_plate_idx on fuel.records (plate);
create index records_of_a_plate_that_were_not_deleted_by_those_who_type_them on fuel.records (plate, deleted_at);
create rule records_stay as on delete to fuel.records do instead nothing;
create trigger records_derive before insert or update on fuel.records for each row execute function fuel.records_derive();
create view reporting.old_fills as
select id, plate, fuel.canon_department(raw ->> 'department') as department from fuel.records where deleted_at is null;
"""


@pytest.fixture
def old(loader):
    records = [
        record(n, message="m" * n, **({"deleted_at": "2026-11-02T00:00:00Z"} if n % 5 == 0 else {}))
        for n in range(1, 60)
    ]
    records += [
        {"id": 60},
        {"id": 61, "updated_at": "2026-02-31", "nested": {"a": [1.50, None]}},
        {"car": "no id in raw"},
        None,
    ]
    with loader.database.connect(autocommit=True) as conn:
        conn.execute(OLD)
        with conn.cursor() as cursor:
            cursor.executemany(
                "insert into fuel.records (id, raw) values (%s, %s)",
                [(n, each and json.dumps(each)) for n, each in enumerate(records, 1)],
            )
    return {str(n): each for n, each in enumerate(records, 1) if each}


def catalogue(loader):
    return loader.database.query(
        "select relname, relkind::text from pg_class where relnamespace in ('fuel'::regnamespace, 'reporting'::regnamespace)"
        " union all select proname, 'f' from pg_proc where pronamespace = 'fuel'::regnamespace"
        " union all select tgname, 't' from pg_trigger order by 1, 2"
    )


def test_adopt(loader, old):
    before = catalogue(loader)
    dry = loader("--adopt").log
    assert "would adopt fuel.records: 63 rows, 62 landed, 1 rejected" in dry
    assert "records_derive" in dry
    assert "reporting.old_fills" in dry
    assert catalogue(loader) == before

    log = loader("--adopt", "--apply").log
    assert "views of others, which read fuel.records_legacy from now on: reporting.old_fills\n" in log
    assert "canon_department_legacy" in log
    assert loader.rows() == old
    assert loader.counts() == {"seen": 63, "inserted": 62, "rejected": 1}
    assert loader.rejects() == [(63, "63", "not an object", b"null")]
    assert loader.database.query("select mode, object_key, status from fuel.loads") == [
        ("adopt", "fuel.records", "applied")
    ]
    assert loader.database.query(
        "select id::text, raw from fuel.records_legacy where raw is not null order by records_legacy.id"
    ) == list(sorted(old.items(), key=lambda item: int(item[0])))
    left = dict(catalogue(loader))
    assert "records_derive" not in left
    for name in ("norm_plate", "canon_fuel_type", "canon_department", "parse_number", "parse_timestamp"):
        assert name not in left
    assert "records" not in left
    assert "records_pkey" not in left
    assert loader.database.query("select count(*) from reporting.old_fills") == [(63,)]

    after = catalogue(loader)
    assert "nothing to adopt: done before" in loader("--adopt", "--apply").log
    assert catalogue(loader) == after
    assert len(loader.ledger()) == 1

    loader.snapshot([*[*old.values()][1:61], record(62, at=9, v="new")])
    assert loader.live() == {*old} - {"1"}, "adopted from no export at all, so from before every other"
    assert loader.rows()["62"]["v"] == "new"


def test_adopting_where_there_is_nothing_old(loader):
    assert "there is no table fuel.records with a column raw" in loader("--adopt", "--apply").log
    assert loader.database.query("select to_regclass('fuel.loads')") == [(None,)]


def test_functions_that_others_use_stay_as_they_are(loader, old):
    """A superuser may drop or rename every one of them, those of PostgreSQL itself included."""
    with loader.database.connect(autocommit=True) as conn:
        conn.execute("""
            create function set_updated_at() returns trigger language plpgsql as $$ begin return new; end $$;
            create function only_here() returns trigger language plpgsql as $$ begin return new; end $$;
            create function fuel.of_extension() returns trigger language plpgsql as $$ begin return new; end $$;
            alter extension plpgsql add function fuel.of_extension();
            create trigger a before update on fuel.notes for each row execute function set_updated_at();
            create trigger b before update on fuel.records for each row execute function set_updated_at();
            create trigger c before update on fuel.records for each row execute function only_here();
            create trigger d before update on fuel.records for each row execute function fuel.of_extension();
            create trigger e before update on fuel.records
            for each row execute function suppress_redundant_updates_trigger();
        """)
    functions = (
        "select oid::regprocedure::text, xmin from pg_proc"
        " where prorettype = 'trigger'::regtype and proname <> 'records_derive' order by 1"
    )
    before = loader.database.query(functions)
    stay = "fuel.of_extension(), public.only_here(), public.set_updated_at(), suppress_redundant_updates_trigger()"
    dry = loader("--adopt").log
    for log in (dry, loader("--adopt", "--apply").log):
        named = log.partition("functions left alone, as they may serve others: ")[2].partition("\n")[0]
        assert ", ".join(sorted(named.split(", "))) == stay
    assert "only_here" not in dry.partition("functions dropped, or renamed")[2].partition("\n")[0]
    assert loader.database.query(functions) == before
    assert loader.database.query(
        "select tgrelid::regclass::text, tgname from pg_trigger where not tgisinternal"
    ) == [("fuel.notes", "a")]


def test_names_too_long_for_the_ending_stay_apart(loader, old):
    """Counted in bytes, as PostgreSQL does: an é has two."""
    same = "fills_by_department_and_fuel_type_and_date_newest_first_"
    for name in (f"{same}one", f"{same}two", "é" * 31, "è" * 30 + "é"):
        loader.database.query(f"create index {name} on fuel.records (plate)")
    loader.database.query(
        f"""
        create function fuel.{same}three() returns trigger language plpgsql as $$ begin return new; end $$;
        create trigger a before update on fuel.records for each row execute function fuel.{same}three();
        create trigger a before update on fuel.notes for each row execute function fuel.{same}three();
        """
    )
    loader("--adopt", "--apply")
    names = [
        name for name, kind in catalogue(loader) if kind in "if" and name.startswith((same[:40], "é", "è"))
    ]
    assert len(names) == 5
    assert all(name.endswith("_legacy") for name in names)


def test_interrupted_adoption_changes_nothing(loader, old, monkeypatch):
    loader("--adopt")
    loader.changes()  # the landing tables are there
    before = catalogue(loader), loader.image()
    drop = adopt._drop_or_rename
    monkeypatch.setattr(adopt, "_drop_or_rename", lambda *args: (drop(*args), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        loader("--adopt", "--apply")
    assert (catalogue(loader), loader.image()) == before
    monkeypatch.undo()


def test_a_second_old_table_is_not_overwritten(loader, old):
    loader.database.query("create table fuel.records_legacy (id int)")
    for args in (["--adopt"], ["--adopt", "--apply"]):
        assert "nothing was adopted: exists already: fuel.records_legacy" in loader(*args, code=2).log
    assert loader.database.query("select to_regclass('fuel.records_raw')") == [(None,)]
    loader.database.query("drop table fuel.records_legacy; create table fuel.records_pkey_legacy (id int)")
    before = catalogue(loader)
    log = loader("--adopt", "--apply", code=2).log
    assert "exists already: fuel.records_pkey_legacy; rename it" in log
    assert catalogue(loader) == before


def test_what_was_landed_before_the_adoption_is_newer(loader, old):
    """Unless the record itself says otherwise."""
    landed = [
        {"id": 60, "v": "landed"},
        record(1, updated_at="2026-10-01T00:00:00Z", v="older"),
        record(2, at=9, v="newer"),
    ]
    loader.snapshot(landed)
    log = loader("--adopt", "--apply").log
    assert "63 rows" in log
    assert loader.counts() == {"seen": 63, "inserted": 59, "updated": 1, "stale": 2, "rejected": 1}
    found = loader.rows("id, raw ->> 'v'")
    assert [found[id] for id in ("60", "1", "2")] == ["landed", None, "newer"]


def test_no_record_comes_in_behind_the_adoptions_back(loader, old, monkeypatch):
    records = adopt._records

    def insert_then_read(conn):
        with loader.database.connect() as other, pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("set lock_timeout = '10ms'; insert into fuel.records (id, raw) values (99, '{}')")
        return records(conn)

    monkeypatch.setattr(adopt, "_records", insert_then_read)
    loader("--adopt", "--apply")


def test_adopt_then_dbt_build(loader, old, tmp_path, make_dbt):
    loader("--adopt", "--apply")
    loader.database.query((Path(__file__).parents[2] / "demo" / "devices.sql").read_text())
    make_dbt(loader.database).build()
    built = loader.database.query("select id, car from fuel.records")
    assert dict(built) == {id: raw.get("car") for id, raw in old.items()}
