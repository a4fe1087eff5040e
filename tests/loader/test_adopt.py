"""A database of the trigger-derived schema becomes a landing zone."""

# ruff: noqa: E501
from __future__ import annotations

import json
from pathlib import Path

import pytest
from exports import record

from loader import adopt

OLD = """
create schema if not exists fuel;
create schema if not exists reporting;
create function fuel.norm_plate(p text) returns text language sql immutable as $$ select upper(p) $$;
create function fuel.canon_department(p text) returns text language sql immutable as $$ select lower(p) $$;
create function fuel.records_derive() returns trigger language plpgsql as $$
begin
    new.plate := fuel.norm_plate(new.raw ->> 'car');
    return new;
end $$;
create table fuel.records (id bigint primary key, raw jsonb not null, plate text, deleted_at timestamptz);
create index records_plate_idx on fuel.records (plate);
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
    ]
    with loader.database.connect(autocommit=True) as conn:
        conn.execute(OLD)
        with conn.cursor() as cursor:
            cursor.executemany(
                "insert into fuel.records (id, raw) values (%s, %s)",
                [(n, json.dumps(each)) for n, each in enumerate(records, 1)],
            )
    return {str(n): each for n, each in enumerate(records, 1)}


def catalogue(loader):
    return loader.database.query(
        "select relname, relkind::text from pg_class where relnamespace in ('fuel'::regnamespace, 'reporting'::regnamespace)"
        " union all select proname, 'f' from pg_proc where pronamespace = 'fuel'::regnamespace"
        " union all select tgname, 't' from pg_trigger order by 1, 2"
    )


def test_adopt(loader, old):
    before = catalogue(loader)
    dry = loader("--adopt").log
    assert "would adopt fuel.records: 62 rows, 62 landed, 0 rejected" in dry
    assert "records_derive" in dry
    assert "reporting.old_fills" in dry
    assert catalogue(loader) == before

    log = loader("--adopt", "--apply").log
    assert "views that read fuel.records_legacy from now on: reporting.old_fills" in log
    assert "canon_department_legacy" in log
    assert loader.rows() == old
    assert loader.counts() == {"seen": 62, "inserted": 62}
    assert loader.database.query("select mode, object_key, status from fuel.loads") == [
        ("adopt", "fuel.records", "applied")
    ]
    assert loader.database.query(
        "select id::text, raw from fuel.records_legacy order by records_legacy.id"
    ) == list(sorted(old.items(), key=lambda item: int(item[0])))
    left = dict(catalogue(loader))
    assert "records_derive" not in left
    assert "norm_plate" not in left
    assert "canon_department" not in left
    assert "records" not in left
    assert "records_pkey" not in left
    assert loader.database.query("select count(*) from reporting.old_fills") == [(62,)]

    after = catalogue(loader)
    assert "nothing to adopt: done before" in loader("--adopt", "--apply").log
    assert catalogue(loader) == after
    assert len(loader.ledger()) == 1

    loader.snapshot([*[*old.values()][:61], record(62, at=9, v="new")])
    assert loader.live() == set(old)
    assert loader.rows()["62"]["v"] == "new"


def test_adopting_where_there_is_nothing_old(loader):
    assert "there is no table fuel.records with a column raw" in loader("--adopt", "--apply").log
    assert loader.ledger() == []


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
    assert "rename one of them" in loader("--adopt", "--apply", code=2).log
    assert loader.rows() == {}


def test_adopt_then_dbt_build(loader, old, tmp_path, make_dbt):
    loader("--adopt", "--apply")
    loader.database.query((Path(__file__).parents[2] / "demo" / "devices.sql").read_text())
    make_dbt(loader.database).build()
    built = loader.database.query("select id, car from fuel.records")
    assert dict(built) == {id: raw.get("car") for id, raw in old.items()}
