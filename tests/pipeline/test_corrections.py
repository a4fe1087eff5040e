"""Changes after a fill was reported, over loads, edits of code and lists, and an erasure."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.conftest import Database
from tests.pipeline.warehouse import InProcess, Warehouse, warehouse

KEEP = """
insert into fuel.record_versions (id, load_id, raw, replaced_by_load_id, replaced_at)
select id, load_id, raw, %s, now() from fuel.records_raw where id = any(%s)
"""
CHANGES = "select id, field, value_before, value_after, kes_difference from reporting.v_fuel_corrections"


def correct(house: Warehouse, records: dict[str, dict[str, Any] | None]) -> None:
    """One load, as the loader does it: the versions that it replaces are kept."""
    house.query(KEEP, [house.load_id + 1, list(records)])
    house.land(records)


def test_corrections_follow_every_version(database: Database, tmp_path: Path) -> None:
    house = warehouse(database, tmp_path)
    run = InProcess(house.project, database, tmp_path / "target")

    def build() -> None:
        select = ("--indirect-selection=cautious", "--exclude-resource-type=unit_test")
        succeeded, said = run("build", *select, "--select", "+v_fuel_corrections")
        assert succeeded, said

    first = {"1": "1000", "2": "2000", "3": "3,000", "4": "4000"}
    house.land({id_: {"amount": amount} for id_, amount in first.items()})
    build()
    assert house.query(CHANGES) == []

    correct(house, {"1": {"amount": "1100"}, "2": {"amount": "2000", "deleted_at": "2026-11-02T08:00:00Z"}})
    build()
    correct(house, {"1": {"amount": 900, "department": "sales"}, "3": {"amount": 3000}})
    build()
    changes = {
        ("1", "amount_kes", "1000", "1100", Decimal(100)),
        ("1", "amount_kes", "1100", "900", Decimal(-200)),
        ("1", "department", "Logistics", "Sales", None),
        ("2", "deleted", "false", "true", Decimal(-2000)),
    }
    assert set(house.query(CHANGES)) == changes  # 3,000 and 3000 are the same
    assert house.query(
        "select sum(kes_difference) from reporting.v_fuel_corrections where id = '1'"
    ) == [(900 - 1000,)]  # fmt: skip

    # Nothing to do, nothing written; and what is asked of a day reaches the table of versions.
    versions = house.versions("fuel.read_versions", "id || replaced_by_load_id")
    build()
    assert house.versions("fuel.read_versions", "id || replaced_by_load_id") == versions
    plan = house.query(f"explain {CHANGES} where changed_at >= now() - interval '1 day'")
    assert [line for (line,) in plan if "replaced_at >= (now()" in line], plan

    # An edited list changes what both sides mean, and is no correction.
    house.edit("seeds/department_aliases.csv", "sales,Sales", "sales,Logistics")
    build()
    assert set(house.query(CHANGES)) == {each for each in changes if each[1] != "department"}

    # Neither is other code: older versions are read by it, too.
    house.edit("macros/normalisers/read_records.sql", "'amount_number', 9, 2", "'(amount_number * 2)', 9, 2")
    run.manifest = None
    build()
    assert ("1", "amount_kes", "2000", "2200", Decimal(200)) in house.query(CHANGES)
    assert {each[0] for each in house.query(CHANGES)} == {"1", "2"}

    # A driver whose versions are erased is forgotten, though his fill stays.
    house.query("delete from fuel.record_versions where id = '1'")
    build()
    assert house.query("select distinct id from reporting.v_fuel_corrections") == [("2",)]
    assert house.value("select count(*) from fuel.read_versions where id = '1'") == 0
    assert json.loads(house.value("select raw::text from fuel.records_raw where id = '1'"))["amount"] == 900
