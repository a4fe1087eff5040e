"""The hourly job: loader, then `dbt build`, then `dbt source freshness`; one line of outcome.

Cron line: `python -m deploy.hourly` (installed as `fuel-hourly`), from any working directory.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from psycopg import sql

from deploy.fingerprint import (
    catalogue_digest,
    confirm_build,
    inputs_digest,
    keep_build,
    last_build,
    surely_fresh,
)
from deploy.seeds import unreadable, unreadable_seeds
from deploy.settings import (
    DBT_ROLE,
    LOADER_ROLE,
    ROOT,
    Unusable,
    acting_as,
    connect,
    read_settings,
    state_dir,
)
from loader.connection import UNHURRIED, WRONG_LOGIN, scalar
from loader.words import blotted, keep_stderr, naming_host

LOCK = "fleetfuel.hourly"

USAGE, UNREACHABLE, INTERRUPTED = 2, 69, 130
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Outcome:
    """What one run did; the summary line. Counts are of this run, seconds are per step."""

    status: str = "done"
    exit_code: int = 0
    objects: int = 0
    records: dict[str, int] = field(default_factory=dict)
    refused_objects: int = 0
    rejected_records: int = 0
    build: str = "not run"
    rederived: dict[str, int] = field(default_factory=dict)
    tests: dict[str, int] = field(default_factory=dict)
    freshness: str = "not run"
    problems: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def fail(self, code: int, problem: str = "") -> None:
        """Keep the first failing exit code; every problem is told."""
        self.exit_code = self.exit_code or code
        self.status = "failed"
        if problem:
            self.problems.append(problem)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 2)

    def line(self, log_format: str) -> str:
        """The summary: one JSON object, or one line of text."""
        if log_format == "json":
            return json.dumps({"job": "hourly", **asdict(self)})
        rows = ", ".join(f"{count} {name}" for name, count in self.records.items() if count) or "nothing new"
        written = ", ".join(f"{name} {count}" for name, count in self.rederived.items() if count) or "no row"
        tests = ", ".join(f"{count} {name}" for name, count in self.tests.items()) or "not run"
        steps = ", ".join(f"{name} {seconds} s" for name, seconds in self.seconds.items())
        return (
            f"hourly {self.status} (exit {self.exit_code}): {self.objects} objects in, {rows}; "
            f"refused {self.refused_objects} objects, {self.rejected_records} records; "
            f"build {self.build}, re-derived {written}; tests {tests}; freshness {self.freshness}; {steps}"
        )


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


class Dbt:
    """dbt in this process, its files in `state`, silent on the console; the log file has everything."""

    def __init__(self, state: Path, readers: list[str]) -> None:
        from dbt.cli.main import dbtRunner  # 2 s of imports, which an idle hour is spared

        self.runner = dbtRunner()
        self.common = [
            "--project-dir", str(ROOT), "--profiles-dir", str(ROOT),
            "--target-path", str(state / "target"), "--log-path", str(state / "logs"),
            "--log-level", "none", "--log-level-file", "info", "--no-use-colors",
            "--vars", json.dumps({"reader_roles": readers}) if readers else "{}",
        ]  # fmt: skip

    def __call__(self, *args: str) -> tuple[int, list[Any]]:
        """Run one dbt command: its exit code, and one result per node."""
        done = self.runner.invoke([*args, *self.common])
        if isinstance(done.exception, KeyboardInterrupt):
            raise KeyboardInterrupt
        if done.exception:
            raise DbtStopped(done.exception)
        return int(not done.success), list(getattr(done.result, "results", None) or [])


class DbtStopped(Exception):
    """dbt gave up before it ran its nodes: the project, the connection, or dbt itself."""

    def __init__(self, cause: BaseException) -> None:
        from dbt_common.exceptions import DbtDatabaseError

        # A file that is not UTF-8 stops dbt before it could say which one.
        found = unreadable_seeds() if isinstance(cause, UnicodeDecodeError) else []
        super().__init__("; ".join(found) or one_line(cause))
        self.exit_code = UNREACHABLE if isinstance(cause, DbtDatabaseError) else USAGE


def one_line(message: object) -> str:
    """What PostgreSQL or dbt says, in one line, without the trail of SQL and macros that they hang on."""
    return " ".join(re.split("> in macro |CONTEXT:  ", str(message))[0].split())


def build(outcome: Outcome, dbt: Dbt, conn: psycopg.Connection[Any]) -> bool:
    """Run `dbt build` without the unit tests; true if every model, seed and error-level test passed."""
    outcome.build = "stopped"  # unless dbt comes back
    code, results = dbt("build", "--exclude-resource-type", "unit_test")
    outcome.build = "failed" if code else "done"
    outcome.tests = {"passed": 0, "warned": 0, "failed": 0}
    for result in results:
        kind, status = str(result.node.resource_type), str(result.status)
        if kind == "test":
            outcome.tests[{"pass": "passed", "warn": "warned"}.get(status, "failed")] += status != "skipped"
        elif kind == "model" and result.node.config.materialized == "incremental":
            outcome.rederived[result.node.name] = rows_written(result, conn)
        if status in ("error", "fail", "warn"):
            # What keeps dbt from reading a seed it tells without the line, or with another.
            file = unreadable(ROOT / result.node.original_file_path) if kind == "seed" else None
            outcome.problems.append(
                f"{kind} {result.node.name}: {status}: {file or one_line(result.message or '')}"
            )
    if code:
        outcome.fail(code)
    return not code


def rows_written(result: Any, conn: psycopg.Connection[Any]) -> int:
    """How many rows an incremental model wrote; all of them if this run created its table."""
    if str(result.status) == "success" and result.adapter_response.get("code") == "ALTER TABLE":
        name = sql.Identifier(result.node.schema, result.node.name)
        return int(scalar(conn, sql.SQL("select count(*) from {}").format(name)))
    return max(0, result.adapter_response.get("rows_affected") or 0)


def freshness(outcome: Outcome, dbt: Dbt) -> None:
    """Run `dbt source freshness`: the worst status of the sources."""
    code, results = dbt("source", "freshness")
    results = [result for result in results if result.node.resource_type == "source"]
    states = [str(result.status) for result in results]
    outcome.freshness = next((s for s in ("runtime error", "error", "warn") if s in states), "pass")
    for result in results:
        if str(result.status) != "pass":
            told = result.message or ""
            if newest := getattr(result, "max_loaded_at", None):  # the year 1 if there is none
                age = f"newest load is {result.age / 3600:.1f} h old"
                told = age if newest.year > 1 else "no load has worked yet"
            outcome.problems.append(f"source {result.node.name}: freshness {result.status}: {told}")
    if code:
        outcome.fail(code)


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
        looked_at = scalar(conn, "select clock_timestamp()::text")
        inputs = inputs_digest(conn, readers)
        unchanged = inputs is not None and last_build(conn) == f"{inputs}/{catalogue_digest(conn)}"
        dbt = None
        if unchanged and not options.force:
            confirm_build(conn, looked_at)
            outcome.build = "skipped: nothing changed since the last one"
        else:
            with outcome.step("build"):
                dbt = Dbt(state, readers)
                if build(outcome, dbt, conn) and inputs:
                    keep_build(conn, f"{inputs}/{catalogue_digest(conn)}")
        if dbt is None and surely_fresh(conn):
            outcome.freshness = "pass"
            return
        with outcome.step("freshness"):
            freshness(outcome, dbt or Dbt(state, readers))


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
        outcome.fail(USAGE, str(error))
    except psycopg.OperationalError as error:
        outcome.fail(*explain(error))
    except psycopg.Error as error:
        outcome.fail(1, f"database refused: {one_line(error)}")
    except DbtStopped as error:
        outcome.build = "failed"
        outcome.fail(error.exit_code, f"dbt stopped: {error}")
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
        "--force", action="store_true", help="run dbt even if nothing changed since the last build"
    )
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
