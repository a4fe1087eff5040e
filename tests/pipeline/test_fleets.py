"""Several fleets in one database, each in its own pair of schemas: FUEL_SCHEMA_PREFIX."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from demo import servers
from loader.session import create_landing
from tests.conftest import ROOT, Database, Dbt, fresh_database
from tests.pipeline.warehouse import RECORD

# Two builds of the same data may differ in: their own ids and times.
VOLATILE = ("builds", "landing_versions", "v_pipeline_health")
RELATIONS = """
select relname from pg_class
where relnamespace = to_regnamespace(%s) and relkind in ('r', 'v') and relname <> all(%s) order by 1
"""


@dataclass(frozen=True)
class Fleet(Database):
    """One fleet of a database."""

    prefix: str = ""

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, "FUEL_SCHEMA_PREFIX": self.prefix}

    def land(self, department: str, fills: int) -> None:
        """An empty landing, the tracker, and one load with fills of one vehicle."""
        schema = f"{self.prefix}fuel"
        with self.connect() as conn:
            create_landing(conn, schema)
            tracked = conn.execute("select to_regclass('tracksolid.devices')").fetchone()
            if tracked == (None,):
                conn.execute((ROOT / "demo" / "devices.sql").read_bytes())
            conn.execute(
                f"insert into {schema}.loads (mode, object_key, started_at, finished_at, status, exported_at)"
                " values ('snapshot', 'k', '2026-11-02', '2026-11-02', 'applied', '2026-11-02')"
            )
            for number in range(fills):
                raw = {
                    **RECORD,
                    "department": department,
                    "odometer": 1000 + 300 * number,
                    "datetime": f"2026-10-{1 + number:02}T07:42:00Z",
                }
                conn.execute(
                    f"insert into {schema}.records_raw"
                    " (id, raw, raw_digest, load_id, first_loaded_at, loaded_at)"
                    " values (%s, %s, '', 1, '2026-11-02', '2026-11-02')",
                    [str(number), json.dumps(raw)],
                )

    def build(self, folder: Path) -> Any:
        """Start a build of this fleet."""
        arguments = ("build", "--exclude-resource-type", "unit_test")
        return Dbt(ROOT, self, folder / f"target_{self.name}{self.prefix}").start(*arguments)

    def content(self) -> dict[str, list[Any]]:
        """The rows of every table and view, as JSON."""
        return {
            f"{schema}.{relation}": self.query(
                f"select to_jsonb(t) from {self.prefix}{schema}.{relation} as t order by 1"
            )
            for schema in ("fuel", "reporting")
            for (relation,) in self.query(RELATIONS, [f"{self.prefix}{schema}", list(VOLATILE)])
        }


def finish(*builds: Any) -> None:
    """Wait for builds; each must have worked."""
    for build in builds:
        said, _ = build.communicate()
        assert build.returncode == 0, said


def developer_of(production: Fleet, prefix: str) -> Fleet:
    """A fleet beside production, by a role without any right in production's schemas."""
    role = f"developer_{production.name}"
    production.query(f"create role {role} login; grant create on database {production.name} to {role}")
    production.query(
        f"grant usage on schema tracksolid to {role}; grant select on tracksolid.devices to {role}"
    )
    return Fleet(replace(production.server, user=role), production.name, prefix)


def test_two_fleets_built_at_once_equal_each_alone(pg_server: servers.Postgres, tmp_path: Path) -> None:
    fills = {"": ("Logistics", 9), "north_": ("Sales", 12)}
    alone = {}
    for prefix, landed in fills.items():
        with fresh_database(pg_server) as database:
            fleet = Fleet(database.server, database.name, prefix)
            fleet.land(*landed)
            finish(fleet.build(tmp_path))
            alone[prefix] = fleet.content()
    with fresh_database(pg_server) as database:
        fleets = {"": Fleet(database.server, database.name)}
        fleets[""].land(*fills[""])
        fleets["north_"] = developer_of(fleets[""], "north_")
        fleets["north_"].land(*fills["north_"])
        finish(*(fleet.build(tmp_path) for fleet in fleets.values()))
        for prefix, fleet in fleets.items():
            assert fleet.content() == alone[prefix]
        assert len(alone["north_"]["reporting.v_fuel_fills"]) == 12

        # One goes, and takes nothing of the other along; who stays builds on.
        database.query("drop schema fuel cascade")
        database.query("drop schema reporting cascade")
        assert fleets["north_"].content() == alone["north_"]
        finish(fleets["north_"].build(tmp_path))
        assert fleets["north_"].content() == alone["north_"]
        written = "select nspname from pg_namespace where nspname ~ 'fuel|reporting' order by 1"
        assert database.query(written) == [("north_fuel",), ("north_reporting",)]
    with pg_server.connect(autocommit=True) as conn:
        conn.execute(f"drop role {fleets['north_'].server.user}")  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["North_", 'a"', "pg_fuel_"])
def test_a_wrong_prefix_is_named(database: Database, tmp_path: Path, prefix: str) -> None:
    done = Dbt(ROOT, Fleet(database.server, database.name, prefix), tmp_path / "target")("parse", check=False)
    assert done.returncode
    assert "FUEL_SCHEMA_PREFIX" in done.stdout
    assert "is no plain identifier" in done.stdout
