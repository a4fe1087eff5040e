"""Seeds are loaded in place: what reads them, or stands on them, notices nothing."""

from __future__ import annotations

import re
import threading
import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Database
from tests.pipeline.seed_project import DEPARTMENTS, TYPED, TYPED_HEADER, SeedProject, seed_config


@pytest.fixture
def seeds(database: Database, tmp_path: Path) -> SeedProject:
    return SeedProject(tmp_path, database)


def test_only_the_lines_that_differ_are_written(seeds: SeedProject) -> None:
    config = seed_config("department_aliases")
    database = seeds.database
    database.query("create role reader")
    try:
        # As Excel saves it: a BOM, Windows line ends, a cell in quotes; lines that say a thing again; blanks
        # around cells; blank lines.
        seeds.load(
            '\ufeffalias,department\r\nlogistics,Logistics\r\n"o\'yard, east",Logistics \r\n'
            "\r\nsales , Sales\u00a0\r\n,\r\nsales,Sales\r\nSALES,Sales\r\n\r\n",
            **config,
            grants={"select": ["reader"]},
        )
        assert seeds.rows() == [("logistics", "Logistics"), ("o'yard, east", "Logistics"), ("sales", "Sales")]
        database.query("create view public.foreign_view as select * from fuel.demo_seed")
        oid = database.query("select 'fuel.demo_seed'::regclass::oid")
        before = seeds.versions()

        # Nothing changed, and a full refresh: not one row version differs.
        seeds.load(
            'alias,department\nlogistics,Logistics\n"o\'yard, east",Logistics\nsales,Sales\n',
            "--full-refresh",
            **config,
            grants={"select": ["reader"]},
        )
        assert seeds.versions() == before

        # One line changed, one added, one removed. A reader in an older snapshot still sees what stood.
        with database.connect() as reader:
            reader.execute("set transaction isolation level repeatable read")
            assert reader.execute("select count(*) from fuel.demo_seed").fetchone() == (3,)
            seeds.load(
                "alias,department\nlogistics,Logistics\nsales,Field Sales\nfield sales,Field Sales\n",
                **config,
            )
            assert reader.execute("select count(*) from fuel.demo_seed").fetchone() == (3,)
        assert seeds.rows() == [
            ("field sales", "Field Sales"),
            ("logistics", "Logistics"),
            ("sales", "Field Sales"),
        ]
        assert seeds.versions()["logistics"] == before["logistics"]
        assert database.query("select count(*) from public.foreign_view") == [(3,)]
        assert database.query("select 'fuel.demo_seed'::regclass::oid") == oid
        # Without a grants config dbt leaves the grants as they are.
        assert database.query("select has_table_privilege('reader', 'fuel.demo_seed', 'select')") == [(True,)]
        assert database.query("select obj_description('fuel.demo_seed'::regclass)") == [("Demo.",)]
    finally:
        database.query("drop owned by reader; drop role reader")


def test_cells_of_every_type(seeds: SeedProject) -> None:
    seeds.load(TYPED_HEADER + "a,2026-01-31,-1.5,-2,TRUE\nb,2026-12-01, 2 ,,False\n", **TYPED)
    assert seeds.rows() == [
        ("a", date(2026, 1, 31), Decimal("-1.50"), -2, True),
        ("b", date(2026, 12, 1), Decimal("2.00"), None, False),
    ]


