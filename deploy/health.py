"""Health of the container, for HEALTHCHECK: exit 0 while the reports are younger than six hours, else 1."""

from __future__ import annotations

import sys

import psycopg

from deploy.settings import DBT_ROLE, Unusable, connect, read_settings
from loader.connection import scalar
from loader.words import naming_host

# The age at which source freshness is an error, too.
LIMIT_MINUTES = 6 * 60
# The job's login has no rights of its own (deploy/roles.sql): where it may not read, it acts as fuel_dbt.
ACT = """
select set_config('role', rolname, false) from pg_roles
where
    rolname = %s and pg_has_role(oid, 'member')
    and not has_schema_privilege(to_regnamespace('reporting'), 'usage')
"""


def main() -> int:
    """Read reporting.v_pipeline_health and print one line."""
    try:
        read_settings()
        with connect(connect_timeout=5) as conn:
            conn.execute(ACT, [DBT_ROLE])
            lag = scalar(conn, "select lag_minutes from reporting.v_pipeline_health")
    except (Unusable, psycopg.Error) as error:
        print(f"unhealthy: {naming_host(' '.join(str(error).split()))}")
        return 1
    healthy = lag is not None and lag < LIMIT_MINUTES
    told = "no load has reached the reports yet" if lag is None else f"the reports are {lag} minutes old"
    print(f"{'healthy' if healthy else 'unhealthy'}: {told}")
    return int(not healthy)


if __name__ == "__main__":
    sys.exit(main())
