"""One database session: its connection, its lock, its retries, and the version of the landing tables."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import tenacity
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from loader.connection import (
    SAFE_SEARCH_PATH,
    SERVER_KEEPALIVES,
    UNHURRIED,
    is_misread,
    lasting,
    login_problem,
    scalar,
)
from loader.failures import Busy, ConfigurationError, Unreachable, first_line
from loader.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import LiteralString

log = logging.getLogger("loader")
T = TypeVar("T")

VERSION = 2  # of landing.sql
LOCK = 0x6675656C  # "fuel" in ASCII: the advisory lock's key of the fleet without a prefix
# A disk or a quota is full, or memory: another attempt in a second makes it worse.
RESOURCES = (errors.DiskFull, errors.ConfigurationLimitExceeded, errors.OutOfMemory)
BACKOFF = tenacity.wait_exponential(0.5) + tenacity.wait_random(0, 0.5)
# A killed loader's session ends soon, even amid a long statement. The last line: so psycopg reads and writes.
OURS = """
set client_connection_check_interval = '1s'; set work_mem = '128MB';
set timezone = 'UTC'; set datestyle = 'ISO'; set standard_conforming_strings = on
"""
HOLDER = """
select activity.application_name, activity.pid, activity.usename::text, activity.backend_start
from pg_catalog.pg_locks as locks
inner join pg_catalog.pg_stat_activity as activity on locks.pid = activity.pid
inner join pg_catalog.pg_database as here on locks.database = here.oid and here.datname = current_database()
where
    locks.locktype = 'advisory' and locks.granted and locks.objsubid = 1
    and (locks.classid::bigint << 32 | locks.objid::bigint) = %s::bigint
"""


def retrying(retry_on: Callable[[BaseException], bool], what: str) -> tenacity.Retrying:
    """Five attempts with exponential backoff: 0.5, 1, 2 and 4 seconds, each with jitter."""

    def say(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("%s: attempt %d of 5 failed: %s", what, state.attempt_number, first_line(error))

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(retry_on),
        stop=tenacity.stop_after_attempt(5),
        wait=BACKOFF,
        before_sleep=say,
        reraise=True,
    )


def lock_key(schema: str) -> int:
    """The key of the advisory lock of a fleet's loads: two fleets of a database never wait for each other."""
    if schema == "fuel":
        return LOCK
    return int.from_bytes(blake2b(schema.encode(), digest_size=8).digest(), "big", signed=True)


@dataclass(frozen=True)
class Holder:
    """The database session that holds an advisory lock; `since` it was begun, None if we may not see that."""

    application: str
    pid: int
    role: str
    since: datetime | None

    def __str__(self) -> str:
        since = f", begun {self.since:%Y-%m-%d %H:%M:%S %Z}" if self.since else ""
        name = self.application or "a nameless program"
        return f"{name} (database session {self.pid}, role {self.role}{since})"


def lock_holder(conn: psycopg.Connection[Any], key: int) -> Holder | None:
    """The holder of the advisory lock with this (bigint) key in this database; None if nobody holds it."""
    # As the login that was used: a role that it took on may not see when its sessions began.
    with conn.transaction(force_rollback=True):
        conn.execute("set local role none")
        row = conn.execute(HOLDER, [key]).fetchone()
    return Holder(*row) if row else None


def _landing_sql() -> str:
    return files("loader").joinpath("landing.sql").read_text()


def landing_tables() -> list[str]:
    """The names of the landing tables, as landing.sql makes them."""
    return re.findall(r"create table if not exists (\w+)", _landing_sql())


def create_landing(conn: psycopg.Connection[Any], schema: str) -> None:
    """Create the landing tables in this schema, or bring them up to date; within a transaction.

    One statement at a time, which a cluster wants.
    """
    name = sql.Identifier(schema)
    # `create schema if not exists` needs CREATE on the database even where the schema exists already.
    if not scalar(conn, "select 1 from pg_catalog.pg_namespace where nspname = %s", [schema]):
        conn.execute(sql.SQL("create schema {}").format(name))
        says = "Fuel feed: landing tables of the loader, and what dbt derives from them"
        conn.execute(sql.SQL("comment on schema {} is {}").format(name, says))
    conn.execute(sql.SQL("set local search_path = {}, pg_temp").format(name))
    for statement in _landing_sql().split(";\n"):
        if statement.strip():
            conn.execute(statement.encode())
    conn.execute("set local search_path = pg_catalog, pg_temp")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that knows the fleet's schema."""

    schema = sql.Identifier("fuel")

    def sql(self, statement: LiteralString) -> sql.Composed:
        """A statement with the name of the schema in place of `{fuel}`."""
        return sql.SQL(statement).format(fuel=self.schema)


