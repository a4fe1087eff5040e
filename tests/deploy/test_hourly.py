"""The hourly job, run as cron runs it: one story on one database, each test one hour of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import yaml
from dbt_common.exceptions import DbtDatabaseError
from psycopg import sql

from demo import servers
from deploy import fingerprint
from deploy.fingerprint import catalogue_digest, inputs_digest, last_build, project_digest, surely_fresh
from deploy.hourly import DbtStopped, explain, one_line, spelled_out
from deploy.seeds import unreadable
from loader.landing import LOCK
from loader.settings import Settings
from tests.conftest import PROJECT_PARTS, ROOT, Dbt, FaultyS3, fresh_database
from tests.deploy.conftest import SNAPSHOT, Job, copy_source, read_only, record, snapshot

DELTA = "fuel_records/changes/2026-11-21T01-00-00Z.json"


def tree(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def fills(job: Job) -> int:
    return int(job.database.query("select count(*) from reporting.v_fuel_fills")[0][0])


def test_first_hour_builds_everything_without_writing_to_the_source(job: Job) -> None:
    job.bucket.put(SNAPSHOT, snapshot([record(number) for number in range(30)]))
    read_only(job.source)
    before = tree(job.source)
    # What is set for others does not matter: the job idles while dbt builds, and its SQL is not LATIN1.
    for setting in ("idle_session_timeout = '1s'", "client_encoding = LATIN1"):
        job.database.query(f"alter database {job.database.name} set {setting}")

    code, outcome, errors = job()
    job.database.query(f"alter database {job.database.name} reset all")

    assert code == 0, f"{outcome} {errors}"
    assert outcome["status"] == "done"
    assert outcome["objects"] == 1
    assert outcome["records"]["inserted"] == 30
    assert outcome["build"] == "done"
    assert outcome["tests"]["failed"] == 0
    assert outcome["rederived"]["records"] == 30
    assert outcome["freshness"] == "pass"
    assert outcome["problems"] == []
    assert set(outcome["seconds"]) == {"load", "build", "freshness", "total"}
    assert fills(job) == 30
    assert tree(job.source) == before
    assert (job.state / "logs" / "dbt.log").exists()
    assert "\r" not in errors, "no progress bar without a terminal"


def test_nothing_new_skips_dbt(job: Job) -> None:
    code, outcome, _ = job()
    assert code == 0
    assert outcome["objects"] == 0
    assert outcome["build"] == "skipped: nothing changed since the last one"
    assert "build" not in outcome["seconds"]
    # What lies in the state folder does not matter: the database knows.
    _, outcome, _ = job(FUEL_STATE_DIR=str(job.state.parent / "new-container"))
    assert outcome["build"].startswith("skipped")


def test_a_quiet_night_does_not_make_the_reports_old(job: Job) -> None:
    job.database.query(
        "update fuel.loads set started_at = started_at - interval '9 hours',"
        " finished_at = finished_at - interval '9 hours', checked_at = checked_at - interval '9 hours';"
        "update fuel.builds set started_at = started_at - interval '9 hours', checked_at = null"
    )
    healthy = "select lag_minutes < 5 from reporting.v_pipeline_health"
    assert job.database.query(healthy) == [(False,)]
    assert job.raw(module="deploy.health").returncode == 1
    assert job()[1]["build"].startswith("skipped")
    assert job.database.query(healthy) == [(True,)]
    assert job.raw(module="deploy.health").returncode == 0


def test_a_delta_is_built_and_counted(job: Job) -> None:
    changed = record(3, litres="50", updated_at="2026-11-21T00:30:00.000Z")
    job.bucket.put(
        DELTA, json.dumps({"metadata": {}, "records": [changed, {"message": "x", "error": "y"}]}).encode()
    )
    code, outcome, errors = job()
    assert code == 0, f"{outcome} {errors}"
    assert (outcome["objects"], outcome["records"]["updated"], outcome["rejected_records"]) == (1, 1, 1)
    assert outcome["rederived"]["records"] == 1
    assert outcome["build"] == "done"
    assert job.database.query("select litres from reporting.v_fuel_fills where id = '3'") == [(50,)]


def test_a_refused_object_is_told_and_stops_nothing(job: Job) -> None:
    job.bucket.put("fuel_records/changes/2026-11-21T02-00-00Z.json", b'{"records": [')
    job.bucket.put("fuel_records/changes/2026-11-21T03-00-00Z.json", json.dumps([record(100)]).encode())
    code, outcome, _ = job()
    assert code == 1
    assert outcome["status"] == "failed"
    assert (outcome["refused_objects"], outcome["objects"], outcome["build"]) == (1, 1, "done")
    assert fills(job) == 31
    # The next hour tries it again and still says so, but has nothing to build.
    code, outcome, _ = job()
    assert code == 1
    assert outcome["build"].startswith("skipped")
    job.bucket.delete("fuel_records/changes/2026-11-21T02-00-00Z.json")


def test_without_a_snapshot_deltas_are_built_all_the_same(job: Job) -> None:
    kept = (job.bucket.server.root / job.bucket.name / SNAPSHOT).read_bytes()
    job.bucket.delete(SNAPSHOT)
    changed = record(100, litres="51", updated_at="2026-11-21T04:30:00.000Z")
    job.bucket.put("fuel_records/changes/2026-11-21T05-00-00Z.json", json.dumps([changed]).encode())
    code, outcome, errors = job()
    job.bucket.put(SNAPSHOT, kept)
    assert (code, outcome["objects"], outcome["build"]) == (1, 1, "done")
    assert "holds no fuel_records/latest.json" in errors
    assert job.database.query("select litres from reporting.v_fuel_fills where id = '100'") == [(51,)]


def test_what_came_in_before_the_loader_failed_is_counted(job: Job, s3_proxy: FaultyS3) -> None:
    kept = (job.bucket.server.root / job.bucket.name / SNAPSHOT).read_bytes()
    body = json.loads(kept)
    changed = record(5, litres="52", updated_at="2026-11-21T04:30:00.000Z")
    body["records"] = [changed if each["id"] == 5 else each for each in body["records"]]
    job.bucket.put(SNAPSHOT, json.dumps(body).encode())
    # The snapshot is listed and read, the deltas are not.
    s3_proxy.faults = [None, None, (403, b"<Error><Code>AccessDenied</Code></Error>")]
    code, outcome, errors = job(RUSTFS_ENDPOINT=s3_proxy.endpoint)
    job.bucket.put(SNAPSHOT, kept)
    assert (code, outcome["objects"], outcome["records"]["updated"]) == (2, 1, 1), f"{outcome} {errors}"
    assert (outcome["build"], outcome["freshness"]) == ("not run", "not run")
    [problem] = outcome["problems"]
    assert problem.startswith("loader --changes ended with exit code 2")


def test_an_alias_does_not_wait_for_the_bucket(job: Job) -> None:
    aliases = job.source / "seeds" / "department_aliases.csv"
    aliases.chmod(0o644)
    good = aliases.read_text()
    aliases.write_text(good.replace("logistcs,Logistics", "logistcs,Haulage\nhaulage,Haulage"))
    code, outcome, errors = job(RUSTFS_ENDPOINT="http://127.0.0.1:9")
    aliases.write_text(good)
    assert (code, outcome["objects"], outcome["build"]) == (69, 0, "done"), f"{outcome} {errors}"
    [problem] = outcome["problems"]
    assert problem.startswith("loader --snapshot ended with exit code 69")
    departments = job.database.query("select distinct department from reporting.v_fuel_fills")
    assert departments == [("Haulage",)]
    code, outcome, errors = job()
    assert (code, outcome["build"]) == (0, "done"), f"{outcome} {errors}"


def test_without_a_ledger_there_is_nothing_to_build_from(job: Job) -> None:
    with fresh_database(job.database.server) as empty:
        code, outcome, errors = job(FUEL_MAX_OBJECT_MB="0", PGDATABASE=empty.name)
    assert (code, outcome["build"], outcome["freshness"]) == (2, "not run", "not run"), f"{outcome} {errors}"
    assert len(outcome["problems"]) == 1


def test_what_else_a_build_depends_on(job: Job) -> None:
    assert job()[1]["build"].startswith("skipped")
    job.database.query("insert into tracksolid.devices (imei, vehicle_number) values ('35', 'KCA 540Q')")
    code, outcome, errors = job()
    assert (code, outcome["build"]) == (0, "done"), f"{outcome} {errors}"
    job.database.query("drop view reporting.v_pipeline_health")
    code, outcome, errors = job()
    assert (code, outcome["build"]) == (0, "done"), f"{outcome} {errors}"
    assert job.database.query("select count(*) from reporting.v_pipeline_health") == [(1,)]


def test_a_run_of_dbt_by_hand_that_writes_is_noticed(job: Job, tmp_path: Path) -> None:
    by_hand = Dbt(job.source, job.database, tmp_path)
    view = ("--select", "v_fuel_fills")
    for command, build in (
        (
            ("test", "--select", "v_fuel_fills,test_type:generic"),
            "skipped: nothing changed since the last one",
        ),
        (("compile", *view), "skipped: nothing changed since the last one"),
        (("run", *view), "done"),
        (("seed", "--select", "department_aliases"), "done"),
    ):
        assert job()[1]["build"].startswith("skipped")
        by_hand(*command)
        code, outcome, errors = job()
        assert (code, outcome["build"]) == (0, build), f"{command} {outcome} {errors}"


@pytest.mark.parametrize(
    "by_hand",
    [
        "do $$ begin execute 'create or replace view reporting.v_fuel_fills as select * from (' || "
        "rtrim(pg_get_viewdef('reporting.v_fuel_fills'::regclass), ';') || ') as v where false'; end $$",
        "create or replace function fuel.alias_key(raw_value text) returns text return 'same'",
        "truncate fuel.records, fuel.fill_intervals",
    ],
)
def test_what_was_replaced_by_hand_is_noticed(job: Job, by_hand: str) -> None:
    with job.database.connect() as conn:
        before = catalogue_digest(conn)
        assert catalogue_digest(conn) == before
        conn.execute(by_hand)  # type: ignore[arg-type]
        assert catalogue_digest(conn) != before
        conn.rollback()


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("insert into tracksolid.devices (imei, vehicle_number) values ('36', 'KCA 541Q')", True),
        ("update tracksolid.devices set updated_at = now()", False),
        ("alter table tracksolid.devices rename vehicle_number to what", True),
        ("update fuel.records_raw set load_id = load_id + 1", True),
        # Tomorrow.
        (
            "create function reporting.now() returns timestamptz return pg_catalog.now() + interval '1 day';"
            "set search_path = reporting, pg_catalog, public",
            True,
        ),
    ],
)
def test_what_is_new_for_a_build(job: Job, change: str, seen: bool) -> None:
    with job.database.connect() as conn:
        before = inputs_digest(conn, [])
        assert before
        assert inputs_digest(conn, ["fuel_reader"]) != before
        conn.execute(change)  # type: ignore[arg-type]
        assert (inputs_digest(conn, []) != before) is seen
        conn.rollback()


def test_every_file_of_the_project_is_new_for_a_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = copy_source(tmp_path / "project")
    monkeypatch.setattr(fingerprint, "ROOT", project)
    seen = {project_digest()}
    for name in (*PROJECT_PARTS, "requirements.lock"):
        path = project / name
        file = next(each for each in path.rglob("*.*") if each.is_file()) if path.is_dir() else path
        file.write_bytes(file.read_bytes() + b"\n")
        assert project_digest() not in seen, file
        seen.add(project_digest())
    (project / "loader" / "cli.py").unlink()
    assert project_digest() in seen


@pytest.mark.parametrize(
    "by_hand",
    [
        "update fuel.builds set status = 'failed'",
        "insert into fuel.builds select (jsonb_populate_record(b, jsonb_build_object('invocation_id', 'x',"
        " 'started_at', clock_timestamp(), 'fingerprint', null))).* from fuel.builds as b limit 1",
        "alter table fuel.builds rename fingerprint to what",
        "alter table fuel.builds rename to what",
    ],
)
def test_a_build_that_is_not_the_jobs_own_last_one_proves_nothing(job: Job, by_hand: str) -> None:
    with job.database.connect() as conn:
        assert last_build(conn)
        conn.execute(by_hand)  # type: ignore[arg-type]
        assert last_build(conn) is None
        conn.rollback()


def test_an_edited_csv_is_built(job: Job) -> None:
    aliases = job.source / "seeds" / "department_aliases.csv"
    aliases.parent.chmod(0o755)
    aliases.chmod(0o644)
    good = aliases.read_text()
    aliases.write_text(good.replace("logistcs,", "logistkz,"))
    code, outcome, errors = job()
    assert (code, outcome["build"]) == (0, "done"), f"{outcome} {errors}"
    aliases.write_text(good + "logistcs,Sales\n")
    code, outcome, errors = job()
    assert (code, outcome["build"]) == (1, "failed")
    assert any("department_aliases" in problem for problem in outcome["problems"]), outcome["problems"]
    code, outcome, _ = job()
    assert outcome["build"] == "failed", "a build that failed is tried again"
    aliases.write_text(good.replace(",", ";"))
    code, outcome, errors = job()
    assert (code, outcome["build"]) == (1, "failed")
    assert [json.loads(line)["level"] for line in errors.splitlines()] == ["info"] * 2, "JSON only"
    # What dbt cannot even read is told with file and line, too.
    for line, code, told in (
        (b"spares, tools,Sales\n", 1, "3 cells, but the header has 2. A cell that holds a comma needs"),
        ("salés,Sales\n".encode("cp1252"), 2, "this is not UTF-8. Save it from Excel as"),
    ):
        aliases.write_bytes(good.encode() + line)
        got, outcome, errors = job()
        assert (got, outcome["build"]) == (code, "failed")
        assert "Traceback" not in errors
        [problem] = outcome["problems"]
        where = f"seeds/department_aliases.csv line {len(good.splitlines()) + 1}: "
        assert f"{where}{told}" in problem
    aliases.write_text(good)
    assert job()[:1] == (0,)


@contextlib.contextmanager
def tracker_that(job: Job, raises: str) -> Iterator[None]:
    """For a while, a view in place of the tracker's table, like one on a server that is down."""
    job.database.query(
        "insert into tracksolid.devices (imei, vehicle_number) values ('tracker_that', 'KCA 549Q');"
        "alter table tracksolid.devices rename to real_devices;"
        f"create view tracksolid.devices as select * from tracksolid.real_devices where {raises}"
    )
    yield
    job.database.query(
        "drop view tracksolid.devices; alter table tracksolid.real_devices rename to devices;"
        "delete from tracksolid.devices where imei = 'tracker_that'"
    )


