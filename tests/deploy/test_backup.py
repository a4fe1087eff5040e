"""A dump of the landing tables is all there is to back up: undo by it, in another database and in place."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from demo import servers
from tests.conftest import ROOT, Database, Dbt, fresh_database
from tests.deploy.conftest import Job, record
from tests.deploy.roles import LANDING, apply_roles, as_user


def test_a_dump_of_the_landing_tables_is_enough(roles_job: Job, roles_server: servers.Postgres) -> None:
    """Everything else is dropped and built again, in another database, and equals what was."""
    job, server = roles_job, roles_server
    tables = [
        "fuel.department_aliases",
        "fuel.fuel_type_aliases",
        *(name for (name,) in job.database.query(INCREMENTAL)),
    ]
    before = contents(job.database, [*tables, "reporting.v_fuel_fills"])
    dump = subprocess.run(
        [server.bindir / "pg_dump", "--format=custom", *(f"--table=fuel.{name}" for name in LANDING)],
        env={**os.environ, **job.database.env},
        capture_output=True,
    )
    assert dump.returncode == 0, dump.stderr
    with fresh_database(server) as restored:
        restored.query(f"alter database {restored.name} owner to fuel_admin")
        restored.query((ROOT / "demo" / "devices.sql").read_text())
        apply_roles(restored, "postgres")
        back = subprocess.run(
            [server.bindir / "pg_restore", "--exit-on-error", "--dbname", restored.name],
            input=dump.stdout,
            env={**os.environ, **restored.env},
            capture_output=True,
        )
        assert back.returncode == 0, back.stderr
        again = Job(restored, job.bucket, job.source, job.state, {**job.env, "PGDATABASE": restored.name})
        code, outcome, errors = again("--as-roles")
        assert code == 0, f"{outcome} {errors}"
        assert outcome["objects"] == 0, "the ledger came back too: nothing is loaded twice"
        assert contents(restored, [*tables, "reporting.v_fuel_fills"]) == before
        # And in place, over what has come in since.
        again.bucket.put("fuel_records/changes/2026-11-21T09-00-00Z.json", json.dumps([record(99)]).encode())
        code, outcome, errors = again("--as-roles")
        assert outcome["records"]["inserted"] == 1, f"{outcome} {errors}"
        with as_user(restored, "fuel_admin") as conn:
            conn.execute(f"truncate {', '.join(f'fuel.{name}' for name in LANDING)}")
        back = subprocess.run(
            [server.bindir / "pg_restore", "--data-only", "--single-transaction", "--dbname", restored.name],
            input=dump.stdout,
            env={**os.environ, **restored.env, "PGUSER": "fuel_admin"},
            capture_output=True,
        )
        assert back.returncode == 0, back.stderr
        Dbt(job.source, restored, job.state / "target").build()
        assert contents(restored, [*tables, "reporting.v_fuel_fills"]) == before
    assert before["fuel.records"]


INCREMENTAL = """
select format('fuel.%I', relname) from pg_class
where relname in ('records', 'fill_intervals', 'tracker_devices') and relnamespace = 'fuel'::regnamespace
"""


def contents(database: Database, tables: list[str]) -> dict[str, list[Any]]:
    """Every row of the tables, as text."""
    return {
        table: sorted(row for (row,) in database.query(f"select t::text from {table} as t"))
        for table in tables
    }
