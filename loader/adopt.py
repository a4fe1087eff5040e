"""Taking over a database of the trigger-derived schema: its records land, its machinery goes."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from loader.connection import scalar
from loader.failures import ConfigurationError, first_line
from loader.feed import Feed, Source
from loader.landing import Landing
from loader.old_design import OldDesign, legacy, survey
from loader.session import Connection
from loader.settings import Settings

log = logging.getLogger("loader")

# A reader of the old views waits behind a lock of ours for no longer than this; then we try again.
LOCK_TIMEOUT = "20ms"
ATTEMPTS = 300
VIEW = """
select
    pg_get_userbyid(relowner),
    coalesce('with (' || array_to_string(reloptions, ', ') || ')', ''),
    obj_description(oid, 'pg_class')
from pg_class where oid = %s
"""
# The statements that grant, or revoke, on one view what is granted on another.
GRANTS = """
select format(
    '%%s %%s %%s on %%I.%%I %%s %%s %%s', %(verb)s::text, acl.privilege_type, acl.of_column,
    %(schema)s::text, %(name)s::text, %(to)s::text,
    case when acl.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end,
    case when acl.is_grantable and %(verb)s = 'grant' then 'with grant option' end
)
from (
    select acl.privilege_type, null as of_column, acl.grantee, acl.is_grantable
    from pg_class as c cross join aclexplode(c.relacl) as acl
    where c.oid = %(view)s and acl.grantee <> c.relowner
    union all
    select acl.privilege_type, format('(%%I)', a.attname), acl.grantee, acl.is_grantable
    from pg_attribute as a cross join aclexplode(a.attacl) as acl
    where a.attrelid = %(view)s
) as acl
"""


def adopt(settings: Settings, *, writing: bool) -> int:
    """Carry over id and raw of the old `fuel.records`, and clear the names that are needed. The exit code.

    Raises:
        ConfigurationError: something stands in the way; nothing was changed.
    """
    with Landing(settings, writing=False) as landing:
        old = landing.run(lambda conn: survey(conn, landing.schema))
        table = f"{landing.schema}.records"
        if not old.to_adopt:
            found = "done before" if old.adopted else f"there is no table {table} with a column raw"
            log.info("nothing to adopt: %s", found)
            return 0
        if old.stops:
            raise ConfigurationError(f"nothing was adopted: {'; '.join(old.stops)}")
        if not writing:
            landing.run(lambda conn: _carry_over(conn, landing, table))
            _tell(old, table)
            return 0
    try:
        with Landing(settings, writing=True, make_way=_rename_tables) as landing:
            landing.run(lambda conn: _adopt(conn, landing, table))
    except psycopg.ProgrammingError as error:
        raise ConfigurationError(f"nothing was adopted: {first_line(error)}") from None
    return 0


def _tell(old: OldDesign, table: str) -> None:
    def names(found: list[Any]) -> str:
        return ", ".join(each if isinstance(each, str) else each[0] for each in found) or "none"

    log.info("tables renamed to …_legacy: %s", names(old.tables))
    log.info("triggers dropped: %s", names(old.triggers))
    log.info("functions dropped, or renamed where something depends on them: %s", names(old.functions))
    log.info("functions left alone, as they may serve others: %s", names(old.shared))
    served = "views renamed to …_legacy, and served under their names until dbt replaces them: %s"
    log.info(served, names(old.views))
    log.info("views of others, which read %s_legacy from now on: %s", table, names(old.others))


def _rename_tables(conn: Connection, schema: str) -> None:
    """Clear the names of tables that the landing zone needs; `records` itself is last of all."""
    old = survey(conn, schema)
    for name, oid in old.tables:
        if name != "records":
            _patiently(conn, partial(_rename, conn, "table", schema, name, oid))


def _adopt(conn: Connection, landing: Landing, table: str) -> None:
    # Readers go on; who writes waits, and fails then.
    conn.execute(conn.sql("lock table {fuel}.records in exclusive mode"))
    _carry_over(conn, landing, table)
    old = survey(conn, landing.schema)
    # Readers wait for the commit, and it for no disk: a crash right now undoes the adoption.
    conn.execute("set local synchronous_commit = off")
    _patiently(conn, lambda: _clear_names(conn, landing.schema, old))
    _tell(old, table)


def _carry_over(conn: Connection, landing: Landing, table: str) -> None:
    load_id, counts = landing.land(conn, Source("adopt", table, None, None, False), _records(conn), True)
    log.info(
        "%s %s: %d rows, %d landed, %d rejected",
        f"load {load_id}: adopted" if load_id else "dry run: would adopt",
        table, counts.seen, counts.inserted + counts.updated, counts.rejected,
        extra={"load_id": load_id, "mode": "adopt", "key": table, "counts": vars(counts)},
    )  # fmt: skip


def _records(conn: Connection) -> Feed:
    rows: Any = conn.execute(conn.sql("select id::text, raw::text from {fuel}.records")).fetchall()
    return Feed([(raw or "null").encode() for _, raw in rows], given_ids=[id for id, _ in rows])


def _patiently(conn: Connection, work: Callable[[], None]) -> None:
    """Do this as soon as nobody holds what it locks; the others wait no longer than LOCK_TIMEOUT."""
    for attempt in range(ATTEMPTS):
        try:
            with conn.transaction():
                conn.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'".encode())
                work()
                return
        except psycopg.errors.LockNotAvailable as error:
            if attempt == ATTEMPTS - 1:
                busy = f"somebody reads all the time ({first_line(error)}): try again later"
                raise ConfigurationError(f"nothing was adopted: {busy}") from None
        time.sleep(random.uniform(0.05, 0.3))


def _clear_names(conn: Connection, schema: str, old: OldDesign) -> None:
    """In the order in which readers lock things, from the outermost view down to the table."""
    reporting = schema.removesuffix("fuel") + "reporting"
    for _, name, oid in old.views:
        _rename(conn, "view", reporting, name, oid)
        _serve(conn, reporting, name, oid)
    for name in old.triggers:
        conn.execute(sql.SQL("drop trigger {} on {}.records").format(sql.Identifier(name), conn.schema))
    for name, oid in old.indexes:
        _rename(conn, "index", schema, name, oid)
    for name, oid in old.tables:
        _rename(conn, "table", schema, name, oid)
    for signature, name, oid in old.functions:
        _drop_or_rename(conn, signature, legacy(name, oid))


def _rename(conn: Connection, kind: str, schema: str, name: str, oid: int) -> None:
    rename = sql.SQL("alter {} {} rename to {}")
    old, new = sql.Identifier(schema, name), sql.Identifier(legacy(name, oid))
    conn.execute(rename.format(sql.SQL(kind), old, new))


def _serve(conn: Connection, schema: str, name: str, oid: int) -> None:
    """A view of this name on the renamed one, with its owner and grants.

    As nothing is built on it, dbt can replace it. Others' views go on with the renamed one.
    """
    view = sql.Identifier(schema, name)
    owner, options, comment = conn.execute(VIEW, [oid]).fetchone() or ("", "", None)
    create = sql.SQL("create view {} {} as select * from {}")
    conn.execute(create.format(view, sql.SQL(options), sql.Identifier(schema, legacy(name, oid))))
    conn.execute(sql.SQL("comment on view {} is {}").format(view, comment))
    conn.execute(sql.SQL("alter view {} owner to {}").format(view, sql.Identifier(owner)))
    new = scalar(conn, "select to_regclass(format('%%I.%%I', %s::text, %s::text))::oid", [schema, name])
    # Default privileges may have granted what the old view did not.
    for verb, to, granted in (("revoke", "from", new), ("grant", "to", oid)):
        values = {"verb": verb, "to": to, "view": granted, "schema": schema, "name": name}
        for (statement,) in conn.execute(GRANTS, values).fetchall():
            conn.execute(statement.encode())


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