def test_a_tracker_that_raises_keeps_no_fill_from_the_reports(job: Job) -> None:
    before = fills(job)
    job.bucket.put("fuel_records/changes/2026-11-21T04-00-00Z.json", json.dumps([record(200)]).encode())
    with tracker_that(job, raises="1 / (imei = '')::int > 0"):
        code, outcome, errors = job()
    assert (code, outcome["build"], outcome["rederived"]["records"]) == (1, "failed", 1), errors
    [problem] = outcome["problems"]
    assert problem.startswith("model tracker_devices: error: ")
    assert "division by zero" in problem
    assert fills(job) == before + 1
    assert job()[1]["build"] == "done"


def test_a_connection_lost_over_the_tracker_is_no_missing_input(job: Job) -> None:
    with (
        tracker_that(job, raises="pg_terminate_backend(pg_backend_pid())"),
        job.database.connect(autocommit=True) as conn,
        pytest.raises(psycopg.OperationalError),
    ):
        inputs_digest(conn, [])


def test_a_project_file_that_is_not_utf8_is_one_line(job: Job) -> None:
    project = job.source / "dbt_project.yml"
    project.chmod(0o644)
    good = project.read_bytes()
    project.write_bytes(good + "# schlüssel\n".encode("latin-1"))
    code, outcome, errors = job()
    project.write_bytes(good)
    assert (code, outcome["build"]) == (2, "failed")
    assert "utf-8" in outcome["problems"][0]
    assert "Traceback" not in errors


