"""Several fleets in one database, each under its prefix, and one installation that serves them all."""

from __future__ import annotations

import importlib.metadata
import os

import psycopg
import pytest
from exports import envelope, record

from loader import cli, session
from loader.connection import fuel_schema
from loader.session import lock_holder, lock_key

PREFIXES = ("", "north_", "south_")


def test_each_fleet_lands_in_its_own_schema(loader, monkeypatch):
    for n, prefix in enumerate(PREFIXES, 1):
        monkeypatch.setenv("FUEL_SCHEMA_PREFIX", prefix)
        loader.snapshot(envelope([record(m, fleet=prefix) for m in range(n)], at=1))
        loader.snapshot(envelope([record(m, fleet=prefix, at=m % 2) for m in range(n)] + [{}], at=2))
    for n, prefix in enumerate(PREFIXES, 1):
        rows = loader.database.query(
            f"select raw ->> 'fleet', count(*) from {prefix}fuel.records_raw group by 1"
        )
        assert rows == [(prefix, n)]
        assert loader.database.query(f"select count(*) from {prefix}fuel.loads") == [(2,)]
    loader.database.query("drop schema north_fuel cascade")
    for prefix in ("", "south_"):
        monkeypatch.setenv("FUEL_SCHEMA_PREFIX", prefix)
        assert "nothing new" not in loader.snapshot(envelope([record(9)], at=3), "--accept-shrink").log


def test_loads_of_two_fleets_never_wait_for_each_other(loader, monkeypatch):
    loader.bucket.put("fuel_records/latest.json", b"[]")
    keys = {prefix: lock_key(fuel_schema(prefix)) for prefix in PREFIXES}
    assert len(set(keys.values())) == 3
    assert keys[""] == session.LOCK, "what the version before takes"
    with loader.database.connect(autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [keys["north_"]])
        for prefix, code in (("", 0), ("south_", 0), ("north_", 75)):
            monkeypatch.setenv("FUEL_SCHEMA_PREFIX", prefix)
            loader("--snapshot", "--apply", code=code)


@pytest.mark.parametrize(
    "prefix", ["North_", "1st_", "nörth_", "a b", 'a"', "pg_fuel_", "a-", "x" * 41, "a;"]
)
def test_a_wrong_prefix_is_named_in_one_line(loader, monkeypatch, prefix):
    monkeypatch.setenv("FUEL_SCHEMA_PREFIX", prefix)
    [line] = loader("--snapshot", "--apply", code=2).log.splitlines()
    assert "FUEL_SCHEMA_PREFIX" in line
    assert repr(prefix) in line
    assert loader.database.query("select 1 from pg_namespace where nspname like '%fuel%'") == []


def test_env_files_of_two_fleets(loader, monkeypatch):
    loader.bucket.put("fuel_records/latest.json", b'[{"id": 1}]')
    for prefix in ("north_", "south_"):
        lines = [f"{name}={os.environ[name]}\n" for name in (*loader.database.env, *loader.bucket.env)]
        (loader.folder / f"{prefix}.env").write_text("".join(lines) + f"FUEL_SCHEMA_PREFIX={prefix}\n")
    for name in (*loader.database.env, *loader.bucket.env):
        monkeypatch.delenv(name)
    for prefix in ("north_", "south_"):
        with monkeypatch.context() as patch:
            patch.setenv("PGPASSFILE", "")  # the file's settings end with the context
            before = dict(os.environ)
            loader("--snapshot", "--apply", "--env-file", str(loader.folder / f"{prefix}.env"))
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
        assert loader.database.query(f"select id from {prefix}fuel.records_raw") == [("1",)]
    assert "no such file" in loader("--snapshot", "--env-file", "nowhere.env", code=2).log


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert importlib.metadata.version("fleetfuel") in capsys.readouterr().out


def test_who_holds_a_lock_and_since_when(loader):
    """Also while a role is taken on that may not see the login's sessions."""
    role = f"acting_{loader.database.name}"
    loader.database.query(f"create role {role}; create role {role}_login login noinherit in role {role}")
    server = loader.database.server
    where = {"host": server.host, "port": server.port, "dbname": loader.database.name, "autocommit": True}
    where |= {"user": f"{role}_login", "options": f"-c role={role}"}
    with psycopg.connect(**where, application_name="fuel-hourly") as one, psycopg.connect(**where) as other:
        for key in (session.LOCK, 1 << 40 | 7, -5):
            assert lock_holder(other, key) is None
            one.execute("select pg_advisory_lock(%s)", [key])
            holder = lock_holder(other, key)
            said = (holder.application, holder.pid, holder.role)
            assert said == ("fuel-hourly", one.info.backend_pid, f"{role}_login")
            assert holder.since is not None
            assert other.execute("select current_user").fetchone() == (role,)
    loader.database.query(f"drop role {role}_login; drop role {role}")
