"""The whole pipeline under the roles of deploy/roles.sql, none of them a superuser."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import psycopg
import pytest

from tests.conftest import ROOT
from tests.deploy.conftest import SNAPSHOT, Job, record, snapshot
from tests.deploy.roles import LANDING, apply_roles, as_user, refused, views


@pytest.fixture(scope="module")
def job(roles_job: Job) -> Job:
    return roles_job


def test_no_role_is_more_than_it_needs(job: Job) -> None:
    rows = job.database.query(
        "select rolname from pg_roles where rolname in ('fuel_loader', 'fuel_dbt', 'fuel_reader', 'fuel_job')"
        " and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)"
    )
    assert rows == []


def test_nobody_waits_for_views_to_be_compiled_who_follows_the_head_of_roles_sql(job: Job) -> None:
    """The database is not ours to set, and a login does not inherit the setting of its role."""
    head = (ROOT / "deploy" / "roles.sql").read_text()
    [line] = re.findall(r"alter role dashboard_api set jit = off;", head)
    with as_user(job.database, "fuel_admin") as conn:
        conn.execute(line)
    with as_user(job.database, "dashboard_api") as conn:
        query = "select setting, source from pg_settings where name = 'jit'"
        assert conn.execute(query).fetchone() == ("off", "user")
    of_the_database = (
        "select from pg_db_role_setting where setrole = 0 and array_to_string(setconfig, ' ') ~ 'jit'"
    )
    assert job.database.query(of_the_database) == []


def test_a_run_under_the_roles_is_stopped_with_its_sessions(job: Job) -> None:
    """The role that dbt acts as may not end a session of the login that it shares."""
    with job.database.connect(autocommit=True) as conn:
        conn.execute("begin; lock table fuel.fill_intervals in access exclusive mode")
        process = job.start("--as-roles", "--log-format", "json")
        waiting = "select 1 from pg_locks where not granted and relation = 'fuel.fill_intervals'::regclass"
        while not conn.execute(waiting).fetchall():
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=5)
        assert conn.execute(waiting).fetchall() == []
        conn.execute("rollback")
    assert process.returncode == 143, out + errors
    assert json.loads(out)["problems"] == ["stopped by SIGTERM"]


def test_an_overlapping_run_is_seen_under_the_roles_too(job: Job) -> None:
    """Since when a session is there only its own login may see, not the role that it acts as."""
    as_job = {"host": job.env["PGHOST"], "port": job.env["PGPORT"], "dbname": job.env["PGDATABASE"]}
    with psycopg.connect(
        **as_job, user="fuel_job", autocommit=True, application_name="fleetfuel.hourly"
    ) as conn:
        conn.execute("select pg_advisory_lock(hashtextextended('fleetfuel.hourly', 0))")
        code, outcome, _ = job("--as-roles")
    assert (code, outcome["status"][:40]) == (0, "skipped: the last run is still at work: ")
    assert re.search(r"role fuel_job, begun \d{4}-", outcome["status"])


def test_each_object_belongs_to_the_role_that_keeps_it(job: Job) -> None:
    owners = dict(
        job.database.query(
            "select oid::regclass::text, relowner::regrole::text from pg_class where relkind in ('r', 'v')"
            " and relnamespace in ('fuel'::regnamespace, 'reporting'::regnamespace)"
        )
    )
    landing = {f"fuel.{name}" for name in LANDING}
    assert landing <= set(owners)
    assert {owners[name] for name in landing} == {"fuel_loader"}
    assert {owner for name, owner in owners.items() if name not in landing} == {"fuel_dbt"}


def test_the_reader_reads_every_view_and_nothing_else(job: Job) -> None:
    with as_user(job.database, "dashboard_api") as conn:
        for view in views(job.database):
            conn.execute(f"select * from {view}")
        assert conn.execute("select count(*) from reporting.v_fuel_fills").fetchone() == (20,)
        assert not refused(
            conn,
            *(f"select 1 from fuel.{name}" for name in (*LANDING, "records", "builds")),
            "select 1 from tracksolid.devices",
            "create table reporting.mine (i int)",
            "create table fuel.mine (i int)",
            "drop view reporting.v_fuel_fills",
            "set role fuel_dbt",
        )


def test_a_reader_comes_and_goes_with_the_next_build(job: Job) -> None:
    """Any role, whatever its name; the views themselves do not change."""
    job.database.query('create role "Night-Shift" login')
    oids = "select array_agg(oid order by oid) from pg_class where relnamespace = 'reporting'::regnamespace"
    before = job.database.query(oids)
    try:
        code, outcome, errors = job("--as-roles", FUEL_READER_ROLES="fuel_reader, Night-Shift")
        assert (code, outcome["build"]) == (0, "done"), f"{outcome} {errors}"
        with as_user(job.database, "Night-Shift") as conn:
            assert conn.execute("select count(*) from reporting.v_fuel_fills").fetchone() == (20,)
            assert not refused(conn, "select 1 from fuel.records", "create table reporting.mine (i int)")
        code, outcome, errors = job("--as-roles")
        assert (code, outcome["build"]) == (0, "done"), f"{outcome} {errors}"
        with as_user(job.database, "Night-Shift") as conn:
            assert not refused(conn, *(f"select 1 from {view}" for view in views(job.database)))
        with as_user(job.database, "dashboard_api") as conn:
            assert conn.execute("select count(*) from reporting.v_fuel_fills").fetchone() == (20,)
        assert job.database.query(oids) == before
    finally:
        job.database.query('drop owned by "Night-Shift"; drop role "Night-Shift"')


def test_who_is_to_call_the_functions_needs_what_the_readme_says(job: Job) -> None:
    said = " ".join((ROOT / "README.md").read_text().split()).partition(
        "who is to call the functions needs "
    )[2]
    grants = re.findall("`(grant .+?)`", said.partition(". ")[0])
    assert grants
    functions = job.database.query(
        "select format($f$%s('diesel'%s)$f$, oid::regproc, repeat($f$, 'km'$f$, pronargs - 1)) from pg_proc"
        " where pronamespace = 'fuel'::regnamespace"
    )
    assert len(functions) == len(list((ROOT / "functions").glob("*.sql")))
    job.database.query("create role analyst login")
    try:
        job.database.query("; ".join(f"{grant} to analyst" for grant in grants))
        with as_user(job.database, "analyst") as conn:
            for (call,) in functions:
                conn.execute(f"select {call}")
            assert not refused(conn, "select 1 from fuel.records", "select 1 from reporting.v_fuel_fills")
    finally:
        job.database.query("drop owned by analyst; drop role analyst")


def test_the_loader_sees_the_landing_tables_only(job: Job) -> None:
    with as_user(job.database, "fuel_job", "fuel_loader") as conn:
        assert conn.execute("select count(*) from fuel.records_raw").fetchone() == (20,)
        assert not refused(
            conn,
            *(f"select 1 from {view}" for view in views(job.database)),
            "select 1 from fuel.records",
            "update fuel.department_aliases set department = 'x'",
            "drop table fuel.records",
            "select 1 from tracksolid.devices",
        )


def test_health_is_seen_by_the_jobs_own_login(job: Job) -> None:
    done = job.raw(module="deploy.health")
    assert (done.returncode, done.stdout.partition(":")[0]) == (0, "healthy"), done.stdout


def test_a_tracker_that_may_no_longer_be_read_stops_only_what_needs_it(job: Job) -> None:
    """A tracker that makes its table anew forgets the grant."""
    job.database.query("drop table tracksolid.devices")
    job.database.query((ROOT / "demo" / "devices.sql").read_text())
    job.database.query("grant select on tracksolid.devices to fuel_admin with grant option")
    job.bucket.put(
        "fuel_records/changes/2026-11-21T05-00-00Z.json",
        json.dumps([record(3, litres="50", updated_at="2026-11-21T04:00:00.000Z")]).encode(),
    )
    code, outcome, errors = job("--as-roles")
    assert (code, outcome["build"]) == (1, "failed"), errors
    assert len(outcome["problems"]) == 1
    assert "tracksolid.devices does not exist, or fuel_dbt may not read it" in outcome["problems"][0]
    with as_user(job.database, "dashboard_api") as conn:
        query = "select litres from reporting.v_fuel_fills where id = '3'"
        assert conn.execute(query).fetchone() == (50,)
    # Not even its schema may be entered: PostgreSQL then refuses to say whether the table is there.
    job.database.query("revoke usage on schema tracksolid from fuel_admin cascade")
    code, outcome, errors = job("--as-roles")
    assert (code, outcome["build"]) == (1, "failed"), f"{outcome} {errors}"
    assert "tracksolid.devices does not exist, or fuel_dbt may not read it" in outcome["problems"][0]
    job.database.query("grant usage on schema tracksolid to fuel_admin with grant option")
    apply_roles(job.database)
    assert job("--as-roles")[0] == 0


def test_dbt_reads_the_landing_tables_and_never_writes_them(job: Job) -> None:
    with as_user(job.database, "fuel_job", "fuel_dbt") as conn:
        assert conn.execute("select count(*) from fuel.records_raw").fetchone() == (20,)
        assert not refused(
            conn,
            *(f"delete from fuel.{name}" for name in LANDING),
            "alter table fuel.records_raw add column mine int",
            "insert into tracksolid.devices (imei) values ('1')",
        )


def test_the_login_itself_can_do_nothing(job: Job) -> None:
    with as_user(job.database, "fuel_job") as conn:
        assert not refused(conn, "select 1 from fuel.records_raw", "select 1 from reporting.v_fuel_fills")


def test_a_login_that_may_not_take_on_the_roles_is_told(job: Job) -> None:
    code, outcome, _ = job("--as-roles", PGUSER="dashboard_api")
    assert (code, outcome["build"]) == (2, "not run")
    assert 'permission denied to set role "fuel_dbt"' in outcome["problems"][0]


def test_a_role_that_does_not_reach_the_database_is_told(job: Job, tmp_path: Path) -> None:
    """`options` of a service file win over the job's own, and a pool may drop them."""
    service = tmp_path / "service.conf"
    service.write_text("[fuel]\noptions=-c client_min_messages=warning\n")
    code, outcome, _ = job("--as-roles", PGSERVICE="fuel", PGSERVICEFILE=str(service))
    assert (code, outcome["build"]) == (2, "not run")
    assert outcome["problems"] == ["--as-roles: a pool or a service file keeps the role from the database"]


def test_roles_are_applied_again_and_to_what_stood_before(job: Job) -> None:
    """An installation from before the roles: everything belongs to another login."""
    job.database.query(
        "alter table fuel.loads owner to postgres; alter view reporting.v_fuel_fills owner to postgres"
    )
    job.database.query("alter function fuel.norm_plate owner to postgres")
    apply_roles(job.database, "postgres")
    # The tracker's owner may have granted it himself.
    job.database.query("revoke all on tracksolid.devices from fuel_admin cascade")
    job.database.query("grant select on tracksolid.devices to fuel_dbt")
    apply_roles(job.database)
    test_each_object_belongs_to_the_role_that_keeps_it(job)
    job.bucket.put(SNAPSHOT, snapshot([record(number) for number in range(21)], "2026-11-20T01:00:00.000Z"))
    code, outcome, errors = job("--as-roles")
    assert (code, outcome["records"]["inserted"]) == (0, 1), f"{outcome} {errors}"
    with as_user(job.database, "dashboard_api") as conn:
        assert conn.execute("select count(*) from reporting.v_fuel_fills").fetchone() == (21,)
