"""How the hourly job and its dbt reach the database, and what it says where it cannot."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import yaml
from dbt_common.exceptions import DbtDatabaseError
from psycopg import sql

from demo import servers
from deploy.dbt_steps import DbtStopped
from deploy.hourly import explain, spelled_out
from loader.settings import Settings
from tests.conftest import ROOT, fresh_database
from tests.deploy.conftest import AFTER_THE_FIRST_HOUR, AN_AGE, Job, record

pytestmark = AFTER_THE_FIRST_HOUR


def test_a_database_that_is_gone_before_the_build_is_no_setting() -> None:
    assert DbtStopped(DbtDatabaseError("connection refused")).exit_code == 69
    assert DbtStopped(ValueError("what else")).exit_code == 2


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
            process = over_tcp.start()
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
            [sys.executable, "-m", "deploy.hourly", "--log-format", "json"],
            cwd="/",
            env={
                "PYTHONPATH": str(job.source),
                "DATABASE_URL": url,
                "FUEL_STATE_DIR": str(job.state),
                "FUEL_EXPORT_MAX_MINUTES": AN_AGE,
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
    """Neither for the loader nor for dbt, which looks there by itself."""
    (tmp_path / ".env").write_text("FUEL_MAX_OBJECT_MB=0\nPGOPTIONS=-c role=nobody_there\n")
    code, outcome, errors = replace(job, folder=str(tmp_path))()
    assert code == 0, f"{outcome} {errors}"


def test_a_second_fleet_takes_a_file_of_settings(job: Job, tmp_path: Path) -> None:
    """Schemas, lock and state of its own: it runs while the first fleet's run is at work."""
    settings = {**job.database.env, **job.bucket.env, "FUEL_SCHEMA_PREFIX": "north_"}
    file = tmp_path / "north.env"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    elsewhere = dict.fromkeys(settings, "")
    with job.database.connect(autocommit=True, application_name="fleetfuel.hourly") as conn:
        conn.execute("select pg_advisory_lock(hashtextextended('fleetfuel.hourly', 0))")
        code, outcome, errors = job("--env-file", str(file), **elsewhere)
    assert (code, outcome["build"], outcome["records"]["inserted"]) == (0, "done", 30), f"{outcome} {errors}"
    assert job.database.query("select count(*) from north_reporting.v_fuel_fills") == [(30,)]
    assert (job.state / "north_" / "target").is_dir()
    healthy = job.raw("--env-file", str(file), module="deploy.health", **elsewhere)
    assert (healthy.returncode, healthy.stdout.partition(":")[0]) == (0, "healthy"), healthy.stdout
    # The first fleet is as it was.
    job.database.query("drop schema north_reporting, north_fuel cascade")
    assert job()[:1] == (0,)
    for prefix in ("North", "x-y", "1st"):
        code, outcome, _ = job(FUEL_SCHEMA_PREFIX=prefix)
        assert (code, len(outcome["problems"])) == (2, 1)
        assert outcome["problems"][0].startswith(f"FUEL_SCHEMA_PREFIX: '{prefix}' is no plain identifier")
        unhealthy = job.raw(module="deploy.health", FUEL_SCHEMA_PREFIX=prefix)
        [line] = unhealthy.stdout.splitlines()
        assert (unhealthy.returncode, unhealthy.stderr) == (1, "")
        assert line.startswith(f"unhealthy: FUEL_SCHEMA_PREFIX: '{prefix}' is no plain identifier")
    code, outcome, _ = job("--env-file", str(tmp_path / "nowhere.env"))
    assert (code, len(outcome["problems"])) == (2, 1)
    assert "nowhere.env cannot be read" in outcome["problems"][0]


def test_nobodys_function_runs_with_the_jobs_rights(job: Job) -> None:
    """A function in `public` fits better than PostgreSQL's own, and `public` is looked at first."""
    job.database.query("create table public.seen (function text)")
    calls = {
        "hashtextextended": "text, integer", "hashtext": "varchar", "to_regclass": "varchar",
        "date_trunc": "text, timestamptz, text", "pg_try_advisory_lock": "integer", "md5": "varchar",
        "format": "text, text", "concat_ws": "text, text, text", "starts_with": "varchar, varchar",
        "round": "double precision, integer", "upper": "varchar", "lower": "varchar", "left": "text, bigint",
        "quote_ident": "name", "has_schema_privilege": "name, text, text",
    }  # fmt: skip
    for name, arguments in calls.items():
        job.database.query(
            f"create function public.{name}({arguments}) returns text language plpgsql as"
            f" $$ begin insert into public.seen values ('{name}'); return null; end $$"
        )
    try:
        job.database.query(f"alter database {job.database.name} set search_path = public, pg_catalog")
        key = "fuel_records/changes/2026-11-25T01-00-00Z.json"
        job.bucket.put(key, json.dumps([record(700)]).encode())
        code, outcome, errors = job()
        assert (code, outcome["records"]["inserted"]) == (0, 1), f"{outcome} {errors}"
        assert job.raw(module="deploy.health").returncode == 0
        assert job.database.query("select * from public.seen") == []
    finally:
        job.database.query(f"alter database {job.database.name} reset search_path")
        for name, arguments in calls.items():
            job.database.query(f"drop function public.{name}({arguments})")


def test_every_setting_is_in_the_example_and_reaches_the_container() -> None:
    """A setting that a page names must be settable."""
    names = {name.upper() for name in Settings.model_fields}
    names |= {"FUEL_READER_ROLES", "FUEL_PING_URL", "FUEL_METRICS_FILE", "FUEL_EXPORT_MAX_MINUTES"}
    assert names <= set(re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    app = yaml.safe_load((ROOT / "deploy" / "compose.yml").read_text())["services"]["app"]
    assert {name for name in names if not name.startswith("PG")} <= app["environment"].keys()
