"""The var `reader_roles`: who is let into the schema and its views."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Database
from tests.pipeline.warehouse import InProcess, warehouse


def test_one_role_needs_no_list_and_public_is_everybody(database: Database, tmp_path: Path) -> None:
    house = warehouse(database, tmp_path)
    run = InProcess(house.project, database, tmp_path / "target")
    role = f"{database.name}_reader"
    may_read = (
        "select has_schema_privilege(%s, 'reporting', 'usage'), "
        "has_table_privilege(%s, 'reporting.v_fuel_fills', 'select')"
    )
    house.query(f"create role {role} nologin")
    try:
        select = ["--indirect-selection=cautious", "--select", "+v_fuel_fills"]
        success, said = run("build", *select, "--vars", json.dumps({"reader_roles": role}))
        assert success, said
        assert house.query(may_read, [role] * 2) == [(True, True)]
        assert house.query(may_read, ["public"] * 2) == [(False, False)]
        success, said = run(
            "run", "--select", "v_fuel_fills", "--vars", json.dumps({"reader_roles": ["PUBLIC"]})
        )
        assert success, said
        assert house.query(may_read, ["public"] * 2) == [(True, True)]
    finally:
        house.query(f"drop owned by {role}; drop role {role}")
