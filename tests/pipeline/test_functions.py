"""Functions of older versions, and databases where functions meet other settings."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from demo import servers
from tests.conftest import ROOT, Dbt, fresh_database

FORMER = "create function fuel.parse_number(raw_value text) returns numeric language sql as $$ select 1.0 $$"
SIGNATURES = "select oid::regprocedure::text from pg_proc where proname = 'parse_number' order by 1"


def test_a_function_with_former_arguments_goes_where_nothing_depends_on_it(
    pg_server: servers.Postgres, tmp_path: Path
) -> None:
    with fresh_database(pg_server) as database:
        dbt = Dbt(ROOT, database, tmp_path / "target")
        database.query("create schema fuel")
        database.query(FORMER)
        database.query("create view public.numbers as select fuel.parse_number('1') as number")
        both = [("fuel.parse_number(text)",), ("fuel.parse_number(text,text)",)]
        dbt("build", "--select", "parse_number")
        assert database.query(SIGNATURES) == both
        assert database.query("select number from public.numbers") == [(1,)]
        database.query("drop view public.numbers")
        dbt("build", "--select", "parse_number")
        assert database.query(SIGNATURES) == both[1:]


@pytest.mark.parametrize("name", ["", "fuel"])
def test_functions_work_in_a_copy_of_the_database(
    pg_server: servers.Postgres, tmp_path: Path, name: str
) -> None:
    """Which has another name, as a renamed one has. The first one may be named like the schema."""
    with fresh_database(pg_server, name=name) as database:
        Dbt(ROOT, database, tmp_path / "target")(
            "build", "--resource-type", "seed", "--resource-type", "function"
        )
        with fresh_database(pg_server, f"template {database.name}") as copy:
            assert copy.query("select fuel.canon_department('sales'), fuel.canon_fuel_type('disel')") == [
                ("Sales", "diesel")
            ]


def test_what_somebody_changed_of_a_function_is_set_right(
    pg_server: servers.Postgres, tmp_path: Path
) -> None:
    """And what else has its name is left alone: a function of other arguments."""
    with fresh_database(pg_server) as database:
        build = ("build", "--select", "norm_plate", "alias_key")
        database.query(
            "create schema fuel;"
            "create function fuel.norm_plate(n int) returns int language sql as $$ select n $$;"
        )
        dbt = Dbt(ROOT, database, tmp_path / "target")
        dbt(*build)
        database.query(
            "alter function fuel.norm_plate(text) security definer parallel unsafe;"
            "alter function fuel.alias_key(text) strict volatile set jit = off;"
        )
        dbt(*build)
        assert database.query(
            "select proname, prorettype::regtype::text, provolatile, proparallel,"
            " prosecdef or proisstrict or proconfig is not null"
            " from pg_proc where pronamespace = 'fuel'::regnamespace order by 1, 2"
        ) == [
            ("alias_key", "text", "i", "s", False),
            ("norm_plate", "integer", "v", "u", False),
            ("norm_plate", "text", "i", "s", False),
        ]


def test_two_builds_of_a_function_at_once(pg_server: servers.Postgres, tmp_path: Path) -> None:
    """The second waits until the first is through with it."""
    with fresh_database(pg_server) as database:
        dbt = Dbt(ROOT, database, tmp_path / "target")
        dbt("build", "--select", "norm_plate")
        with database.connect() as other:
            [(definition,)] = database.query(
                "select pg_get_functiondef('fuel.norm_plate(text)'::regprocedure)"
            )
            key = f'"{database.name}"."fuel"."norm_plate"'
            other.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
            other.execute(definition)
            build = dbt.start("build", "--select", "norm_plate")
            while not database.query("select 1 from pg_locks where locktype = 'advisory' and not granted"):
                assert build.poll() is None
                time.sleep(0.02)
            other.commit()
        said, _ = build.communicate()
        assert build.returncode == 0, said
