"""The recipe of docs/how-derivation-heals.md for a changed column type, followed as it is written."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from tests.conftest import NEWEST_AND_OLDEST, ROOT, Database
from tests.pipeline.warehouse import InProcess, warehouse

PAGE = (ROOT / "docs" / "how-derivation-heals.md").read_text()
# The last one begins with `select * from fuel.records`.
VIEWS = ("v_fuel_fills", "v_fuel_efficiency", "v_pipeline_health")
SELECT = ("--indirect-selection=cautious", "--select", *(f"+{view}" for view in VIEWS))
TYPES = """
select distinct format_type(atttypid, atttypmod) from pg_attribute
where attname = 'odometer_km' and attrelid = any(%s::regclass[])
"""
SHOWN = (
    "fuel.fill_intervals",
    "fuel.records",
    "public.foreign_view",
    "reporting.v_fuel_efficiency",
    "reporting.v_fuel_fills",
)
TABLES = "select 'fuel.records'::regclass::oid, 'fuel.fill_intervals'::regclass::oid"
GRANTS = (
    "select relname, relacl::text from pg_class where relname in ('foreign_view', 'v_fuel_fills') order by 1"
)


def recipe() -> str:
    """The SQL of the page's section."""
    section = PAGE.split("## A changed column type\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    return str(block)


@NEWEST_AND_OLDEST
def test_the_page_gives_a_column_its_new_type(database: Database, tmp_path: Path) -> None:
    house = warehouse(database, tmp_path)
    house.land({str(i): {"odometer": f"{1000 + 50 * i}.5 km"} for i in range(40)})
    succeeded, said = InProcess(house.project, database, tmp_path / "before")("build", *SELECT)
    assert succeeded, said
    house.query(
        "create view public.foreign_view as select id, odometer_km from reporting.v_fuel_fills;"
        "grant select on public.foreign_view, reporting.v_fuel_fills to public"
    )
    tables, grants = house.query(TABLES), house.query(GRANTS)
    fills = "select id, odometer_km from public.foreign_view order by id"
    before = house.query(fills)

    # Step 1.
    house.edit(
        "macros/normalisers/read_records.sql",
        "}}::numeric(12, 1) as odometer_km",
        "}}::numeric(14, 1) as odometer_km",
    )
    for yml in (
        "fuel/records",
        "fuel/fill_intervals",
        "reporting/v_fuel_fills",
        "reporting/v_fuel_efficiency",
    ):
        path = house.project / "models" / f"{yml}.yml"
        text, edits = re.subn(
            r"(- name: odometer_km\n(?:(?! +- name:).*\n)*?.*data_type: )numeric\(12, 1\)",
            r"\g<1>numeric(14, 1)",
            path.read_text(),
        )
        assert edits == 1, yml
        path.write_text(text)
    # Step 2: nobody notices.
    house.query(recipe())
    assert house.query(fills) == before
    # Step 3, with a load that came in between.
    house.land({"40": {"odometer": "3000.5"}})
    succeeded, said = InProcess(house.project, database, tmp_path / "after")("build", *SELECT)
    assert succeeded, said

    assert house.query(TYPES, [list(SHOWN)]) == [("numeric(14,1)",)]
    raw = (
        "select id, regexp_replace(raw ->> 'odometer', ' km', '')::numeric from fuel.records_raw order by id"
    )
    assert len(house.query(raw)) == 41
    for table in SHOWN:
        assert house.query(f"select id, odometer_km from {table} order by id") == house.query(raw), table
    assert house.query(TABLES) == tables
    assert house.query(GRANTS) == grants
    assert house.value("select count(odometer_km_old) from fuel.records") == 40
    # Step 4.
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        house.query("alter table fuel.records drop column odometer_km_old")
    # And it is over: the next build writes nothing.
    versions = house.versions()
    assert InProcess(house.project, database, tmp_path / "after")("run", "--select", "records")[0]
    assert house.versions() == versions
