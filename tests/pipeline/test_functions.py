"""Functions of older versions, and databases where functions meet other settings."""

from __future__ import annotations

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