def test_columns_come_go_and_change_type(seeds: SeedProject) -> None:
    seeds.load("name,a\nx,1\ny,2\n", column_types={"name": "text", "a": "text"})
    database = seeds.database
    database.query("create view public.names as select name from fuel.demo_seed")
    database.query(f"alter database {database.name} set standard_conforming_strings = off")

    seeds.load(
        "name,a,b\nx,1,2026-01-01\ny,2,\n",
        column_types={"name": "text", "a": "numeric(6, 2)", "b": "date"},
    )
    assert [tuple(map(str, row)) for row in seeds.rows("name, a, b")] == [
        ("x", "1.00", "2026-01-01"),
        ("y", "2.00", "None"),
    ]

    # A column that somebody reads stays; it goes with the first build after that.
    database.query("create view public.also as select a from fuel.demo_seed")
    retyped = {"name": "text", "a": "numeric(8, 2)", "b": "date"}
    output = seeds.load("name,a,b\nx,1,\n", check=False, column_types=retyped)
    assert "cannot alter type of a column used by a view" in output
    assert re.search(r"view (public[.])?also depends on column", output)
    seeds.load("name\nx\nz\n", column_types={"name": "text"})
    assert database.query("select name, a from fuel.demo_seed order by 1") == [("x", 1), ("z", None)]
    database.query("drop view public.also")
    seeds.load("name\nx\n", column_types={"name": "text"})
    assert database.query("select * from fuel.demo_seed") == [("x",)]
    assert database.query("select * from public.names") == [("x",)]


def test_a_column_may_be_left_out(seeds: SeedProject) -> None:
    """A CSV may be older than the column, and a list may start empty."""
    config: dict[str, Any] = {
        "column_types": {"rule": "text"},
        "meta": {
            "csv_checks": {
                "required": ["rule"], "optional": {"town": "text", "days": "integer"},
                "key": ["rule", "town"], "may_be_empty": True,
            }
        },
    }  # fmt: skip
    seeds.load("rule\n", **config)
    assert seeds.rows("rule, town, days") == []
    seeds.load("rule,days\na,1\n", **config)
    assert seeds.rows("rule, town, days") == [("a", None, 1)]
    seeds.load("rule,town\na,\na,Mandera\n", **config)
    assert seeds.rows("rule, town, days") == [("a", "Mandera", None), ("a", None, None)]
    seeds.load("rule,town,days\n", **config)
    assert seeds.rows() == []


def test_a_list_of_blank_lines_is_empty(seeds: SeedProject) -> None:
    config: dict[str, Any] = {
        "column_types": {"rule": "text", "town": "text"},
        "meta": {"csv_checks": {"required": ["rule"], "key": ["rule", "town"], "may_be_empty": True}},
    }
    seeds.load("rule,town\n\n,\n", **config)
    assert seeds.rows() == []
    seeds.load("rule,town\na,\nA ,\n", **config)
    assert seeds.rows() == [("a", None)]
    seeds.load("rule,town\n,\n , \n", **config)
    assert seeds.rows() == []


def test_a_wrong_line_changes_nothing_and_holds_nothing_up(database: Database, tmp_path: Path) -> None:
    """Models that read the list are built; the run ends with 1 and says why, once, with file and line."""
    seeds = SeedProject(tmp_path, database)
    config = seed_config("department_aliases")
    (seeds.project / "models" / "reader.sql").write_text(
        "{{ config(schema='fuel', materialized='table') }} select * from {{ ref('demo_seed') }}"
    )
    select = ("--select", "demo_seed+")
    seeds.load("alias,department\nsales,Sales\n", **config)
    before = seeds.versions()
    seeds.load("alias,department\nsales,Sales\nyard's,$$Yards\n", check=False, **config)
    done = seeds.dbt("build", *select, check=False)
    refusal = "not loaded, so the list stays as it last was: seeds/demo_seed.csv line 3: '$$Yards' is not"
    assert done.returncode == 1
    assert refusal in " ".join(done.stdout.split())
    assert "SKIP=0" in done.stdout
    assert seeds.versions() == before
    assert database.query("select alias from fuel.reader") == [("sales",)]
    # An empty file, too: dbt reads no table from it, not even a header.
    assert "demo_seed.csv line 1: the file is empty" in seeds.load("", "--show", check=False, **config)
    assert "SKIP=0" in seeds.dbt("build", *select, check=False).stdout
    assert seeds.versions() == before
    seeds.load("alias,department\nsales,Sales\nyard,Sales\n", **config)
    assert seeds.dbt("build", *select).returncode == 0
    assert database.query("select count(*) from fuel.reader") == [(2,)]


