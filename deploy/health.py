"""Health of the container, for HEALTHCHECK: one line; exit 0 while reports and exports are young, else 1."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from deploy.settings import Unusable, acting_as, connect, read_settings, schema_prefix
from loader import __version__
from loader.words import naming_host

# The age of the reports at which source freshness is an error, too. For an export the view says so itself.
LIMIT_MINUTES = 6 * 60
ANSWER_SECONDS = 8
# The job's login has no rights of its own (deploy/roles.sql): where it may not read, it acts as fuel_dbt.
ACT = """
select set_config('role', rolname, false) from pg_roles
where
    rolname = %s and pg_has_role(oid, 'member')
    and not has_schema_privilege(to_regnamespace(%s), 'usage')
"""


def read_row(conn: psycopg.Connection[Any], prefix: str) -> dict[str, Any]:
    """The row of v_pipeline_health by column; an error where a lock keeps it for longer than some seconds."""
    view = sql.Identifier(f"{prefix}reporting", "v_pipeline_health")
    with conn.transaction():
        conn.execute("set local statement_timeout = '5s'")
        cursor = conn.execute(sql.SQL("select * from {}").format(view))
        names = [each.name for each in cursor.description or ()]
        return dict(zip(names, cursor.fetchone() or (), strict=False))


def troubles(row: dict[str, Any]) -> list[str]:
    """Why the pipeline is not healthy, in words; nothing if it is."""
    lag, age = row.get("lag_minutes"), row.get("newest_export_age_minutes")
    found = []
    if lag is None:
        found.append("no load has reached the reports yet")
    elif lag >= LIMIT_MINUTES:
        found.append(f"the reports are {lag} minutes old")
    if row.get("is_export_late"):
        found.append(f"the newest export is {age} minutes old: has the exporter died?")
    if row.get("is_watermark_ahead"):
        found.append("a watermark is ahead of the clock: run fuel-loader --reset-watermark")
    return found


def hangs() -> None:
    """Nobody waits for a network that has gone silent, or for a name server."""
    print(f"unhealthy: the database gives no answer within {ANSWER_SECONDS} seconds", flush=True)
    os._exit(1)


def main() -> int:
    """Read v_pipeline_health and print one line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.health", description=__doc__)
    parser.add_argument(
        "--env-file", type=Path, metavar="PATH", help="settings in place of the project's .env"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args()
    watchdog = threading.Timer(ANSWER_SECONDS, hangs)
    watchdog.daemon = True
    watchdog.start()
    try:
        read_settings(options.env_file)
        prefix = schema_prefix()
        with acting_as(None), connect(connect_timeout=5, autocommit=True) as conn:
            conn.execute(ACT, [f"{prefix}fuel_dbt", f"{prefix}reporting"])
            row = read_row(conn, prefix)
    except (Unusable, psycopg.Error) as error:
        print(f"unhealthy: {naming_host(' '.join(str(error).split()))}")
        return 1
    if found := troubles(row):
        print(f"unhealthy: {'; '.join(found)}")
        return 1
    print(f"healthy: the reports are {row['lag_minutes']} minutes old")
    return 0


if __name__ == "__main__":
    sys.exit(main())
