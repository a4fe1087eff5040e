"""Taking over a database of the trigger-derived schema: its records land, its machinery goes."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from psycopg import sql

from loader.bucket import first_line
from loader.feed import Feed
from loader.landing import Connection, Landing, Source
from loader.settings import ConfigurationError

log = logging.getLogger("loader")

NAME_BYTES = 63  # PostgreSQL cuts what is longer
OLD_TABLE = """
select
    to_regclass('fuel.records_legacy') is not null as adopted,
    exists (
        select from pg_attribute
        where attrelid = to_regclass('fuel.records') and attname = 'raw' and atttypid = 'jsonb'::regtype
    ) as to_adopt
"""
TRIGGERS = (
    "select tgname, tgfoid from pg_trigger where tgrelid = 'fuel.records'::regclass and not tgisinternal"
)
INDEXES = """
select i.indexrelid::regclass::text, c.relname, i.indexrelid
from pg_index as i
inner join pg_class as c on i.indexrelid = c.oid
where i.indrelid = 'fuel.records'::regclass
"""
# A trigger function outside of schema fuel, or of an extension, is not the old design's own.
FUNCTIONS = """
select
    p.oid::regprocedure::text,
    p.proname,
    p.oid,
    p.pronamespace = 'fuel'::regnamespace
    and not exists (
        select from pg_depend as d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    ) as goes
from pg_proc as p
where
    p.oid = any(%s)
    or (
        p.pronamespace = 'fuel'::regnamespace
        and p.proname = any('{norm_plate,canon_fuel_type,canon_department,parse_number,parse_timestamp}')
    )
"""
VIEWS = """
select distinct r.ev_class::regclass::text
from pg_depend as d
inner join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
where d.refobjid = 'fuel.records'::regclass and r.ev_class <> d.refobjid
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
    adopted, to_adopt = conn.execute(OLD_TABLE).fetchone() or (False, False)
    if not to_adopt:
        log.info(
            "nothing to adopt: %s",
            "done before" if adopted else "there is no table fuel.records with a column raw",
        )
        return
    if adopted:
        raise ConfigurationError(
            "fuel.records_legacy exists already, and so does an old fuel.records: rename one of them"
        )
    triggers = conn.execute(TRIGGERS).fetchall()
    found = conn.execute(FUNCTIONS, [[oid for _, oid in triggers]]).fetchall()
    functions = [function for *function, goes in found if goes]
    shared = [name for name, *_, goes in found if not goes]
    views = [name for (name,) in conn.execute(VIEWS).fetchall()]
    if landing.writing:
        conn.execute("lock table fuel.records in access exclusive mode")
    load_id, counts = landing.land(
        conn, Source("adopt", "fuel.records", None, None, False), _records(conn), True
    )
    log.info(
        "%s fuel.records: %d rows, %d landed, %d rejected",
        f"load {load_id}: adopted" if load_id else "dry run: would adopt",
        counts.seen, counts.inserted + counts.updated, counts.rejected,
        extra={"load_id": load_id, "mode": "adopt", "key": "fuel.records", "counts": vars(counts)},
    )  # fmt: skip
    log.info("triggers dropped: %s", ", ".join(name for name, _ in triggers) or "none")
    log.info("functions left alone, as they may serve others: %s", ", ".join(shared) or "none")
    log.info("views that read fuel.records_legacy from now on: %s", ", ".join(views) or "none")
    if not landing.writing:
        log.info(
            "functions dropped, or renamed where something depends on them: %s",
            ", ".join(name for name, *_ in functions) or "none",
        )
        return
    for name, _ in triggers:
        conn.execute(sql.SQL("drop trigger {} on fuel.records").format(sql.Identifier(name)))
    for index, name, oid in conn.execute(INDEXES).fetchall():  # dbt's own table wants these names
        rename = sql.SQL("alter index {} rename to {}")
        conn.execute(rename.format(sql.SQL(index), sql.Identifier(_legacy(name, oid))))
    conn.execute("alter table fuel.records rename to records_legacy")
    for function, name, oid in functions:
        _drop_or_rename(conn, function, _legacy(name, oid))


def _records(conn: Connection) -> Feed:
    rows: Any = conn.execute("select id::text, raw::text from fuel.records").fetchall()
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
