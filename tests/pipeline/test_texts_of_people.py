"""Texts of people never become SQL, whatever the settings; drivers are shown only where they may be."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Database
from tests.pipeline.warehouse import warehouse

TEXTS = [
    "\\'; drop table fuel.records; --",
    "'; drop table fuel.records; --",
    "\\",
    "a\\' or true or \\'",
    "$$;",
    "e'x",
]


def test_no_text_becomes_sql(database: Database, tmp_path: Path) -> None:
    """Each spelling is stale once: it is then named in the statement that derives its fills again."""
    house = warehouse(database, tmp_path)
    house.query(f"alter database {database.name} set standard_conforming_strings = off")
    house.query(f"alter database {database.name} set escape_string_warning = off")
    house.land(
        {str(n): dict.fromkeys(("department", "driver", "fuel_type"), text) for n, text in enumerate(TEXTS)}
    )
    build = ("--select", "+v_fuel_fills", "+v_unmapped_values", "--indirect-selection=cautious")
    house.build(*build)
    stored = "select id, department_raw, driver_raw, fuel_type_raw, department from fuel.records order by id"
    before = house.query(stored)
    assert [row[1:4] for row in before] == [(text,) * 3 for text in TEXTS]

    house.query("update fuel.records set department = 'changed by hand', driver = 'x', fuel_type = 'y'")
    house.edit("dbt_project.yml", "show_drivers: true", "show_drivers: false")
    house.build(*build)
    assert house.query(stored) == before
    assert house.value("select count(*) from fuel.records where driver = 'x' or fuel_type = 'y'") == 0

    # Without drivers in reporting.
    assert house.value("select count(driver) from reporting.v_fuel_fills") == 0
    fields = "select distinct field from reporting.v_unmapped_values order by field"
    assert house.query(fields) == [("department",), ("fuel_type",)]
