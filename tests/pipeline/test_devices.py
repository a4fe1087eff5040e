"""fuel.tracker_devices: one row per plate whatever the tracker's table holds, or a clear message."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Database
from tests.pipeline.warehouse import InProcess, Warehouse, warehouse


def test_devices(database: Database, tmp_path: Path) -> None:
    house: Warehouse = warehouse(database, tmp_path)
    run = InProcess(house.project, database, tmp_path / "target")
    role = f"{database.name}_dbt"
    house.query(f"create role {role} login; grant create on database {database.name} to {role}")
    house.query(
        f"grant usage, create on schema fuel to {role}; grant select on all tables in schema fuel to {role}"
    )
    house.query(f"grant usage on schema tracksolid to {role}; grant select on tracksolid.devices to {role}")

    def devices() -> dict[str, tuple[object, ...]]:
        rows = house.query("select plate, imei, cost_centre, assigned_city from fuel.tracker_devices")
        return {plate: rest for plate, *rest in rows}

    model = "models/fuel/tracker_devices.sql"
    fills = "select id, plate, imei, cost_centre, assigned_city from reporting.v_fuel_fills order by id"
    try:
        # An empty table; every fill is there, once. The role may only read the tracker's table.
        house.land({"1": {"car": "kca 542q"}, "2": {"car": "KCB 111A"}, "3": {"car": None}})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Database, "env", {**database.env, "PGUSER": role})
            # A column that the contract does not name is refused, not left out.
            house.edit(model, "    assigned_city\nfrom", "    assigned_city, 1 as one\nfrom")
            success, said = run("build", "--indirect-selection=cautious", "--select", "+tracker_devices")
            assert not success
            assert "enforced contract" in said
            house.edit(model, "    assigned_city, 1 as one\nfrom", "    assigned_city\nfrom")
            success, said = run("build", "--indirect-selection=cautious", "--select", "+v_fuel_fills")
        assert success, said
        assert [row[:3] for row in house.query(fills)] == [
            ("1", "KCA542Q", None),
            ("2", "KCB111A", None),
            ("3", None, None),
        ]

        # Several devices of one plate, spelled differently: the active one, of two active ones the latest.
        house.device("10", "KCA 542Q", is_active=False, updated_at="2026-03-01", cost_centre="old")
        house.device("11", "kca542q", is_active=True, updated_at="2026-01-01", cost_centre="first")
        house.device(
            "12",
            "K.C.A 542-Q",
            is_active=True,
            updated_at="2026-02-01",
            cost_centre="Field",
            assigned_city=" ",
        )
        house.device("13", "KCA 542Q", cost_centre="neither")
        house.device("14", "KCB111A", cost_centre="CC2", assigned_city="Mombasa")
        house.device("15", None, is_active=True)
        house.device("16", "  ", is_active=True)
        house.device("17", "-?!", is_active=True)
        house.device("18", "KZZ 999Z")
        assert run("run", "--select", "tracker_devices")[0]
        assert devices() == {
            "KCA542Q": ["12", "Field", None],
            "KCB111A": ["14", "CC2", "Mombasa"],
            "KZZ999Z": ["18", None, None],
        }  # fmt: skip
        assert house.query(fills) == [
            ("1", "KCA542Q", "12", "Field", None),
            ("2", "KCB111A", "14", "CC2", "Mombasa"),
            ("3", None, None, None, None),
        ]  # fmt: skip

        # Only rows that differ are written, plates that vanish go; the table stays the same one.
        oid = house.query("select 'fuel.tracker_devices'::regclass::oid")
        before = house.versions("fuel.tracker_devices", "plate")
        house.query("update tracksolid.devices set cost_centre = 'CC3' where imei = '14'")
        house.query("delete from tracksolid.devices where imei = '18'")
        assert run("run", "--select", "tracker_devices", "--full-refresh")[0]
        after = house.versions("fuel.tracker_devices", "plate")
        assert set(after) == {"KCA542Q", "KCB111A"}
        assert after["KCA542Q"] == before["KCA542Q"]
        assert after["KCB111A"] != before["KCB111A"]
        assert house.query("select 'fuel.tracker_devices'::regclass::oid") == oid

        # A limit that the database sets for others' statements does not end one that takes its time.
        house.query(f"alter database {database.name} set statement_timeout = '2s'")
        slow = "where (select pg_sleep(3)) is not null and plate"
        house.edit(model, "where plate", slow)
        success, said = run("run", "--select", "tracker_devices")
        assert success, said
        house.edit(model, slow, "where plate")
        house.query(f"alter database {database.name} reset statement_timeout")

        # Columns that only choose may be missing, or be called otherwise and have another type.
        house.query("alter table tracksolid.devices drop column is_active, add column status int default 1")
        house.query(
            "alter table tracksolid.devices drop column updated_at;"
            "update tracksolid.devices set status = 0 where imei <> '11'"
        )
        assert run("run", "--select", "tracker_devices")[0]
        assert devices()["KCA542Q"] == ["11", "first", None]
        house.query("alter table tracksolid.devices drop column status")
        success, said = run("run", "--select", "tracker_devices")
        assert success, said

        # It may be a materialized view, in which information_schema shows no columns.
        house.query(
            "alter table tracksolid.devices rename to kept;"
            "create materialized view tracksolid.devices as select * from tracksolid.kept"
        )
        success, said = run("run", "--select", "tracker_devices")
        assert success, said
        house.query(
            "drop materialized view tracksolid.devices; alter table tracksolid.kept rename to devices"
        )

        # A column that may not be read counts as missing.
        house.query(f"revoke select on tracksolid.devices from {role}")
        readable = "imei, vehicle_number, cost_center, city"
        house.query(
            "alter table tracksolid.devices add column cost_center text, add column city text;"
            f"grant select ({readable}) on tracksolid.devices to {role}"
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Database, "env", {**database.env, "PGUSER": role})
            success, said = run("run", "--select", "tracker_devices")
            assert success, said
            house.query(f"revoke usage on schema tracksolid from {role}")
            success, said = run("run", "--select", "tracker_devices")
            assert f"tracksolid.devices does not exist, or {role} may not read it" in said
        house.query("alter table tracksolid.devices drop column cost_center, drop column city")

        # Anything else that is missing stops the build of this table with a message; the reports stay.
        kept = house.query(fills)
        house.query("alter table tracksolid.devices rename column cost_centre to kostenstelle")
        success, said = run("build", "--indirect-selection=cautious", "--select", "tracker_devices+")
        assert not success
        assert "no column for cost_centre: looked for cost_centre, cost_center, found" in said
        assert "tracksolid_columns" in said
        house.query("drop table tracksolid.devices")
        success, said = run("build", "--indirect-selection=cautious", "--select", "tracker_devices+")
        assert not success
        assert "tracksolid.devices does not exist" in said
        assert "tracksolid_schema and tracksolid_devices_table" in said
        assert house.query(fills) == kept
    finally:
        house.query(f"drop owned by {role} cascade; drop role {role}")
