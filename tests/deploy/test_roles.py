"""The whole pipeline under the roles of deploy/roles.sql, none of them a superuser; then undo by backup."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import servers
from tests.conftest import ROOT, Bucket, Database, Dbt, fresh_database
from tests.deploy.conftest import SNAPSHOT, Job, copy_source, record, snapshot

LANDING = (
    "records_raw",
    "loads",
    "load_rejects",
    "ingest_state",
    "landing_versions",
    "record_versions",
)


@pytest.fixture(scope="module", params=["pg15_server", "pg_server"])
def server(request: pytest.FixtureRequest) -> servers.Postgres:
    """The oldest PostgreSQL that is supported, where it is installed, and the newest."""
    server: servers.Postgres = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="module")
def job(
    server: servers.Postgres, s3_server: servers.S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Job]:
    """A database of `fuel_admin`, who has applied roles.sql, and the job after its first run."""
    folder = tmp_path_factory.mktemp("roles")
    bucket = Bucket(s3_server, f"fuel-roles-{os.getpid()}-{folder.name}".lower())
    s3_server.client().create_bucket(Bucket=bucket.name)
    bucket.put(SNAPSHOT, snapshot([record(number) for number in range(20)]))
    with fresh_database(server) as database:
        database.query("create role fuel_admin login createrole")
        database.query(f"alter database {database.name} owner to fuel_admin")
        database.query((ROOT / "demo" / "devices.sql").read_text())
        database.query("grant usage on schema tracksolid to fuel_admin with grant option")
        database.query("grant select on tracksolid.devices to fuel_admin with grant option")
        # Hardened, as databases often are: nobody has what he was not granted.
        database.query(f"revoke temporary on database {database.name} from public")
        database.query("create schema extensions")
        database.query("create extension pg_trgm schema extensions")
        # Where the server has ICU, the tracker's plates know no case.
        if database.query("select from pg_collation where collprovider = 'i'"):
            database.query(
                "create collation caseless"
                " (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
                "alter table tracksolid.devices alter vehicle_number type text collate caseless"
            )
        apply_roles(database)
        with as_user(database, "fuel_admin") as conn:
            conn.execute("create role fuel_job login noinherit in role fuel_loader, fuel_dbt")
            conn.execute("create role dashboard_api login in role fuel_reader")
        environment = {**database.env, "PGUSER": "fuel_job", "FUEL_READER_ROLES": "fuel_reader"}
        job = Job(database, bucket, copy_source(folder / "src"), folder / "state", environment)
        code, outcome, errors = job("--as-roles")
        assert code == 0, f"{outcome} {errors}"
        yield job
    with server.connect(autocommit=True) as conn:
        for role in ("dashboard_api", "fuel_job", "fuel_reader", "fuel_dbt", "fuel_loader", "fuel_admin"):
            conn.execute(f"drop role {role}")


def apply_roles(database: Database, user: str = "fuel_admin") -> None:
    """psql -f roles.sql, as an operator does."""
    done = subprocess.run(
        [
            database.server.bindir / "psql",
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            ROOT / "deploy" / "roles.sql",
        ],
        env={**os.environ, **database.env, "PGUSER": user},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    assert "WARNING" not in done.stderr


def as_user(database: Database, user: str, role: str | None = None) -> psycopg.Connection[Any]:
    env = {**database.env, "PGUSER": user}
    options = f"-c role={role}" if role else ""
    return psycopg.connect(
        host=env["PGHOST"],
        port=env["PGPORT"],
        user=user,
        dbname=env["PGDATABASE"],
        options=options,
        autocommit=True,
    )


def refused(conn: psycopg.Connection[Any], *statements: str) -> list[str]:
    """Those of the statements that were not refused."""
    allowed = []
    for statement in statements:
        try:
            conn.execute(statement)
            allowed.append(statement)
        except psycopg.errors.InsufficientPrivilege:
            pass
    return allowed


def views(database: Database) -> list[str]:
    found = database.query(
        "select format('reporting.%I', viewname) from pg_views where schemaname = 'reporting'"
    )
    return [view for (view,) in found]


def test_no_role_is_more_than_it_needs(job: Job) -> None:
    rows = job.database.query(
        "select rolname from pg_roles where rolname in ('fuel_loader', 'fuel_dbt', 'fuel_reader', 'fuel_job')"
        " and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls)"
    )
    assert rows == []


def test_nobody_waits_for_views_to_be_compiled(job: Job) -> None:
    """Not by the setting of the tests' server, but by one of the database, which stands for each server."""
    with as_user(job.database, "dashboard_api") as conn:
        query = "select setting, source from pg_settings where name = 'jit'"
        assert conn.execute(query).fetchone() == ("off", "database")


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
        "select format('%s(''diesel'')', oid::regproc) from pg_proc where pronamespace = 'fuel'::regnamespace"
    )
    assert len(functions) == 6
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


