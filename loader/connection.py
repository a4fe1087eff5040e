"""How loader and hourly job connect to PostgreSQL. Quick to import: the health check does, too."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

# Another person's function of the name of one of PostgreSQL's must not run with our rights.
SAFE_SEARCH_PATH = "set search_path = pg_catalog, pg_temp;"
# A network that went silent is noticed after two minutes; both systems would wait for two hours.
KEEPALIVES = {"keepalives_idle": "60", "keepalives_interval": "10", "keepalives_count": "6"}
SERVER_KEEPALIVES = """
set tcp_keepalives_idle = 60;
set tcp_keepalives_interval = 10;
set tcp_keepalives_count = 6;
"""
# A session that may take its time, whatever limits the database sets for others; the last one came with 17.
UNHURRIED = """
set statement_timeout = 0;
set lock_timeout = 0;
set idle_in_transaction_session_timeout = 0;
set idle_session_timeout = 0;
select pg_catalog.set_config(name::pg_catalog.text, '0'::pg_catalog.text, false)
from pg_catalog.pg_settings where name::pg_catalog.text operator(pg_catalog.=) 'transaction_timeout';
"""
WRONG_LOGIN = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "pg_hba.conf",  # has no entry for it, or one that rejects it
    "is not permitted to log in",
    "permission denied for database",
    "permission denied to set role",
    "server does not support SSL",
    "definition of service",  # is not found in the file
    "service file",  # is not found
    "invalid ",  # a parameter in DATABASE_URL
    "unsupported startup parameter",  # PgBouncer, of PGOPTIONS
)
PREFIX = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,39}|")


def fuel_schema(prefix: str) -> str:
    """The name of a fleet's schema fuel.

    Raises:
        ValueError: the prefix is no plain identifier.
    """
    if not PREFIX.fullmatch(prefix):
        raise ValueError(
            f"FUEL_SCHEMA_PREFIX: {prefix!r} is no plain identifier: lower-case letters, digits and _, "
            "not more than 40, no digit first, and no pg_ either"
        )
    return f"{prefix}fuel"


def lasting(target: Mapping[str, str | int | None]) -> str:
    """The connection string of a target, with keepalives of ours where it names none."""
    return make_conninfo("", **{**KEEPALIVES, **target})


def login_problem(words: str) -> str | None:
    """The settings to mend, if these words of server or libpq are about the login; else None."""
    if "unsupported startup parameter" in words:
        return f"PGOPTIONS (or --as-roles): the pool in between takes none, connect directly: {words}"
    if any(phrase in words for phrase in WRONG_LOGIN):
        return f"PGUSER, PGPASSWORD, PGDATABASE (or DATABASE_URL): {words}"
    return None


def scalar(conn: psycopg.Connection[Any], query: str | sql.Composed, parameters: Any = None) -> Any:
    """The first value of a query's first row; None if it gives no row."""
    row = conn.execute(query, parameters).fetchone()
    return row[0] if row else None


def is_misread(target: Mapping[str, object]) -> bool:
    """Whether a bare @ or / of the password has cut a database URL, whose rest is host, port or name then."""
    host, port, name = (str(target.get(part, "")) for part in ("host", "port", "dbname"))
    return "@" in host or "@" in name or not re.fullmatch(r"[\d,]*", port)
