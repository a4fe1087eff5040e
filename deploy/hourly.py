"""The hourly job: loader, then `dbt build`, then `dbt source freshness`; one line of outcome.

Cron line: `python -m deploy.hourly` (installed as `fuel-hourly`), from any working directory.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from deploy.alarms import ping, write_metrics
from deploy.health import read_row
from deploy.outcome import Outcome, now, one_line
from deploy.report_page import write_report
from deploy.settings import (
    ROOT,
    UNREACHABLE,
    USAGE,
    Unusable,
    acting_as,
    connect,
    read_settings,
    schema_prefix,
    state_dir,
)
from deploy.stopping import Stopping
from deploy.turns import Occupied, take_turn
from loader import __version__
from loader.connection import UNHURRIED, login_problem, scalar
from loader.words import blotted, keep_stderr, naming_host

LOCK = "fleetfuel.hourly"

INTERRUPTED = 130


def load(outcome: Outcome, role: str | None, log_format: str) -> None:
    """Run the loader twice, for the snapshot and for the deltas."""
    from loader.cli import main as loader_main

    with acting_as(role):
        for mode in ("--snapshot", "--changes"):
            code = loader_main([mode, "--apply", "--quiet", "--log-format", log_format], env_file=os.devnull)
            if code == INTERRUPTED:
                raise KeyboardInterrupt
            if code:
                outcome.fail(code, f"loader {mode} ended with exit code {code}, see its own lines above")
            if code in (USAGE, UNREACHABLE):  # as the next one would
                return


def count(outcome: Outcome, conn: psycopg.Connection[Any], schema: str, last: int) -> None:
    """Count from the loader's ledger what came in after the load `last`."""
    counts = ("inserted", "updated", "unchanged", "stale", "duplicate", "absent")
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in ("rejected", *counts))
    query = sql.SQL(
        f"select count(*) filter (where error is null), count(error), {sums} from {{}}"
        " where load_id > %s and mode <> 'reset'"
    )
    row = conn.execute(query.format(sql.Identifier(schema, "loads")), [last]).fetchone()
    assert row is not None
    outcome.objects, outcome.refused_objects, outcome.rejected_records, *values = row
    outcome.records = dict(zip(counts, values, strict=True))
    # Once, though every snapshot brings them again.
    rejects = sql.Identifier(schema, "load_rejects")
    met = "select count(*) from {} where load_id > %s and reason <> 'sanitised'"
    if new := scalar(conn, sql.SQL(met).format(rejects), [last]):
        noun = "record" if new == 1 else "records"
        outcome.problems.append(f"{new} {noun} could not be landed: see {schema}.load_rejects")


def last_told(conn: psycopg.Connection[Any], schema: str) -> int:
    """The newest load that a finished build has taken up: what came after it no run has told yet.

    Say, what landed before a run was killed. Where builds do not note it, the newest load of all.
    """
    if not scalar(conn, "select to_regclass(%s)", [f"{schema}.loads"]):
        return 0
    builds = sql.Identifier(schema, "builds")
    noted = "select 1 from pg_attribute where attrelid = to_regclass(%s) and attname = 'load_id'"
    if conn.execute(noted, [builds.as_string(conn)]).fetchone():
        query = "select coalesce(max(load_id), 0) from {} where finished_at is not null"
        return int(scalar(conn, sql.SQL(query).format(builds)))
    query = "select coalesce(max(load_id), 0) from {}"
    return int(scalar(conn, sql.SQL(query).format(sql.Identifier(schema, "loads"))))