def test_a_dump_of_the_landing_tables_is_enough(job: Job, server: servers.Postgres) -> None:
    """Everything else is dropped and built again, in another database, and equals what was."""
    tables = [
        "fuel.department_aliases",
        "fuel.fuel_type_aliases",
        *(name for (name,) in job.database.query(INCREMENTAL)),
    ]
    before = contents(job.database, [*tables, "reporting.v_fuel_fills"])
    dump = subprocess.run(
        [server.bindir / "pg_dump", "--format=custom", *(f"--table=fuel.{name}" for name in LANDING)],
        env={**os.environ, **job.database.env},
        capture_output=True,
    )
    assert dump.returncode == 0, dump.stderr
    with fresh_database(server) as restored:
        restored.query(f"alter database {restored.name} owner to fuel_admin")
        restored.query((ROOT / "demo" / "devices.sql").read_text())
        apply_roles(restored, "postgres")
        back = subprocess.run(
            [server.bindir / "pg_restore", "--exit-on-error", "--dbname", restored.name],
            input=dump.stdout,
            env={**os.environ, **restored.env},
            capture_output=True,
        )
        assert back.returncode == 0, back.stderr
        again = Job(restored, job.bucket, job.source, job.state, {**job.env, "PGDATABASE": restored.name})
        code, outcome, errors = again("--as-roles")
        assert code == 0, f"{outcome} {errors}"
        assert outcome["objects"] == 0, "the ledger came back too: nothing is loaded twice"
        assert contents(restored, [*tables, "reporting.v_fuel_fills"]) == before
        # And in place, over what has come in since.
        again.bucket.put("fuel_records/changes/2026-11-21T09-00-00Z.json", json.dumps([record(99)]).encode())
        code, outcome, errors = again("--as-roles")
        assert outcome["records"]["inserted"] == 1, f"{outcome} {errors}"
        with as_user(restored, "fuel_admin") as conn:
            conn.execute(f"truncate {', '.join(f'fuel.{name}' for name in LANDING)}")
        back = subprocess.run(
            [server.bindir / "pg_restore", "--data-only", "--single-transaction", "--dbname", restored.name],
            input=dump.stdout,
            env={**os.environ, **restored.env, "PGUSER": "fuel_admin"},
            capture_output=True,
        )
        assert back.returncode == 0, back.stderr
        Dbt(job.source, restored, job.state / "target").build()
        assert contents(restored, [*tables, "reporting.v_fuel_fills"]) == before
    assert before["fuel.records"]


INCREMENTAL = """
select format('fuel.%I', relname) from pg_class
where relname in ('records', 'fill_intervals', 'tracker_devices') and relnamespace = 'fuel'::regnamespace
"""


def contents(database: Database, tables: list[str]) -> dict[str, list[Any]]:
    """Every row of the tables, as text."""
    return {
        table: sorted(row for (row,) in database.query(f"select t::text from {table} as t"))
        for table in tables
    }
