"""A database, or a pool in front of it, that is set up otherwise than the one the other tests use."""

from __future__ import annotations

import time

import psycopg
import pytest
from exports import envelope, record
from psycopg import sql

from loader.connection import UNHURRIED
from loader.landing import Landing
from loader.settings import ConfigurationError, read_settings

SETTINGS = {
    "client_encoding": "LATIN1",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Pacific/Kiritimati",
    "bytea_output": "escape",
    "search_path": "",
    "quote_all_identifiers": "on",
    "standard_conforming_strings": "off",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "100ms",
    "lock_timeout": "100ms",
    "idle_session_timeout": "100ms",
    "idle_in_transaction_session_timeout": "100ms",
    "transaction_timeout": "100ms",
}


@pytest.mark.parametrize("server", ["pg_server", "pg15_server"])
def test_the_databases_own_settings_do_not_matter(make_loader, server):
    loader = make_loader(server)

    def load():
        loader.snapshot(envelope([record(n, driver="José Ж €") for n in range(3)], at=1))
        loader.delta("2026-11-01T05-00-00Z.json", [record(1, at=5, driver="Zoë \0"), {"x": "€"}])
        loader.changes()
        loader.snapshot(envelope([record(n, at=n, driver="José Ж €") for n in range(2)], at=6))
        loader.snapshot(envelope([record(n) for n in range(2)], at=7))
        # Kiritimati is in the year 10000 by then, which Python's times do not reach.
        loader.database.query("update fuel.ingest_state set watermark = '9999-12-31 23:00Z'")
        loader.snapshot(envelope([record(n) for n in range(3)], at=8), code=1)

    load()
    image = loader.image()
    loader.database.query("drop schema fuel cascade")
    with loader.database.connect(autocommit=True) as conn:
        for name, value in SETTINGS.items():
            if conn.execute("select from pg_settings where lower(name) = %s", [name]).rowcount:
                change = sql.SQL("alter database {} set {} = {}")
                conn.execute(change.format(*map(sql.Identifier, (loader.database.name, name)), value))
        load()
        with Landing(read_settings(), writing=True) as zone:
            first = zone.run(lambda conn: conn.info.backend_pid)
            time.sleep(0.3)
            assert zone.run(lambda conn: conn.execute("select pg_sleep(0.3)") and time.sleep(0.3)) is None
            assert zone.run(lambda conn: conn.info.backend_pid) == first
            # Another session that has the ledger for a while.
            with loader.database.connect(autocommit=True) as other:
                other.execute(UNHURRIED)
                other.execute("begin")
                other.execute("lock table fuel.loads in access exclusive mode")
                other.pgconn.send_query(b"select pg_sleep(0.5); commit")
                attempts: list[object] = []
                zone.run(lambda conn: (attempts.append(conn), conn.execute("lock table fuel.loads")))
                assert len(attempts) == 1
                while other.pgconn.get_result():
                    pass
        conn.execute(sql.SQL("alter database {} reset all").format(sql.Identifier(loader.database.name)))
    assert loader.image() == image


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_an_encoding_that_cannot_hold_the_feed_is_told(loader, monkeypatch, encoding):
    name = f"{loader.database.name}_{encoding}"
    create = sql.SQL("create database {} template template0 encoding {} lc_collate 'C' lc_ctype 'C'")
    with loader.database.connect(autocommit=True) as conn:
        conn.execute(create.format(sql.Identifier(name), encoding))
        monkeypatch.setenv("PGDATABASE", name)
        log = loader.land([record(1, driver="Zoë")], code=2).log
        conn.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))
    assert log.startswith(f"error: database '{name}' has the encoding {encoding}, and the feed needs UTF8")
    assert len(log.splitlines()) == 1


def test_a_dry_run_could_not_write_if_it_tried(loader):
    loader.land([record(1)])
    with (
        Landing(read_settings(), writing=False) as zone,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        zone.confirm("file")


def test_a_pool_that_changes_the_session_under_a_load(loader):
    """Two loads could hold the lock of one session, and write in two others."""
    with Landing(read_settings(), writing=True) as zone:
        own = zone._conn
        with (
            loader.database.connect(autocommit=True) as zone._conn,
            pytest.raises(ConfigurationError, match="pool in session mode"),
        ):
            zone.confirm("changes")
        zone._conn = own
        zone.confirm("changes")


# Each is a closer match than PostgreSQL's own function, or stands before it in the path.
HOSTILE = """
create function public.{name} language plpgsql as $$
begin raise 'public.{name} ran with the rights of %', current_user; end $$
"""
NAMES = (
    "set_config(name, text, boolean) returns text",
    "pg_try_advisory_lock(integer) returns boolean",
    "pg_try_advisory_lock(bigint) returns boolean",
    "to_regclass(text) returns regclass",
    "now() returns timestamptz",
    "statement_timestamp() returns timestamptz",
    "convert_from(bytea, text) returns text",
)


def test_functions_that_others_put_in_the_way_are_never_run(loader):
    """With a `public` that all may create in, and a path that looks there before PostgreSQL's own."""
    for name in NAMES:
        loader.database.query(HOSTILE.format(name=name))
    loader.database.query(
        "create function public.eq(name, text) returns boolean language plpgsql as"
        " $$ begin raise 'public.eq ran'; end $$;"
        "create operator public.= (leftarg = name, rightarg = text, function = public.eq)"
    )
    loader.database.query(
        f"alter database {loader.database.name} set search_path = public, pg_temp, pg_catalog"
    )
    loader.snapshot(envelope([record(n) for n in range(30)], at=1))
    loader.bucket.put("fuel_records/latest.json", envelope([record(n, at=n % 2) for n in range(28)], at=2))
    loader("--snapshot")
    loader.snapshot()
    loader.delta("2026-11-01T05-00-00Z.json", [record(1, at=5, m="\0"), {"x": 1}])
    loader.changes()
    loader.changes()
    loader("--adopt", "--apply")
