"""The health check of the container."""

from __future__ import annotations

from tests.conftest import fresh_database
from tests.deploy.conftest import Job


def test_health(job: Job) -> None:
    with fresh_database(job.database.server) as empty:
        told = [job.raw(module="deploy.health", **empty.env)]
        told.append(job.raw(module="deploy.health", DATABASE_URL="postgresql://a:p@ss@h/x"))
        empty.query("create schema reporting")
        for lag in ("null", "360", "359"):
            empty.query(
                f"create or replace view reporting.v_pipeline_health as select {lag}::int as lag_minutes"
            )
            told.append(job.raw(module="deploy.health", **empty.env))
    assert [done.returncode for done in told] == [1, 1, 1, 1, 0]
    assert all(done.stdout.startswith("unhealthy: ") for done in told[:-1])
    assert not any(done.stderr for done in told)