class Session:
    """The session of one load or dry run, made anew when it is lost.

    `writing` takes the lock and brings the tables up to date; without it nothing at all is written.
    `make_way` clears the names of new tables in the schema.
    """

    def __init__(
        self, settings: Settings, *, writing: bool, make_way: Callable[[Connection, str], None] | None = None
    ) -> None:
        self._make_way = make_way
        self._conninfo = settings.database_url.get_secret_value() if settings.database_url else ""
        self.schema = settings.fuel_schema
        self.writing = writing
        self.exists = True  # the landing tables do
        self._lock_key = lock_key(self.schema)
        self._conn: Connection | None = None
        self._locked_before = False

    def __enter__(self: T) -> T:
        self.run(lambda conn: None)  # type: ignore[attr-defined]
        return self

    def __exit__(self, *exc: object) -> None:
        if self._conn:
            with suppress(psycopg.Error):  # the server ends a session some time after it was closed
                self._conn.execute("select pg_advisory_unlock_all()")
            self._conn.close()

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction; if the connection is lost, connect anew and do it again.

        Raises:
            ConfigurationError: the role lacks a privilege.
            Unreachable: the database cannot be reached, or stopped answering, time and again.
        """

        def attempt() -> T:
            conn = self._connected()
            with conn.transaction():
                if not self.writing:
                    conn.execute("set transaction read only")
                # Granted at once to the session that took the lock; a pool may have swapped it for another.
                elif not scalar(conn, "select pg_try_advisory_xact_lock(%s)", [self._lock_key]):
                    raise ConfigurationError(
                        "the connection left the database session that holds its lock: "
                        "connect directly, or through a pool in session mode"
                    )
                return work(conn)

        try:
            return retrying(self._is_passing, "database")(attempt)
        except errors.InsufficientPrivilege as error:
            raise ConfigurationError(f"the database role lacks a privilege: {first_line(error)}") from None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if isinstance(error, errors.DiskFull):
                self._give_space_back()
            lost = error.sqlstate is None or error.sqlstate.startswith(("08", "57"))
            what = "cannot be reached" if lost else "fails"
            raise Unreachable(f"the database {what}: {first_line(error)}") from None

    def _is_passing(self, error: BaseException) -> bool:
        if isinstance(error, Busy):
            return self._locked_before  # the session we lost may hold the lock for another moment
        if isinstance(error, RESOURCES):
            return False  # each attempt would write its dead rows
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))

    def _give_space_back(self) -> None:
        """Free what the failed load wrote, before it eats the space that somebody adds."""
        for table in ("records_raw", "record_versions", "load_rejects"):
            with suppress(psycopg.Error):
                if self._conn:
                    name = sql.Identifier(self.schema, table)
                    self._conn.execute(sql.SQL("vacuum (truncate) {}").format(name))

    def _connected(self) -> Connection:
        if self._conn and not self._conn.closed:
            return self._conn
        try:
            target = conninfo_to_dict(self._conninfo)
            # A password with a bare @ or / turns up here, and would in what libpq says about it.
            if is_misread(target):
                raise psycopg.ProgrammingError
            conn = Connection.connect(
                lasting(target),
                connect_timeout=10,
                application_name=f"fuel-loader {os.getpid()}@{socket.gethostname()}",
                client_encoding="UTF8",  # as records are sent, whatever PGCLIENTENCODING or the role says
                prepare_threshold=None,
                autocommit=True,
            )
        except psycopg.ProgrammingError:  # its message holds the URL
            raise ConfigurationError("DATABASE_URL is not a PostgreSQL connection URL") from None
        except psycopg.OperationalError as error:
            if problem := login_problem(first_line(error)):
                raise ConfigurationError(problem) from None
            raise
        try:
            self._prepare(conn)
        except BaseException:
            conn.close()
            raise
        self._conn = conn
        return conn

    def _prepare(self, conn: Connection) -> None:
        encoding = conn.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise ConfigurationError(
                f"database {conn.info.dbname!r} has the encoding {encoding}, and the feed needs UTF8: "
                "make one with `create database … encoding 'UTF8' template template0`"
            )
        conn.schema = sql.Identifier(self.schema)
        conn.execute(f"{SAFE_SEARCH_PATH} {UNHURRIED} {SERVER_KEEPALIVES} {OURS}")
        if self.writing:
            if not scalar(conn, "select pg_try_advisory_lock(%s)", [self._lock_key]):
                who = lock_holder(conn, self._lock_key) or "a session that has just ended"
                raise Busy(f"another load is running: {who} holds the lock")
            self._locked_before = True
        self._update_landing(conn)

    def _update_landing(self, conn: Connection) -> None:
        """Bring the landing tables up to date if writing, else see whether they are there."""
        version = 0
        if scalar(conn, "select to_regclass(%s)", [f"{self.schema}.landing_versions"]):
            version = scalar(conn, conn.sql("select coalesce(max(version), 0) from {fuel}.landing_versions"))
        if version > VERSION:
            raise ConfigurationError(
                f"the landing tables are of version {version}, this loader knows version {VERSION}: update it"
            )
        self.exists = version > 0 or self.writing
        if version < VERSION and self.writing:
            try:
                with conn.transaction():
                    if not version:
                        self._clear_names(conn)
                    create_landing(conn, self.schema)
            except errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"this role may not create or update the landing tables ({first_line(error)}): "
                    f"let the owner of schema {self.schema} run `fuel-loader --changes --apply` once"
                ) from None
            log.info("landing tables brought to version %d", VERSION)

    def _clear_names(self, conn: Connection) -> None:
        if self._make_way:
            self._make_way(conn, self.schema)
        for name in landing_tables():
            if scalar(conn, "select to_regclass(%s)", [f"{self.schema}.{name}"]):
                raise ConfigurationError(
                    f"{self.schema}.{name} is of another design: run `fuel-loader --adopt`, or rename it"
                )
