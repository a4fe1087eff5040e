"""Health of the container, for HEALTHCHECK: exit 0 while the reports are younger than six hours, else 1."""

from __future__ import annotations

import sys

import psycopg

from deploy.settings import Unusable, read_settings

# The age at which source freshness is an error, too.
LIMIT_MINUTES = 6 * 60


def main() -> int:
    """Read reporting.v_pipeline_health and print one line."""
    try:
        read_settings()
        with psycopg.connect(connect_timeout=5) as conn:
            row = conn.execute("select lag_minutes from reporting.v_pipeline_health").fetchone()
    except (Unusable, psycopg.Error) as error:
        print(f"unhealthy: {' '.join(str(error).split())}")
        return 1
    lag = row[0] if row else None
    healthy = lag is not None and lag < LIMIT_MINUTES
    print(f"{'healthy' if healthy else 'unhealthy'}: the reports are {lag} minutes old")
    return int(not healthy)


if __name__ == "__main__":
    sys.exit(main())
