"""roles.sql in a database that belongs to others, too: theirs stays as it is, and they go on reading."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import servers
from tests.conftest import NEWEST_AND_OLDEST, ROOT, Database
from tests.deploy.roles import run_roles

ROLES = ("fuel_loader", "fuel_dbt", "fuel_reader")
# All that roles.sql could change: owners, grants, defaults and settings of everything and everybody.
STATE = """
select 'relation', oid::regclass::text, relowner::regrole::text || coalesce(relacl::text, '') from pg_class
where relnamespace::regnamespace::text !~ '^pg_|information_schema'
union all select 'schema', nspname, nspowner::regrole::text || coalesce(nspacl::text, '') from pg_namespace
union all select 'function', oid::regprocedure::text, proowner::regrole::text || coalesce(proacl::text, '')
from pg_proc where pronamespace::regnamespace::text !~ '^pg_|information_schema'
union all select 'default', oid::text, defaclrole::regrole::text || defaclacl::text from pg_default_acl
union all select 'setting', setdatabase::text || setrole::text, setconfig::text from pg_db_role_setting
union all select 'database', datname, datdba::regrole::text || coalesce(datacl::text, '') from pg_database
"""


@pytest.fixture
def shared(database: Database, request: pytest.FixtureRequest) -> Any:
    """A database of `landlord`, where the ticketing has views in `reporting` and fleetfuel has begun."""
    servers.empty_landing(database.server, database.name)
    people = ("landlord", "ticketing", "agent", "app")
    database.query(f"create role landlord login createrole; alter database {database.name} owner to landlord")
    database.query(
        "create role ticketing login; create role agent login; create role app; create schema reporting"
    )
    database.query("""
        grant usage, create on schema reporting to ticketing;
        grant usage on schema reporting to agent;
        set role ticketing;
        create table reporting.tickets (id int);
        create view reporting.v_tickets as select * from reporting.tickets;
        create view reporting.v_vehicles as select 1 as wheels;
        grant select on reporting.v_tickets to agent;
        alter default privileges in schema reporting grant select on tables to agent;
        reset role;
        create view reporting.v_fuel_fills as select * from fuel.records_raw;
        create view reporting.v_fuel_efficiency as select * from reporting.v_fuel_fills;
        grant select on reporting.v_fuel_efficiency to agent;
    """)
    yield database
    with database.connect(autocommit=True) as conn:
        everybody = [*ROLES, *(f"north_{role}" for role in ROLES), *people]
        for role in everybody:
            if conn.execute("select to_regrole(%s)", [role]).fetchone() != (None,):
                conn.execute(f"reassign owned by {role} to postgres; drop owned by {role}")  # type: ignore[arg-type]
        conn.execute(f"alter database {database.name} owner to postgres")  # type: ignore[arg-type]
        for role in everybody:
            conn.execute(f"drop role if exists {role}")  # type: ignore[arg-type]


def state(database: Database) -> set[tuple[Any, ...]]:
    return set(database.query(STATE))


@NEWEST_AND_OLDEST
def test_what_is_somebody_elses_stays_as_it_is(shared: Database) -> None:
    before = state(shared)
    for user in ("landlord", "postgres", "landlord"):
        done = run_roles(shared, user)
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr
    changed = {name for _, name, _ in before ^ state(shared)}
    # The tracker's table is to be read by fuel_dbt: who may grant that does.
    ours = r"fuel\.\w+|reporting\.v_fuel_(fills|efficiency)|fuel|reporting|tracksolid(\.devices)?|\d+"
    assert [name for name in changed if not re.fullmatch(ours, name)] == []
    assert not any(kind == "setting" and "0" not in name for kind, name, _ in before ^ state(shared))
    [(schema,)] = shared.query("select nspacl::text from pg_namespace where nspname = 'reporting'")
    assert "ticketing=UC/" in schema
    assert "agent=U/" in schema
    with psycopg.connect(
        host=shared.server.host, port=shared.server.port, dbname=shared.name, user="agent"
    ) as conn:
        conn.execute("select * from reporting.v_tickets")
        conn.execute("select * from reporting.v_fuel_efficiency")
    owners = dict(
        shared.query("select relname, relowner::regrole::text from pg_class where relname like 'v\\_%'")
    )
    assert owners["v_tickets"] == owners["v_vehicles"] == "ticketing"
    assert owners["v_fuel_fills"] == owners["v_fuel_efficiency"] == "fuel_dbt"


@NEWEST_AND_OLDEST
def test_what_only_somebody_else_can_grant_is_said_as_sql(shared: Database) -> None:
    """The landlord owns the database and nothing in it; its superuser does what the notices say."""
    done = run_roles(shared, "landlord")
    assert done.returncode == 0, done.stderr
    wishes = re.findall(r"still to be done by .*?: ((?:grant|alter) .*;)", done.stderr)
    assert len(wishes) > 10
    shared.query(" ".join(wishes))
    again = run_roles(shared, "landlord")
    assert (again.returncode, again.stderr) == (0, "")


@NEWEST_AND_OLDEST
def test_readers_go_on_reading_meanwhile(shared: Database) -> None:
    """Views on views, every 50 ms, among them one that the former owner has built; no superuser reads."""
    shared.query("""
        grant usage, create on schema fuel, reporting to app;
        create view reporting.board as select * from reporting.v_fuel_fills;
        alter view reporting.board owner to app;
        grant select on reporting.board to agent;
    """)
    before_there_were_roles = """
        alter table fuel.records_raw owner to app; alter view reporting.v_fuel_fills owner to app;
        alter view reporting.v_fuel_efficiency owner to app
    """
    faults: list[BaseException] = []
    longest = [0.0]
    end = threading.Event()

    def read(view: str) -> None:
        try:
            with replace(shared.server, user="agent").connect(shared.name, autocommit=True) as conn:
                while not end.is_set():
                    started = time.monotonic()
                    conn.execute(f"select * from reporting.{view}")  # type: ignore[arg-type]
                    longest[0] = max(longest[0], time.monotonic() - started)
                    time.sleep(0.05)
        except psycopg.Error as error:
            faults.append(error)

    for _ in range(3):
        shared.query(before_there_were_roles)
        end.clear()
        readers = [threading.Thread(target=read, args=[view]) for view in ("board", "v_fuel_efficiency") * 2]
        for reader in readers:
            reader.start()
        done = run_roles(shared, "postgres")
        time.sleep(0.2)
        end.set()
        for reader in readers:
            reader.join()
        assert done.returncode == 0, done.stderr
        assert faults == []
    assert longest[0] < 3, "none waited for more than a lock of 0.1 seconds, on a machine under load"


@NEWEST_AND_OLDEST
def test_a_view_that_is_read_for_long_holds_up_nobody_behind_it(shared: Database) -> None:
    with shared.connect() as dashboard:
        dashboard.execute("select * from reporting.v_fuel_fills")  # and its transaction stays open
        process = threading.Thread(target=lambda: done.append(run_roles(shared, "postgres")))
        done: list[subprocess.CompletedProcess[str]] = []
        process.start()
        until = time.monotonic() + 2
        while time.monotonic() < until:
            started = time.monotonic()
            shared.query("select * from reporting.v_fuel_fills")
            assert time.monotonic() - started < 1
        dashboard.rollback()
    process.join()
    assert done[0].returncode == 0, done[0].stderr


@NEWEST_AND_OLDEST
def test_nobodys_function_runs_with_the_operators_rights(shared: Database) -> None:
    """A function in `public` whose arguments fit better than those of PostgreSQL's own."""
    shared.query("grant create on schema public to public")
    with psycopg.connect(
        host=shared.server.host, port=shared.server.port, dbname=shared.name, user="agent", autocommit=True
    ) as conn:
        for name, arguments, result in (
            ("format", "text, text", "text"),
            ("format", "text, name", "text"),
            ("format", "text, text, text", "text"),
            ("format", "text, text, name", "text"),
            ("quote_ident", "name", "text"),
            ("to_regrole", "name", "regrole"),
            ("starts_with", "text, unknown", "boolean"),
            ("current_setting", "unknown", "text"),
        ):
            conn.execute(
                f"create function public.{name}({arguments.replace('unknown', 'varchar')}) returns {result}"
                " language plpgsql as $$ begin alter role agent superuser; return null; end $$"
            )  # type: ignore[arg-type]
        conn.execute("alter role agent set search_path = public, pg_catalog")
    shared.query(f"alter database {shared.name} set search_path = public, pg_catalog")
    done = run_roles(shared, "postgres")
    assert done.returncode == 0, done.stderr
    assert shared.query("select rolsuper from pg_roles where rolname = 'agent'") == [(False,)]


