"""The hourly job when it is stopped, unheard, or overlaps another run."""

from __future__ import annotations

import json
import re
import signal
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from deploy import turns
from deploy.turns import Occupied, take_turn
from tests.deploy.conftest import AFTER_THE_FIRST_HOUR, Job

pytestmark = AFTER_THE_FIRST_HOUR

DELTA = "fuel_records/changes/2026-11-21T01-00-00Z.json"


@pytest.mark.parametrize(
    ("number", "table", "build"),
    [
        (signal.SIGTERM, "fuel.records_raw", "not run"),
        (signal.SIGINT, "fuel.builds", "not run"),
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
        out, errors = process.communicate(timeout=5)
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


def test_a_hook_of_dbt_keeps_no_run_alive(job: Job) -> None:
    """It runs in the main thread, within the driver: Python itself does not hear the signal there."""
    job.database.query("""
        create function fuel.slow() returns trigger language plpgsql as
            $$ begin perform pg_sleep(60); return new; end $$;
        create trigger slow before update on fuel.builds for each row execute function fuel.slow()
    """)
    try:
        process = job.start("--log-format", "json")
        while not job.database.query("select 1 from pg_stat_activity where wait_event = 'PgSleep'"):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=5)
        assert job.database.query("select 1 from pg_stat_activity where wait_event = 'PgSleep'") == []
    finally:
        job.database.query("drop trigger slow on fuel.builds; drop function fuel.slow()")
    assert process.returncode == 143, out + errors
    assert json.loads(out)["problems"] == ["stopped by SIGTERM"]


def test_a_run_that_cannot_end_in_order_is_given_up_with_its_line(job: Job, tmp_path: Path) -> None:
    """Say, in a library that swallows the interruption and waits on."""
    (tmp_path / "boto3.py").write_text(
        "import sys, time\nprint('here', file=sys.stderr, flush=True)\n"
        "while True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass\n"
    )
    process = job.start("--log-format", "json", PYTHONPATH=f"{tmp_path}:{job.source}")
    assert process.stderr
    assert process.stderr.readline() == "here\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=5)
    assert (process.returncode, json.loads(out)["problems"]) == (143, ["stopped by SIGTERM"])


HOLD = "select pg_advisory_lock(hashtextextended('fleetfuel.hourly', 0))"


def test_an_overlapping_run_ends_quietly_and_says_since_when(job: Job) -> None:
    with job.database.connect(autocommit=True, application_name="fleetfuel.hourly") as conn:
        conn.execute(HOLD)
        pid = conn.info.backend_pid
        code, outcome, errors = job()
    assert (code, errors) == (0, "")
    said = rf"skipped: the last run is still at work: .*\b{pid}\b.*\bpostgres\b.* {time.strftime('%Y')}-.*"
    assert re.fullmatch(said, outcome["status"]), outcome["status"]


def test_a_lock_that_is_somebody_elses_is_a_failure(job: Job) -> None:
    """Anybody who may connect can take it, and can call himself as he likes."""
    role = f"guest_{job.database.name}"
    job.database.query(f"create role {role} login")
    server = job.database.server
    try:
        for login, program in (("postgres", "psql"), (role, "fleetfuel.hourly")):
            with replace(server, user=login).connect(
                job.database.name, autocommit=True, application_name=program
            ) as conn:
                conn.execute(HOLD)  # type: ignore[arg-type]
                pid = conn.info.backend_pid
                code, outcome, _ = job()
            assert (code, outcome["build"]) == (75, "not run")
            [problem] = outcome["problems"]
            assert problem.startswith("the job's lock is not held by a run of the job, but by ")
            assert f"{program} (database session {pid}, role {login}" in problem
    finally:
        job.database.query(f"drop role {role}")


def test_a_run_of_more_than_three_hours_hangs(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test waits no three hours: a session is as old as PostgreSQL says, so patience is made short."""
    with (
        job.database.connect(autocommit=True, application_name="x") as holder,
        job.database.connect(autocommit=True, application_name="x") as conn,
    ):
        holder.execute("select pg_advisory_lock(hashtextextended('x', 0))")
        with pytest.raises(Occupied, match="the last run is still at work: ") as quiet:
            take_turn(conn, "x")
        monkeypatch.setattr(turns, "PATIENCE", timedelta())
        with pytest.raises(Occupied, match="the last run hangs: ") as late:
            take_turn(conn, "x")
    assert (quiet.value.code, late.value.code) == (0, 75)


def test_with_stderr_closed_it_runs_all_the_same(job: Job) -> None:
    job.bucket.put("fuel_records/changes/2026-11-21T06-00-00Z.json", b"[")
    done = replace(job, shell='exec "$@" 2>&-').raw()
    job.bucket.delete("fuel_records/changes/2026-11-21T06-00-00Z.json")
    assert (done.returncode, done.stderr) == (1, "")
    assert "Z hourly failed (exit 1): 0 objects in" in done.stdout
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
