"""Whether a build would change anything: a fingerprint of all it reads and of what it left standing."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg
import yaml
from psycopg import sql

from deploy.settings import ROOT
from loader.connection import scalar

# What a build is made from; anything else in the repository cannot change its result.
PROJECT = (
    "dbt_project.yml",
    "profiles.yml",
    "requirements.lock",
    "models",
    "macros",
    "functions",
    "seeds",
    "tests/data",
)


def project_digest() -> str:
    """Digest of the project's files and of dbt's version, as they stand now."""
    digest = hashlib.sha256()
    for part in PROJECT:
        path = ROOT / part
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def surely_fresh(conn: psycopg.Connection[Any]) -> bool:
    """Whether every source that promises freshness is younger than its own warn_after.

    Then dbt has nothing to find, and need not be started to say so.
    """
    text = (ROOT / "models" / "landing" / "landing.yml").read_text()
    tables = [(source, table) for source in yaml.safe_load(text)["sources"] for table in source["tables"]]
    for source, table in tables:
        promise = {**table, **table.get("config", {})}
        if warn := (promise.get("freshness") or {}).get("warn_after"):
            query = sql.SQL("select max({}) > now() - {}::interval from {} where {}").format(
                sql.SQL(promise["loaded_at_field"]),
                f"{warn['count']} {warn['period']}",
                sql.Identifier(source["schema"], table["name"]),
                sql.SQL(promise["freshness"].get("filter", "true")),
            )
            if not scalar(conn, query):
                return False
    return True


def inputs_digest(conn: psycopg.Connection[Any], readers: list[str]) -> str | None:
    """Digest of everything a build reads: project, landing, tracker, roles, and the day.

    The day, because some tests look at the clock: they run at least daily. None if an input is missing or
    cannot be read: dbt then builds what it can and says what is wrong.
    """
    try:
        variables = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
        table = sql.Identifier(variables["tracksolid_schema"], variables["tracksolid_devices_table"])
        candidates = {ours: list(names) for ours, names in variables["tracksolid_columns"].items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return None
    try:
        stand = {
            name
            for (name,) in conn.execute(
                "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0",
                [table.as_string(conn)],
            )
        }
    except psycopg.errors.InsufficientPrivilege:  # of the schema: to_regclass says so by an error
        return None
    columns = {
        ours: sql.Identifier(name)
        for ours, names in candidates.items()
        if (name := next((each for each in names if each in stand), None))
    }
    # Of `latest` only the order within a plate: a tracker that stamps "last seen" must not cause a build.
    latest = columns.pop("latest", sql.SQL("null"))
    if "vehicle_number" not in columns:
        return None
    query = sql.SQL(
        "select md5(concat_ws('/',"
        " (select max(load_id) from fuel.records_raw),"
        " (select md5(string_agg(device, '' order by plate, latest, device)) from"
        " (select row({})::text as device, {} as latest,"
        # A regular expression refuses a nondeterministic collation, which the tracker's plates may have.
        " upper(regexp_replace({}::text collate \"C\", '[^[:alnum:]]', '', 'g')) as plate"
        " from {}) as devices),"
        " (now() at time zone 'Africa/Nairobi')::date))"
    ).format(sql.SQL(", ").join(columns.values()), latest, columns["vehicle_number"], table)
    try:
        return f"{project_digest()}/{','.join(readers)}/{scalar(conn, query)}"
    except psycopg.Error:  # of the tracker's table, which may be a view that raises, or a server that is down
        if conn.closed:
            raise
        return None


def catalogue_digest(conn: psycopg.Connection[Any]) -> str:
    """Digest of which tables, views and functions stand: one dropped or replaced by hand is built again.

    `create or replace` keeps the oid, but writes the row of the catalogue that holds the definition anew;
    `truncate` gives the table a new file.
    """
    found: str = scalar(
        conn,
        "select md5(string_agg(thing, ' ' order by thing)) from ("
        " select format('%s %s %s %s', pg_class.oid, relname, relfilenode, pg_rewrite.xmin) as thing"
        " from pg_class left join pg_rewrite on pg_class.oid = ev_class"
        " where relnamespace in (to_regnamespace('fuel'), to_regnamespace('reporting'))"
        " union all select format('%s %s %s', oid, proname, xmin) from pg_proc"
        " where pronamespace = to_regnamespace('fuel')) as things",
    )
    return found


# The ledger's newest row, that of a build by hand or of a failed one included: those carry no fingerprint.
_NEWEST = "invocation_id = (select invocation_id from fuel.builds order by started_at desc limit 1)"


def last_build(conn: psycopg.Connection[Any]) -> str | None:
    """The fingerprint of the last build, None if that was not one of this job or did not succeed."""
    try:
        query = f"select fingerprint from fuel.builds where status = 'success' and {_NEWEST}"
        fingerprint: str | None = scalar(conn, query)
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return None
    return fingerprint


def confirm_build(conn: psycopg.Connection[Any], looked_at: str) -> None:
    """Note that the last build was still up to date at that time: a quiet night makes no report old."""
    conn.execute(f"update fuel.builds set checked_at = %s where {_NEWEST}", [looked_at])


def keep_build(conn: psycopg.Connection[Any], fingerprint: str) -> None:
    """Note the fingerprint in the row that the build has just left in the ledger."""
    conn.execute(f"update fuel.builds set fingerprint = %s where {_NEWEST}", [fingerprint])