@NEWEST_AND_OLDEST
def test_each_fleet_has_roles_of_its_own(shared: Database) -> None:
    for prefix in ("", "north_"):
        assert run_roles(shared, "postgres", prefix).returncode == 0
    shared.query("grant select on reporting.v_fuel_fills to fuel_reader")
    has = "has_schema_privilege(%(role)s, "
    may = f"{has} 'reporting', 'usage'), {has} 'north_fuel', 'create')"
    assert shared.query(f"select {may}", {"role": "fuel_dbt"}) == [(True, False)]
    assert shared.query(f"select {may}", {"role": "north_fuel_dbt"}) == [(False, True)]
    for prefix in ("North", "x-y", "1st", "pg_x", "x'; drop schema fuel; --", "a" * 41):
        done = run_roles(shared, "postgres", prefix)
        assert done.returncode == 3
        assert "is no plain identifier" in done.stderr


def test_every_name_of_the_project_is_known_to_roles_sql() -> None:
    """A relation that is not named there would stay with whoever made it first."""
    known = set(re.findall(r"'(\w+)'", (ROOT / "deploy" / "roles.sql").read_text()))
    landing = re.findall(
        r"create table if not exists (?:\w+\.)?(\w+)", (ROOT / "loader" / "landing.sql").read_text()
    )
    files = [
        path
        for part in ("models/fuel", "models/reporting", "functions")
        for path in (ROOT / part).glob("*.sql")
    ]
    files += (ROOT / "seeds").glob("*.csv")
    files = [
        file for file in files if "ephemeral" not in file.read_text()
    ]  # steps, which leave nothing behind
    assert len(landing) > 4
    assert sorted({*landing, *(Path(file).stem for file in files)} - known) == []