def test_a_project_file_that_cannot_be_read_is_one_line(job: Job) -> None:
    project = job.source / "dbt_project.yml"
    project.chmod(0o644)
    good = project.read_text()
    project.write_text(good.replace("reader_roles: []", "reader_roles: ["))
    code, outcome, errors = job()
    project.write_text(good)
    assert (code, outcome["build"]) == (2, "failed")
    assert "Syntax error near line" in outcome["problems"][0]
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("number", "table", "build"),
    [
        (signal.SIGTERM, "fuel.records_raw", "not run"),
        (signal.SIGINT, "fuel.builds", "not run"),
        (signal.SIGTERM, "fuel.fill_intervals", "stopped"),
        (signal.SIGHUP, "fuel.builds", "not run"),
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
        process = listening.start("--force", "--log-format", "json")
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
    assert outcome["build"] == (
        "done" if build == "stopped" else "skipped: nothing changed since the last one"
    )


def test_a_database_that_is_gone_before_the_build_is_no_setting() -> None:
    assert DbtStopped(DbtDatabaseError("connection refused")).exit_code == 69
    assert DbtStopped(ValueError("what else")).exit_code == 2


def test_an_old_feed_fails_by_freshness_even_if_nothing_changed(job: Job, tmp_path: Path) -> None:
    """And the job goes on though another load is running; its settings here come from a service file."""
    env = job.database.env
    service = tmp_path / "service.conf"
    service.write_text(
        f"[fuel]\nhost={env['PGHOST']}\nport={env['PGPORT']}\nuser={env['PGUSER']}\ndbname={env['PGDATABASE']}\n"
    )
    served = Job(
        job.database, job.bucket, job.source, job.state, {"PGSERVICE": "fuel", "PGSERVICEFILE": str(service)}
    )
    # The loader's ledger as an outage of ten hours leaves it.
    job.database.query(
        "update fuel.loads set started_at = started_at - interval '10 hours',"
        " finished_at = finished_at - interval '10 hours', checked_at = checked_at - interval '10 hours'"
    )
    with job.database.connect(autocommit=True) as conn:
        assert not surely_fresh(conn)
        conn.execute("select pg_advisory_lock(%s)", [LOCK])
        code, outcome, errors = served()
        conn.execute("update fuel.loads set checked_at = null")
        assert served()[1]["problems"][2] == "source loads: freshness error: no load has worked yet"
    assert (code, outcome["exit_code"], outcome["status"]) == (75, 75, "failed"), f"{outcome} {errors}"
    assert outcome["build"].startswith("skipped")
    assert outcome["freshness"] == "error"
    busy, busy_too, stale = outcome["problems"]
    assert "exit code 75" in busy
    assert "exit code 75" in busy_too
    assert stale.startswith("source loads: freshness error: newest load is 10.0 h old")
    health = served.raw(module="deploy.health")
    assert (health.returncode, health.stdout[:26]) == (1, "unhealthy: the reports are"), health.stdout
    job.database.query("update fuel.loads set finished_at = now(), checked_at = null")
    with job.database.connect() as conn:
        assert not surely_fresh(conn)


def test_dbt_insists_on_tls_if_the_service_file_does(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a socket libpq takes any mode. Untold, dbt's profile would say `prefer`."""
    service = tmp_path / "service.conf"
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    monkeypatch.setenv("PGSSLMODE", "disable")
    for mode in ("require", "prefer"):
        service.write_text(f"[fuel]\nsslmode={mode}\n")
        with job.database.connect(service="fuel") as conn:
            assert spelled_out(conn)["PGSSLMODE"] == mode


def test_of_several_hosts_dbt_is_given_the_address_of_the_one_that_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with servers.postgres(settings={"listen_addresses": "127.0.0.1"}) as server:
        several = {"PGHOST": "one.invalid,two.invalid", "PGHOSTADDR": "127.0.0.1,127.0.0.1"}
        for name, value in {**server.env(), **several, "PGPORT": f"1,{server.port}"}.items():
            monkeypatch.setenv(name, value)
        with psycopg.connect() as conn:
            found = spelled_out(conn)
        for name, value in found.items():
            monkeypatch.setenv(name, value)
        assert (os.environ["PGHOST"], os.environ["PGPORT"]) == ("two.invalid", str(server.port))
        psycopg.connect(host=os.environ["PGHOST"], port=server.port).close()  # as dbt's profile does


def idle_seconds(port: int) -> dict[tuple[int, int], float]:
    """By own and other port of each end of the TCP connections to `port`: when it asks for a sign of life."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, _, timer, *_ = line.split()
        ports = int(local[-4:], 16), int(remote[-4:], 16)
        kind, _, jiffies = timer.partition(":")
        if port in ports and state == "01" and kind == "02":  # established, keepalive
            found[ports] = int(jiffies, 16) / 100
    return found


def test_a_network_that_went_silent_is_noticed_at_both_ends(job: Job) -> None:
    """By the job's connection, of whose lock the server would not let go, and by dbt's."""
    with (
        servers.postgres(settings={"listen_addresses": "127.0.0.1"}) as server,
        fresh_database(server) as database,
    ):
        database.query((ROOT / "demo" / "devices.sql").read_text())
        over_tcp = Job(database, job.bucket, job.source, job.state, {**database.env, "PGHOST": "127.0.0.1"})
        assert over_tcp()[0] == 0
        with database.connect(autocommit=True) as conn:
            conn.execute("begin; lock table fuel.fill_intervals in access exclusive mode")
            process = over_tcp.start("--force")
            waiting = "select from pg_locks where not granted and relation = 'fuel.fill_intervals'::regclass"
            while not conn.execute(waiting).fetchall():
                assert process.poll() is None, process.communicate()
                time.sleep(0.05)
            time.sleep(0.3)  # until all that was sent is acknowledged
            idle = idle_seconds(server.port)
            held = "select client_port from pg_stat_activity where application_name = 'fleetfuel.hourly'"
            [(own,)] = conn.execute(held).fetchall()
            conn.execute("rollback")
        out, errors = process.communicate(timeout=60)
        assert process.returncode == 0, out + errors
    ours = [seconds for (_, remote), seconds in idle.items() if remote == server.port]
    assert len(ours) > 1
    assert all(0 < seconds <= 60 for seconds in ours)
    assert 0 < idle[server.port, own] <= 60


def test_an_overlapping_run_ends_quietly(job: Job) -> None:
    with job.database.connect(autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(hashtextextended('fleetfuel.hourly', 0))")
        code, outcome, errors = job()
    assert (code, errors) == (0, "")
    assert outcome["status"] == "skipped: the last run is still at work"


def test_text_is_one_line_too(job: Job) -> None:
    done = job.raw()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("hourly done (exit 0): 0 objects in, nothing new;")
    done = job.raw(RUSTFS_ACCESS_KEY="")
    assert done.stdout.startswith("hourly failed (exit 2): ")
    assert "hourly: loader --snapshot ended with exit code 2, see its own lines above\n" in done.stderr


def test_database_url_alone(job: Job) -> None:
    """A login whose name and password need every kind of escaping, over a socket."""
    name, password = "f@el:job", "p@ss/w:rd%20?#é"
    with job.database.connect(autocommit=True) as conn:
        conn.execute(
            sql.SQL("create role {} login superuser password {}").format(
                sql.Identifier(name), sql.Literal(password)
            )
        )
    server = job.database.server
    parts = [quote(part, safe="") for part in (name, password, job.database.name, server.host)]
    url = "postgresql://{}:{}@/{}?host={}&port={}&sslmode=disable".format(*parts, server.port)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.hourly", "--force", "--log-format", "json"],
            cwd="/",
            env={
                "PYTHONPATH": str(job.source),
                "DATABASE_URL": url,
                "FUEL_STATE_DIR": str(job.state),
                **job.bucket.env,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["build"] == "done"
        assert password not in done.stdout + done.stderr
        healthy = job.raw(module="deploy.health", DATABASE_URL=url)
        assert (healthy.returncode, healthy.stdout.partition(":")[0]) == (0, "healthy"), healthy.stdout
    finally:
        job.database.query(
            f'reassign owned by "{name}" to postgres; drop owned by "{name}"; drop role "{name}"'
        )


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        ({"DATABASE_URL": "postgresql://a:se%2cret@h:x1/%ZZ"}, 2, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "postgresql://a:secret%@127.0.0.1:9/x"}, 2, "DATABASE_URL cannot be read: "),
        ({"DATABASE_URL": "postgresql://a:a secret@127.0.0.1:9/x"}, 2, "DATABASE_URL cannot be read: "),
        (
            {"DATABASE_URL": "postgresql+psycopg://a:secret@127.0.0.1:9/x"},
            2,
            "write it as postgresql://user:password@host:5432/database",
        ),
        ({"DATABASE_URL": "postgresql://a:p@secret@127.0.0.1:9/x"}, 2, "write an @ of the password as %40"),
        ({"DATABASE_URL": "postgresql://a:secret/p@127.0.0.1:9/x"}, 2, "and a / as %2F"),
        ({"DATABASE_URL": "postgresql://a:secret@127.0.0.1:9/x"}, 69, "database unreachable"),
        ({"PGHOST": "nowhere.invalid"}, 69, "failed to resolve host 'nowhere.invalid'"),
        (
            {"PGSERVICE": "nowhere", "PGSERVICEFILE": "/dev/null"},
            2,
            'definition of service "nowhere"',
        ),
        ({"PGSERVICE": "nowhere", "PGSERVICEFILE": "/nowhere"}, 2, 'service file "/nowhere" not found'),
        ({"PGDATABASE": "nowhere"}, 2, "PGUSER, PGPASSWORD, PGDATABASE"),
        ({"FUEL_STATE_DIR": "/proc/nowhere"}, 2, "set FUEL_STATE_DIR"),
    ],
)
def test_what_cannot_work_is_one_line(job: Job, env: dict[str, str], code: int, says: str) -> None:
    got, outcome, errors = job(**env)
    assert got == outcome["exit_code"] == code
    [problem] = outcome["problems"]
    assert says in problem
    assert outcome["build"] == "not run"
    assert "Traceback" not in errors
    assert "secret" not in errors + json.dumps(outcome)


def test_without_any_setting_the_message_says_where_they_are_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hint = "neither PGHOST nor DATABASE_URL is set, in the environment or in "
    monkeypatch.delenv("PGHOST", raising=False)
    monkeypatch.delenv("PGSERVICE", raising=False)
    code, words = explain(psycopg.OperationalError("connection refused"))
    assert code == 69
    assert hint in words
    monkeypatch.setenv("PGSERVICE", "fuel")
    assert hint not in explain(psycopg.OperationalError("connection refused"))[1]


def test_what_the_database_refuses_is_one_line(job: Job) -> None:
    role = f"nobody_{job.database.name}"
    job.database.query(f"create role {role} login")
    try:
        code, outcome, errors = job(PGUSER=role)
    finally:
        job.database.query(f"drop role {role}")
    assert (code, outcome["problems"]) == (1, ["database refused: permission denied for schema fuel"])
    assert "Traceback" not in errors


def test_what_dbt_says_without_the_trail_of_macros() -> None:
    said = "Database Error in model x\n  no such column\n  > in macro upsert (macros/x.sql)\n  > called by …"
    assert one_line(said) == "Database Error in model x no such column"
    raised = psycopg.errors.RaiseException("not so\nCONTEXT:  PL/pgSQL function inline_code_block line 195")
    assert one_line(raised) == "not so"


def test_what_nobody_foresaw_ends_with_the_line_too(job: Job, tmp_path: Path) -> None:
    """Say, an installation that broke off amid a package."""
    (tmp_path / "boto3.py").write_text(
        "import os\nraise ImportError(os.environ['RUSTFS_SECRET_KEY'].strip())\n"
    )
    broken = {"PYTHONPATH": f"{tmp_path}:{job.source}", "RUSTFS_SECRET_KEY": "s3cret\n"}
    code, outcome, errors = job(**broken)
    assert (code, outcome["exit_code"], outcome["status"]) == (1, 1, "failed")
    assert outcome["problems"] == ["unforeseen: ImportError: ***"]
    [line] = errors.splitlines()
    assert 'boto3.py", line 2' in json.loads(line)["message"]
    done = job.raw(**broken)
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert done.stdout.startswith("hourly failed (exit 1): ")
    assert "Traceback (most recent call last):\n" in done.stderr
    assert done.stderr.endswith("hourly: unforeseen: ImportError: ***\n")
    assert "s3cret" not in done.stderr + errors


def test_settings_that_are_not_utf8_are_one_line(job: Job) -> None:
    job.source.chmod(0o755)
    file = job.source / ".env"
    file.write_bytes("PGPASSWORD=schlüssel\n".encode("latin-1"))
    try:
        code, outcome, errors = job()
    finally:
        file.unlink()
    assert code == 2
    assert f"{file} cannot be read" in outcome["problems"][0]
    assert "Traceback" not in errors


def test_settings_of_the_folder_it_is_started_in_are_not_its_own(job: Job, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FUEL_MAX_OBJECT_MB=0\n")
    code, outcome, errors = replace(job, folder=str(tmp_path))()
    assert code == 0, f"{outcome} {errors}"


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


@pytest.mark.parametrize("file", sorted((ROOT / "seeds").glob("*.csv")), ids=lambda file: file.name)
def test_the_projects_own_seeds_can_be_read(file: Path) -> None:
    assert unreadable(file) is None


def test_why_a_seed_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "seeds" / "names.csv"
    file.parent.mkdir()
    for content, told in (
        (b"", "seeds/names.csv: the file is empty"),
        ("a,b\n".encode("utf-16"), "seeds/names.csv line 1: this is not UTF-8."),
        (b'a,b\n"x\ny",z\nx,y,z\n', "seeds/names.csv line 4: 3 cells, but the header has 2."),
    ):
        file.write_bytes(content)
        assert (unreadable(file) or "").startswith(told)
    file.write_bytes(b'\xef\xbb\xbfa,b\r\n"x, y",z\r\nx\r\n\r\n')
    assert unreadable(file) is None


def test_every_setting_is_in_the_example_and_reaches_the_container() -> None:
    """What a page tells to set must be settable."""
    names = {name.upper() for name in Settings.model_fields}
    assert names <= set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    app = yaml.safe_load((ROOT / "deploy" / "compose.yml").read_text())["services"]["app"]
    assert {name for name in names if not name.startswith("PG")} <= app["environment"].keys()
