"""The roles of deploy/roles.sql, as an operator applies them and as logins use them."""

from __future__ import annotations

import subprocess
from typing import Any

import psycopg

from tests.conftest import ROOT, Database

LANDING = (
    "records_raw",
    "loads",
    "load_rejects",
    "ingest_state",
    "landing_versions",
    "record_versions",
)


def run_roles(database: Database, user: str, prefix: str = "") -> subprocess.CompletedProcess[str]:
    """psql -f roles.sql, as an operator does."""
    options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", *(["-v", f"prefix={prefix}"] if prefix else [])]
    return subprocess.run(
        [database.server.bindir / "psql", *options, "-f", ROOT / "deploy" / "roles.sql"],
        env={**database.env, "PGUSER": user},
        capture_output=True,
        text=True,
    )


def apply_roles(database: Database, user: str = "fuel_admin") -> None:
    """The same, and it has to work."""
    done = run_roles(database, user)
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr


def as_user(database: Database, user: str, role: str | None = None) -> psycopg.Connection[Any]:
    env = {**database.env, "PGUSER": user}
    options = f"-c role={role}" if role else ""
    return psycopg.connect(
        host=env["PGHOST"],
        port=env["PGPORT"],
        user=user,
        dbname=env["PGDATABASE"],
        options=options,
        autocommit=True,
    )


def refused(conn: psycopg.Connection[Any], *statements: str) -> list[str]:
    """Those of the statements that were not refused."""
    allowed = []
    for statement in statements:
        try:
            conn.execute(statement)
            allowed.append(statement)
        except psycopg.errors.InsufficientPrivilege:
            pass
    return allowed


def views(database: Database) -> list[str]:
    found = database.query(
        "select format('reporting.%I', viewname) from pg_views where schemaname = 'reporting'"
    )
    return [view for (view,) in found]
