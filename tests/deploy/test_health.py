"""The health check of the container, and an exporter that has died."""

from __future__ import annotations

import socket
import time

import pytest

from tests.conftest import fresh_database
from tests.deploy.conftest import SNAPSHOT, Job, record, snapshot

VIEW = """
create or replace view reporting.v_pipeline_health as select
    {}::int as lag_minutes, {}::int as newest_export_age_minutes,
    {} as is_export_late, {} as is_watermark_ahead
"""


def test_health(job: Job) -> None:
    with fresh_database(job.database.server) as empty:
        told = [job.raw(module="deploy.health", **empty.env)]
        told.append(job.raw(module="deploy.health", DATABASE_URL="postgresql://a:p@ss@h/x"))
        empty.query("create schema reporting")
        for row in (
            ("null", "null", "false", "false"),
            ("360", "9", "false", "false"),
            ("10", "121", "true", "false"),
            ("10", "9", "false", "true"),
            ("359", "119", "false", "false"),
        ):
            empty.query(VIEW.format(*row))
            told.append(job.raw(module="deploy.health", **empty.env))
    assert [done.returncode for done in told] == [1, 1, 1, 1, 1, 1, 0]
    assert all(done.stdout.startswith("unhealthy: ") for done in told[:-1])
    assert "the newest export is 121 minutes old" in told[4].stdout
    assert "a watermark is ahead of the clock" in told[5].stdout
    assert told[6].stdout == "healthy: the reports are 359 minutes old\n"
    assert not any(done.stderr for done in told)


@pytest.mark.parametrize("hung", ["a lock on the view", "a server that accepts and says nothing"])
def test_health_does_not_hang_with_what_it_looks_at(job: Job, hung: str) -> None:
    with fresh_database(job.database.server) as database, socket.socket() as silent:
        database.query("create schema reporting")
        database.query(VIEW.format(1, 1, "false", "false"))
        env = database.env
        started = time.monotonic()
        with database.connect() as conn:
            conn.execute("lock table reporting.v_pipeline_health in access exclusive mode")
            if hung != "a lock on the view":
                silent.bind(("127.0.0.1", 0))
                silent.listen()
                env = {**env, "PGHOST": "127.0.0.1", "PGPORT": str(silent.getsockname()[1])}
            done = job.raw(module="deploy.health", **env)
    assert done.returncode == 1
    assert done.stdout.startswith("unhealthy: ")
    assert time.monotonic() - started < 10, "the image's HEALTHCHECK waits no longer"


def test_an_exporter_that_has_died_is_an_alarm_within_three_hours(job: Job) -> None:
    """The job goes on every hour, and finds nothing wrong with itself."""
    hourly = {"FUEL_EXPORT_MAX_MINUTES": ""}  # as it is if nobody says otherwise
    job.bucket.put(
        SNAPSHOT, snapshot([record(number) for number in range(5)], time.strftime("%FT%TZ", time.gmtime()))
    )
    code, outcome, errors = job(**hourly)
    assert (code, outcome["freshness"]) == (0, "pass"), f"{outcome} {errors}"
    assert job.raw(module="deploy.health").returncode == 0

    # An hour without an object is no alarm, nor is a second one before its end.
    job.database.query("update fuel.loads set exported_at = exported_at - interval '100 minutes'")
    assert job(**hourly)[:1] == (0,)
    job.database.query("update fuel.loads set exported_at = exported_at - interval '21 minutes'")
    code, outcome, _ = job(**hourly)
    assert (code, outcome["freshness"]) == (1, "error")
    assert outcome["problems"] == ["source exports: freshness error: the newest is 2.0 h old"]
    health = job.raw(module="deploy.health")
    assert (health.returncode, health.stdout[:34]) == (1, "unhealthy: the newest export is 12")
    assert job.database.query("select lag_minutes < 5 from reporting.v_pipeline_health") == [(True,)]

    # A file given by hand, or one dated ahead, brings no exporter back to life.
    job.database.query(
        "insert into fuel.loads (mode, object_key, exported_at, started_at, finished_at, status) values"
        " ('file', 'x.json', now(), now(), now(), 'applied'),"
        " ('snapshot', 'y.json', now() + interval '1 year', now(), now(), 'applied')"
    )
    assert job(**hourly)[1]["freshness"] == "error"
