"""The hourly job: loader, then `dbt build`, then `dbt source freshness`; one line of outcome.

Cron line: `python -m deploy.hourly` (installed as `fuel-hourly`), from any working directory.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from types import FrameType
from typing import Any

import psycopg
from psycopg import sql

from deploy.outcome import Outcome, one_line
from deploy.settings import (
    DBT_ROLE,
    LOADER_ROLE,
    ROOT,
    UNREACHABLE,
    USAGE,
    Unusable,
    acting_as,
    connect,
    read_settings,
    state_dir,
)
from loader.connection import UNHURRIED, WRONG_LOGIN, scalar
from loader.words import blotted, keep_stderr, naming_host

LOCK = "fleetfuel.hourly"

INTERRUPTED = 130
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def load(outcome: Outcome, role: str | None, log_format: str) -> None:
    """Run the loader twice, for the snapshot and for the deltas."""
    from loader.cli import main as loader_main

    with acting_as(role):
        for mode in ("--snapshot", "--changes"):
            code = loader_main([mode, "--apply", "--log-format", log_format], env_file=os.devnull)
            if code == INTERRUPTED:
                raise KeyboardInterrupt
            if code:
                outcome.fail(code, f"loader {mode} ended with exit code {code}, see its own lines above")
            if code in (USAGE, UNREACHABLE):  # as the next one would
                return


def count(outcome: Outcome, conn: psycopg.Connection[Any], last: int) -> None:
    """Count from the loader's ledger what came in after the load `last`."""
    counts = ("inserted", "updated", "unchanged", "stale", "duplicate", "absent")
    sums = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in ("rejected", *counts))
    row = conn.execute(
        f"select count(*) filter (where error is null), count(error), {sums}"
        " from fuel.loads where load_id > %s",
        [last],
    ).fetchone()
    assert row is not None
    outcome.objects, outcome.refused_objects, outcome.rejected_records, *values = row
    outcome.records = dict(zip(counts, values, strict=True))


def ledger_end(conn: psycopg.Connection[Any]) -> int | None:
    """The newest load_id of the ledger, 0 before the first load; None if there is no ledger."""
    if not scalar(conn, "select to_regclass('fuel.loads') is not null"):
        return None
    return int(scalar(conn, "select coalesce(max(load_id), 0) from fuel.loads"))


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
    read_settings()
    state = state_dir()
    readers = sorted(
        filter(None, (name.strip() for name in os.environ.get("FUEL_READER_ROLES", "").split(",")))
    )
    loader_role, dbt_role = (LOADER_ROLE, DBT_ROLE) if options.as_roles else (None, None)
    with acting_as(dbt_role), connect(autocommit=True, application_name=LOCK) as conn:
        if dbt_role and scalar(conn, "select current_user") != dbt_role:
            raise Unusable("--as-roles: a pool or a service file keeps the role from the database")
        conn.execute(UNHURRIED)  # it waits for dbt, and holds the lock meanwhile
        os.environ.update(spelled_out(conn))
        if not scalar(conn, sql.SQL("select pg_try_advisory_lock(hashtextextended({}, 0))").format(LOCK)):
            outcome.status = "skipped: the last run is still at work"
            return
        with outcome.step("load"):
            last = ledger_end(conn)
            load(outcome, loader_role, options.log_format)
            if last is None and ledger_end(conn) is None:  # and nothing to build from
                return
            count(outcome, conn, last or 0)
        if outcome.exit_code == USAGE:  # the landing may be a newer version's, whose build ours would undo
            return
        # Two seconds of imports, which a run that is skipped is spared.
        from deploy.dbt_steps import Dbt, build, freshness

        with outcome.step("build"):
            outcome.build = "failed"  # unless dbt can read the project
            dbt = Dbt(state, readers)
            build(outcome, dbt, conn)
        with outcome.step("freshness"):
            freshness(outcome, dbt)


def explain(error: psycopg.OperationalError) -> tuple[int, str]:
    """Exit code and words for a connection that failed: a wrong login is configuration, as for the loader."""
    words = naming_host(one_line(error))
    if any(phrase in words for phrase in WRONG_LOGIN):
        return USAGE, f"PGUSER, PGPASSWORD, PGDATABASE (or DATABASE_URL): {words}"
    if not os.environ.keys() & {"PGHOST", "PGSERVICE"}:
        words += f" (neither PGHOST nor DATABASE_URL is set, in the environment or in {ROOT / '.env'})"
    return UNREACHABLE, f"database unreachable: {words}"


def attempt(outcome: Outcome, options: argparse.Namespace) -> None:
    """Run the steps; what ends them early becomes part of the outcome, so that no run is without its line."""
    try:
        run(outcome, options)
    except Unusable as error:
        outcome.fail(error.exit_code, str(error))
    except psycopg.OperationalError as error:
        outcome.fail(*explain(error))
    except psycopg.Error as error:
        outcome.fail(1, f"database refused: {one_line(error)}")
    except KeyboardInterrupt:
        pass  # told by `stop`
    except Exception as error:
        trace = without_secrets(traceback.format_exc())
        as_json = options.log_format == "json"
        print(json.dumps({"level": "error", "message": trace}) if as_json else trace, file=sys.stderr)
        outcome.fail(1, f"unforeseen: {type(error).__name__}: {without_secrets(one_line(error))}")


def without_secrets(text: str) -> str:
    """What must never reach a log, blotted out of words that nobody foresaw."""
    secrets = (os.environ.get(name, "").strip() for name in ("PGPASSWORD", "RUSTFS_SECRET_KEY"))
    return blotted(text, filter(None, secrets))


def main(argv: list[str] | None = None) -> int:
    """Run once; the exit code of the first step that failed.

    0 done, skipped, or overlapping the last run; 1 input refused, a model, test or freshness failed, or
    something that nobody foresaw; 2 usage or configuration; 69 database or bucket unreachable; 75 another
    load is running; 129, 130 or 143 stopped by SIGHUP, Ctrl-C or SIGTERM.
    """
    keep_stderr()
    parser = argparse.ArgumentParser(prog="fuel-hourly", description=__doc__)
    parser.add_argument(
        "--as-roles", action="store_true", help="load as fuel_loader and build as fuel_dbt (deploy/roles.sql)"
    )
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    options = parser.parse_args(argv)
    if not sys.warnoptions:  # of dbt's libraries, say, about a wrong CSV, which dbt itself tells better
        warnings.simplefilter("ignore")
    gc.disable()  # looking for cycles among what boto3 and dbt load costs half a second and frees little
    outcome = Outcome()

    def stop(number: int, _frame: FrameType | None) -> None:
        """End in order, once: loader and dbt give up what they are at on a KeyboardInterrupt."""
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        outcome.fail(128 + number, f"stopped by {signal.Signals(number).name}")
        raise KeyboardInterrupt

    for each in STOPPING:
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:  # as under nohup
            signal.signal(each, stop)
    with outcome.step("total"):
        attempt(outcome, options)
    with suppress(OSError):  # nobody reads them any more
        for problem in outcome.problems if options.log_format == "text" else ():
            print(f"hourly: {problem}", file=sys.stderr)
    try:
        print(outcome.line(options.log_format), flush=True)
    except OSError:  # nobody reads it, either: what is left of it goes nowhere when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
