"""Taking over a database of the trigger-derived schema: its records land, its machinery goes."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from psycopg import sql

from loader.failures import ConfigurationError, first_line
from loader.feed import Feed, Source
from loader.landing import Landing
from loader.session import Connection

log = logging.getLogger("loader")

NAME_BYTES = 63  # PostgreSQL cuts what is longer
OLD_TABLE = """
select
    to_regclass(%(schema)s || '.records_legacy') is not null as adopted,
    exists (
        select 1 from pg_attribute
        where attrelid = to_regclass(%(schema)s || '.records')
            and attname = 'raw' and atttypid = 'jsonb'::regtype
    ) as to_adopt
"""
TRIGGERS = "select tgname, tgfoid from pg_trigger where tgrelid = %s::regclass and not tgisinternal"
INDEXES = """
select c.relname, i.indexrelid
from pg_index as i
inner join pg_class as c on i.indexrelid = c.oid
where i.indrelid = %s::regclass
"""
# A trigger function outside of schema fuel, or of an extension, is not the old design's own.
FUNCTIONS = """
select
    p.oid::regprocedure::text,
    p.proname,
    p.oid,
    n.nspname = %(schema)s
    and not exists (
        select 1 from pg_depend as d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    ) as goes
from pg_proc as p
inner join pg_namespace as n on p.pronamespace = n.oid
where
    p.oid = any(%(of_triggers)s)
    or (
        n.nspname = %(schema)s
        and p.proname = any('{norm_plate,canon_fuel_type,canon_department,parse_number,parse_timestamp}')
    )
"""
VIEWS = """
select distinct r.ev_class::regclass::text
from pg_depend as d
inner join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
where d.refobjid = %(table)s::regclass and r.ev_class <> d.refobjid
"""


def adopt(landing: Landing) -> int:
    """Carry over id and raw of the old `fuel.records`, and clear its name; all or nothing. The exit code.

    Raises:
        ConfigurationError: the old table cannot be moved out of the way.
    """
    try:
        landing.run(lambda conn: _adopt(conn, landing))
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(f"nothing was adopted: {first_line(error)}") from None
    return 0


def _adopt(conn: Connection, landing: Landing) -> None:
    table = f"{landing.schema}.records"
    adopted, to_adopt = conn.execute(OLD_TABLE, {"schema": landing.schema}).fetchone() or (False, False)
    if not to_adopt:
        log.info(
            "nothing to adopt: %s",
            "done before" if adopted else f"there is no table {table} with a column raw",
        )
        return
    if adopted:
        raise ConfigurationError(
            f"{table}_legacy exists already, and so does an old {table}: rename one of them"
        )
    triggers = conn.execute(TRIGGERS, [table]).fetchall()
    found = conn.execute(
        FUNCTIONS, {"schema": landing.schema, "of_triggers": [oid for _, oid in triggers]}
    ).fetchall()
    functions = [function for *function, goes in found if goes]
    shared = [name for name, *_, goes in found if not goes]
    views = [name for (name,) in conn.execute(VIEWS, {"table": table}).fetchall()]
    if landing.writing:
        conn.execute(conn.sql("lock table {fuel}.records in access exclusive mode"))
    load_id, counts = landing.land(conn, Source("adopt", table, None, None, False), _records(conn), True)
    log.info(
        "%s %s: %d rows, %d landed, %d rejected",
        f"load {load_id}: adopted" if load_id else "dry run: would adopt",
        table, counts.seen, counts.inserted + counts.updated, counts.rejected,
        extra={"load_id": load_id, "mode": "adopt", "key": table, "counts": vars(counts)},
    )  # fmt: skip
    log.info("triggers dropped: %s", ", ".join(name for name, _ in triggers) or "none")
    log.info("functions left alone, as they may serve others: %s", ", ".join(shared) or "none")
    log.info("views that read %s_legacy from now on: %s", table, ", ".join(views) or "none")
    if not landing.writing:
        log.info(
            "functions dropped, or renamed where something depends on them: %s",
            ", ".join(name for name, *_ in functions) or "none",
        )
        return
    for name, _ in triggers:
        conn.execute(sql.SQL("drop trigger {} on {}.records").format(sql.Identifier(name), conn.schema))
    for name, oid in conn.execute(INDEXES, [table]).fetchall():  # dbt's own table wants these names
        rename = sql.SQL("alter index {} rename to {}")
        index = sql.Identifier(landing.schema, name)
        conn.execute(rename.format(index, sql.Identifier(_legacy(name, oid))))
    conn.execute(conn.sql("alter table {fuel}.records rename to records_legacy"))
    for function, name, oid in functions:
        _drop_or_rename(conn, function, _legacy(name, oid))


def _records(conn: Connection) -> Feed:
    rows: Any = conn.execute(conn.sql("select id::text, raw::text from {fuel}.records")).fetchall()
    return Feed([(raw or "null").encode() for _, raw in rows], given_ids=[id for id, _ in rows])


def _legacy(name: str, oid: int) -> str:
    """The name with the ending `_legacy`; one that is too long for it is cut, and its OID tells it apart."""
    ending = "_legacy"
    if len(name.encode()) + len(ending) > NAME_BYTES:
        ending = f"_{oid}{ending}"
        name = name.encode()[: NAME_BYTES - len(ending)].decode(errors="ignore")
    return name + ending


def _drop_or_rename(conn: Connection, function: str, new_name: str) -> None:
    """Views and indexes that use a function keep it, under another name: they hold it by its OID."""
    try:
        with conn.transaction():
            conn.execute(sql.SQL("drop routine {}").format(sql.SQL(function)))
        log.info("function dropped: %s", function)
    except psycopg.errors.DependentObjectsStillExist as error:
        rename = sql.SQL("alter routine {} rename to {}")
        conn.execute(rename.format(sql.SQL(function), sql.Identifier(new_name)))
        log.info("function renamed to %s, as things depend on it: %s", new_name, error.diag.message_detail)