def test_a_column_that_waits_for_a_long_reader_lets_others_pass(seeds: SeedProject) -> None:
    seeds.load("name\nx\n", column_types={"name": "text"})
    wider: dict[str, Any] = {"column_types": {"name": "text", "more": "integer"}}
    done: list[str] = []
    with seeds.database.connect() as reader, seeds.database.connect(autocommit=True) as others:
        reader.execute("select * from fuel.demo_seed")  # and its transaction goes on
        thread = threading.Thread(target=lambda: done.append(seeds.load("name,more\nx,1\n", **wider)))
        thread.start()
        others.execute("set statement_timeout = '5s'")
        waiting = (
            "select 1 from pg_stat_activity where pid <> pg_backend_pid() and query like '%alter table%'"
        )
        while not others.execute(waiting).fetchall():
            assert thread.is_alive()
            time.sleep(0.02)
        assert others.execute("select name from fuel.demo_seed").fetchall() == [("x",)]
        reader.rollback()
        thread.join()
    assert done
    assert seeds.rows() == [("x", 1)]


def test_a_view_in_the_way_is_left_alone(seeds: SeedProject) -> None:
    seeds.database.query("create schema fuel; create view fuel.demo_seed as select 1 as one")
    output = seeds.load("name\nx\n", check=False)
    assert "it is a view" in output
    assert seeds.database.query("select * from fuel.demo_seed") == [(1,)]


def test_two_builds_at_once_load_a_change_once(seeds: SeedProject) -> None:
    config = seed_config("department_aliases")
    seeds.load("alias,department\nsales,Sales\n", **config)
    # Another build has added a line and not committed yet: this one waits for it, then finds it there.
    # The other holds no lock but that of its insert, so it is this one's own that makes it wait.
    done: list[str] = []
    with seeds.database.connect() as other:
        other.execute("insert into fuel.demo_seed values ('yard', 'Sales')")
        thread = threading.Thread(
            target=lambda: done.append(seeds.load("alias,department\nsales,Sales\nyard,Sales\n", **config))
        )
        thread.start()
        while not seeds.database.query("select 1 from pg_locks where not granted"):
            assert thread.is_alive()
            time.sleep(0.02)
        other.commit()
    thread.join()
    assert done
    assert seeds.rows() == [("sales", "Sales"), ("yard", "Sales")]


def test_not_utf8_fails_alone(seeds: SeedProject) -> None:
    (seeds.project / "seeds" / "department_aliases.csv").write_bytes(b"alias,department\nsal\xe9s,Sales\n")
    done = seeds.dbt("seed", check=False)
    assert done.returncode == 1
    assert "in seed department_aliases (seeds/department_aliases.csv)" in done.stdout
    assert "'utf-8' codec can't decode byte 0xe9" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert seeds.database.query("select to_regclass('fuel.fuel_type_aliases') is not null") == [(True,)]


def test_an_alias_is_found_without_reading_them_all(seeds: SeedProject) -> None:
    """At every build each spelling is looked up: with all aliases read, the cost would be their product."""
    lines = [f"spelling {n},Sales\n" for n in range(2000)]
    (seeds.project / "seeds" / "department_aliases.csv").write_text(DEPARTMENTS + "".join(lines))
    seeds.dbt.build("--select", "department_aliases", "canon_department")
    typed = "unnest('{LOGISTCS., Spelling  7, Nowhere}'::text[]) as typed"
    with seeds.database.connect() as conn:
        found = conn.execute(f"select fuel.canon_department(typed) from {typed}").fetchall()  # type: ignore[arg-type]
        read = conn.execute(
            "select seq_tup_read from pg_stat_xact_user_tables where relname = 'department_aliases'"
        ).fetchall()
    assert found == [("Logistics",), ("Sales",), ("Nowhere",)]
    assert read == [(0,)]
