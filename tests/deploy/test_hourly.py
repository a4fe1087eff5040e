"""The hourly job, run as cron runs it: one story on one database, each test one hour of it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from loader.session import LOCK
from tests.conftest import fresh_database
from tests.deploy.conftest import SNAPSHOT, Job, read_only, record, snapshot, tree
from tests.faulty_s3 import FaultyS3

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00) "
DELTA = "fuel_records/changes/2026-11-21T01-00-00Z.json"


def fills(job: Job) -> int:
    return int(job.database.query("select count(*) from reporting.v_fuel_fills")[0][0])


def test_first_hour_builds_everything_without_writing_to_the_source(job: Job) -> None:
    job.bucket.put(SNAPSHOT, snapshot([record(number) for number in range(30)]))
    read_only(job.source)
    before = tree(job.source)
    # Settings for others do not matter: the job idles while dbt builds, and its SQL is not LATIN1.
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


def test_a_quiet_night_does_not_make_the_reports_old(job: Job) -> None:
    job.database.query(
        "update fuel.loads set started_at = started_at - interval '9 hours',"
        " finished_at = finished_at - interval '9 hours', checked_at = checked_at - interval '9 hours';"
        "update fuel.builds set started_at = started_at - interval '9 hours'"
    )
    healthy = "select lag_minutes < 5 from reporting.v_pipeline_health"
    assert job.database.query(healthy) == [(False,)]
    assert job.raw(module="deploy.health").returncode == 1
    rederived = job()[1]["rederived"]
    assert rederived.pop("builds") == 1
    assert set(rederived) >= {"records", "fill_intervals", "tracker_devices"}
    assert not any(rederived.values()), rederived
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
    assert outcome["problems"] == ["1 record could not be landed: see fuel.load_rejects"]
    assert job.database.query("select litres from reporting.v_fuel_fills where id = '3'") == [(50,)]
    # Once: the next hour is quiet.
    code, outcome, errors = job()
    assert (code, outcome["rejected_records"], outcome["problems"]) == (0, 0, [])


def test_a_refused_object_is_told_and_stops_nothing(job: Job) -> None:
    job.bucket.put("fuel_records/changes/2026-11-21T02-00-00Z.json", b'{"records": [')
    job.bucket.put("fuel_records/changes/2026-11-21T03-00-00Z.json", json.dumps([record(100)]).encode())
    code, outcome, _ = job()
    assert code == 1
    assert outcome["status"] == "failed"
    assert (outcome["refused_objects"], outcome["objects"], outcome["build"]) == (1, 1, "done")
    assert fills(job) == 31
    # The next hour tries it again and still says so.
    code, outcome, _ = job()
    assert (code, outcome["refused_objects"], outcome["build"]) == (1, 1, "done")
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
    # No build has taken that load up: the next run tells it again, beside its own.
    code, outcome, errors = job()
    assert (code, outcome["objects"], outcome["build"]) == (0, 2, "done"), f"{outcome} {errors}"


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


def test_an_edited_csv_is_built(job: Job) -> None:
    aliases = job.source / "seeds" / "department_aliases.csv"
    aliases.parent.chmod(0o755)
    aliases.chmod(0o644)
    good = aliases.read_text()
    aliases.write_text(good.replace("logistcs,", "logistkz,"))
    code, outcome, errors = job()
    assert (code, outcome["build"]) == (0, "done"), f"{outcome} {errors}"
    # A wrong line holds no fill up: the list stays as it last was, and the job says which file and line.
    where = f"seeds/department_aliases.csv line {len(good.splitlines()) + 1}: "
    for fill, (line, told) in enumerate(
        (
            (b"logistcs,Sales\n", "logistcs -> Sales contradicts line"),
            (b"spares, tools,Sales\n", "3 cells, but the header has 2. A cell that holds a comma needs"),
            ("sal\u00e9s,Sales\n".encode("cp1252"), "this is not UTF-8. Save it from Excel as"),
        ),
        start=900,
    ):
        aliases.write_bytes(good.encode() + line)
        job.bucket.put(f"fuel_records/changes/2026-11-22T{fill}Z.json", json.dumps([record(fill)]).encode())
        code, outcome, errors = job()
        assert (code, outcome["build"]) == (1, "done"), f"{outcome} {errors}"
        assert [problem[: len(where + told)] for problem in outcome["problems"]] == [where + told]
        assert "Traceback" not in errors
        assert job.database.query(
            "select count(*) from reporting.v_fuel_fills where id = %s", [str(fill)]
        ) == [(1,)]
    aliases.write_text(good.replace(",", ";"))
    code, outcome, errors = job()
    assert (code, outcome["build"]) == (1, "done")
    assert errors == "", "all of it is in the JSON"
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


def test_an_old_feed_fails_by_freshness(job: Job, tmp_path: Path) -> None:
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
        conn.execute("select pg_advisory_lock(%s)", [LOCK])
        code, outcome, errors = served()
        conn.execute("update fuel.loads set checked_at = null")
        assert served()[1]["problems"][2] == "source loads: freshness error: there is none yet"
    assert (code, outcome["exit_code"], outcome["status"]) == (75, 75, "failed"), f"{outcome} {errors}"
    assert (outcome["build"], outcome["freshness"]) == ("done", "error")
    busy, busy_too, stale = outcome["problems"]
    assert "exit code 75" in busy
    assert "exit code 75" in busy_too
    assert stale.startswith("source loads: freshness error: the newest is 10.0 h old")
    health = served.raw(module="deploy.health")
    assert (health.returncode, health.stdout[:26]) == (1, "unhealthy: the reports are"), health.stdout
    job.database.query("update fuel.loads set finished_at = now(), checked_at = now()")


def test_text_is_one_line_too(job: Job) -> None:
    done = job.raw()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert re.match(f"{TIME}hourly done .exit 0.: 0 objects in, nothing new;", done.stdout)
    done = job.raw(RUSTFS_ACCESS_KEY="")
    assert re.match(f"{TIME}hourly failed .exit 2.: ", done.stdout)
    assert "Z hourly: loader --snapshot ended with exit code 2, see its own lines above\n" in done.stderr
    assert all(re.match(TIME, line) for line in done.stderr.splitlines())


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
    assert re.match(f"{TIME}hourly failed .exit 1.: ", done.stdout)
    assert "Traceback (most recent call last):\n" in done.stderr
    assert done.stderr.endswith("hourly: unforeseen: ImportError: ***\n")
    assert "s3cret" not in done.stderr + errors