def spelled_out(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """Where libpq went (service file, password file, defaults) and how, in the variables of dbt's profile."""
    info = conn.info
    address = {"PGHOSTADDR": info.hostaddr} if os.environ.get("PGHOSTADDR") else {}  # of that host alone
    sslmode = next(option.val for option in conn.pgconn.info if option.keyword == b"sslmode")
    return {
        **address,
        "PGHOST": info.host,
        "PGPORT": str(info.port),
        "PGUSER": info.user,
        "PGDATABASE": info.dbname,
        "PGPASSWORD": info.password,
        "PGSSLMODE": (sslmode or b"prefer").decode(),
        "PGCLIENTENCODING": "UTF8",  # dbt's SQL holds more than a role's LATIN1 could
    }


def run(outcome: Outcome, options: argparse.Namespace) -> None:
    """The steps, under the lock."""
    read_settings(options.env_file)
    state, prefix = state_dir(), schema_prefix()
    schema, lock = f"{prefix}fuel", f"{prefix}{LOCK}"
    readers = sorted(
        filter(None, (name.strip() for name in os.environ.get("FUEL_READER_ROLES", "").split(",")))
    )
    loader_role, dbt_role = (
        (f"{prefix}fuel_loader", f"{prefix}fuel_dbt") if options.as_roles else (None, None)
    )
    with acting_as(dbt_role), connect(autocommit=True, application_name=lock) as conn:
        if dbt_role and scalar(conn, "select current_user") != dbt_role:
            raise Unusable("--as-roles: a pool or a service file keeps the role from the database")
        conn.execute(UNHURRIED)  # it waits for dbt, and holds the lock meanwhile
        os.environ.update(spelled_out(conn))
        take_turn(conn, lock)
        with outcome.step("load"):
            last = last_told(conn, schema)
            try:
                load(outcome, loader_role, options.log_format)
            except KeyboardInterrupt:
                conn.execute("set statement_timeout = '1s'")  # for there is no time to wait
                raise
            finally:
                landed = scalar(conn, "select to_regclass(%s)", [f"{schema}.loads"])
                if landed:
                    count(outcome, conn, schema, last)
        # Nothing to build from; or the landing may be a newer version's, whose build ours would undo.
        if not landed or outcome.exit_code == USAGE:
            return
        # Two seconds of imports, which a run that is skipped is spared.
        from deploy.dbt_steps import Dbt, build, freshness

        with outcome.step("build"):
            outcome.build = "failed"  # unless dbt can read the project
            dbt = Dbt(state, readers)
            build(outcome, dbt, conn, schema)
        with outcome.step("freshness"):
            freshness(outcome, dbt)
        with suppress(psycopg.DatabaseError):  # there may be none yet, or only an old one
            outcome.health = read_row(conn, prefix)
        if folder := os.environ.get("FUEL_REPORT_DIR", "").strip():
            with outcome.step("report"):
                write_report(outcome, folder, prefix)


def explain(error: psycopg.OperationalError) -> tuple[int, str]:
    """Exit code and words for a connection that failed: a wrong login is configuration, as for the loader."""
    words = naming_host(one_line(error))
    if problem := login_problem(words):
        return USAGE, problem
    if not os.environ.keys() & {"PGHOST", "PGSERVICE"}:
        words += f" (neither PGHOST nor DATABASE_URL is set, in the environment or in {ROOT / '.env'})"
    return UNREACHABLE, f"database unreachable: {words}"


def attempt(outcome: Outcome, options: argparse.Namespace, stopping: Stopping) -> None:
    """Run the steps; what ends them early becomes part of the outcome, so that no run is without its line."""
    try:
        run(outcome, options)
    except KeyboardInterrupt:
        pass  # noted by `stopping`
    except Exception as error:
        if stopping.signal:  # the error is a library's, whose session was ended
            return
        if isinstance(error, Occupied):
            outcome.turned_away(error.code, str(error))
        elif isinstance(error, Unusable):
            outcome.fail(error.exit_code, str(error))
        elif isinstance(error, psycopg.OperationalError):
            outcome.fail(*explain(error))
        elif isinstance(error, psycopg.Error):
            outcome.fail(1, f"database refused: {one_line(error)}")
        else:
            trace = without_secrets(traceback.format_exc())
            as_json = options.log_format == "json"
            said = {"time": now(), "level": "error", "message": trace}
            print(json.dumps(said) if as_json else f"{now()} {trace}", file=sys.stderr)
            outcome.fail(1, f"unforeseen: {type(error).__name__}: {without_secrets(one_line(error))}")


def without_secrets(text: str) -> str:
    """A text that nobody foresaw, with the secrets, which must never reach a log, blotted out."""
    secrets = (os.environ.get(name, "").strip() for name in ("PGPASSWORD", "RUSTFS_SECRET_KEY"))
    return blotted(text, filter(None, secrets))


def tell(outcome: Outcome, log_format: str, patience: float) -> None:
    """The problems and the line; then whoever waits for the end of a run."""
    try:
        write_metrics(outcome, os.environ.get("FUEL_SCHEMA_PREFIX", ""))
    except OSError as error:
        outcome.fail(1, f"FUEL_METRICS_FILE cannot be written: {error}")
    with suppress(OSError):  # nobody reads them any more
        for problem in outcome.problems if log_format == "text" else ():
            print(f"{now()} hourly: {problem}", file=sys.stderr)
    line = outcome.line(log_format)
    try:
        print(line, flush=True)
    except OSError:  # nobody reads it, either: what is left of it goes nowhere when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if silence := ping(outcome, line, patience):
        said = {"time": now(), "level": "warning", "message": silence}
        with suppress(OSError):
            print(json.dumps(said) if log_format == "json" else f"{now()} hourly: {silence}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run once; the exit code of the first step that failed.

    0 done, or the last run is still at work; 1 input refused, a model, test or freshness failed, or
    something that nobody foresaw; 2 usage or configuration; 69 database or bucket unreachable; 75 another
    load is running, the last run hangs, or somebody else holds the job's lock; 129, 130 or 143 stopped by
    SIGHUP, Ctrl-C or SIGTERM.
    """
    keep_stderr()
    parser = argparse.ArgumentParser(prog="fuel-hourly", description=__doc__)
    parser.add_argument(
        "--as-roles", action="store_true", help="load as fuel_loader and build as fuel_dbt (deploy/roles.sql)"
    )
    parser.add_argument(
        "--env-file", type=Path, metavar="PATH", help="settings, instead of the project's .env"
    )
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(argv)
    if not sys.warnoptions:  # dbt's libraries warn, say, of a wrong CSV, which dbt itself tells better
        warnings.simplefilter("ignore")
    gc.disable()  # looking for cycles among what boto3 and dbt load costs half a second and frees little
    outcome = Outcome()
    stopping = Stopping(
        lambda number: outcome.fail(128 + number, f"stopped by {number.name}"),
        lambda: tell(outcome, options.log_format, 1),
    )
    stopping.listen()
    with outcome.step("total"):
        attempt(outcome, options, stopping)
    stopping.ended()
    tell(outcome, options.log_format, 1 if stopping.signal else 10)
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
