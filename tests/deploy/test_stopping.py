"""The hourly job when it is stopped, unheard, or overlaps another run."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import replace

import pytest

from tests.deploy.conftest import AFTER_THE_FIRST_HOUR, Job

pytestmark = AFTER_THE_FIRST_HOUR

DELTA = "fuel_records/changes/2026-11-21T01-00-00Z.json"


@pytest.mark.parametrize(
    ("number", "table", "build"),
    [
        (signal.SIGTERM, "fuel.records_raw", "not run"),
        (signal.SIGINT, "fuel.builds", "stopped"),
        (signal.SIGTERM, "fuel.fill_intervals", "stopped"),
        (signal.SIGHUP, "fuel.loads", "not run"),
    ],
)
def test_a_run_that_is_stopped_says_so_in_its_one_line(
    job: Job, number: signal.Signals, table: str, build: str
) -> None:
    if table == "fuel.records_raw":
        job.bucket.put(f"{DELTA}.of-no-records.json", b"[]")
    with job.database.connect(autocommit=True) as conn:
        # The loader waits behind this lock, or the job itself, or dbt, with a query at work.
        conn.execute(f"begin; lock table {table} in access exclusive mode")  # type: ignore[arg-type]
        # Not as under nohup, which may have started the tests.
        listening = replace(job, shell='exec env --default-signal=HUP "$@"')
        process = listening.start("--log-format", "json")
        waiting = f"select 1 from pg_locks where not granted and relation = '{table}'::regclass"
        while not conn.execute(waiting).fetchall():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(number)
        time.sleep(0.05)
        process.send_signal(number)  # by an impatient operator; it ends in order all the same
        out, errors = process.communicate(timeout=60)
        # Its sessions are gone while the lock still stands.
        assert conn.execute(waiting).fetchall() == []
        conn.execute("rollback")
    assert process.returncode == 128 + number
    outcome = json.loads(out)
    assert (outcome["status"], outcome["exit_code"]) == ("failed", 128 + number)
    assert outcome["problems"] == [f"stopped by {number.name}"]
    assert outcome["build"] == build
    assert "Traceback" not in errors
    code, outcome, _ = job()
    assert (code, outcome["objects"]) == (0, table == "fuel.records_raw")
    assert outcome["build"] == "done"


def test_an_overlapping_run_ends_quietly(job: Job) -> None:
    with job.database.connect(autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(hashtextextended('fleetfuel.hourly', 0))")
        code, outcome, errors = job()
    assert (code, errors) == (0, "")
    assert outcome["status"] == "skipped: the last run is still at work"


def test_with_stderr_closed_it_runs_all_the_same(job: Job) -> None:
    job.bucket.put("fuel_records/changes/2026-11-21T06-00-00Z.json", b"[")
    done = replace(job, shell='exec "$@" 2>&-').raw()
    job.bucket.delete("fuel_records/changes/2026-11-21T06-00-00Z.json")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("hourly failed (exit 1): 0 objects in")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_that_nobody_reads_the_line_makes_no_failure(job: Job, log_format: str) -> None:
    done = replace(job, shell='{ "$@"; echo "ended with $?" >&2; } | true').raw("--log-format", log_format)
    assert done.stderr.splitlines()[-1] == "ended with 0"
    assert "Error" not in done.stderr
    # And if it is the problems that nobody reads, the line comes all the same.
    unheard = replace(job, shell='exec 4>&1; "$@" 2>&1 >&4 | true')
    done = unheard.raw("--log-format", log_format, RUSTFS_ACCESS_KEY="")
    assert ("exit 2" if log_format == "text" else '"exit_code": 2') in done.stdout


def test_under_nohup_it_goes_on_without_its_terminal(job: Job) -> None:
    with job.database.connect(autocommit=True) as conn:
        conn.execute("begin; lock table fuel.builds in access exclusive mode")
        process = replace(job, shell='trap "" HUP; exec "$@"').start()
        while not conn.execute("select 1 from pg_locks where not granted").fetchall():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        conn.execute("rollback")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, out + errors
