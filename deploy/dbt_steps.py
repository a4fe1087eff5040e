"""The steps of the hourly job that dbt does: the build, and the freshness of the sources."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg
from dbt.cli.main import dbtRunner
from dbt_common.exceptions import DbtDatabaseError
from dbt_common.invocation import get_invocation_id
from psycopg import sql

from deploy.outcome import Outcome, one_line
from deploy.seeds import unreadable_seeds
from deploy.settings import ROOT, UNREACHABLE, Unusable
from loader.connection import scalar


class Dbt:
    """dbt in this process, its files in `state`, silent on the console; the log file has everything."""

    def __init__(self, state: Path, readers: list[str]) -> None:
        self.common = [
            "--project-dir", str(ROOT), "--profiles-dir", str(ROOT),
            "--target-path", str(state / "target"), "--log-path", str(state / "logs"),
            "--log-level", "none", "--log-level-file", "info", "--no-use-colors", "--no-write-json",
            "--vars", json.dumps({"reader_roles": readers}) if readers else "{}",
        ]  # fmt: skip
        os.environ["PYTHON_DOTENV_DISABLED"] = (
            "1"  # dbt 1.12 takes up the .env of whatever folder it stands in
        )
        self.runner = dbtRunner()

    def __call__(self, *args: str) -> tuple[int, list[Any]]:
        """Run one dbt command: its exit code, and one result per node."""
        done = self.runner.invoke([*args, *self.common])
        if isinstance(done.exception, KeyboardInterrupt):
            raise KeyboardInterrupt
        if done.exception:
            raise DbtStopped(done.exception)
        return int(not done.success), list(getattr(done.result, "results", None) or [])


class DbtStopped(Unusable):
    """dbt gave up before it ran its nodes: the project, the connection, or dbt itself."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"dbt stopped: {one_line(cause)}")
        if isinstance(cause, DbtDatabaseError):
            self.exit_code = UNREACHABLE


def build(outcome: Outcome, dbt: Dbt, conn: psycopg.Connection[Any], schema: str) -> None:
    """Run `dbt build` without the unit tests, and without the seeds that dbt could not even read.

    Tests that warn look at what people typed in 24 hours: they are told by the first build of a day alone.
    """
    outcome.build = "stopped"  # unless dbt comes back
    warnings_are_due = not built_today(conn, schema)
    unreadable = unreadable_seeds()
    exclude = ["--exclude", *unreadable] if unreadable else []
    try:
        code, results = dbt("build", "--exclude-resource-type", "unit_test", *exclude)
    except DbtStopped:
        outcome.build = "failed"
        raise
    outcome.tests = {"passed": 0, "warned": 0, "failed": 0}
    # These lists stay as they last were, and all else is built; at its end dbt fails for those it refused.
    refused, failed = list(unreadable.values()), 0
    for result in results:
        kind, status = str(result.node.resource_type), str(result.status)
        if kind == "test":
            outcome.tests[{"pass": "passed", "warn": "warned"}.get(status, "failed")] += status != "skipped"
        elif kind == "model" and result.node.config.materialized == "incremental":
            outcome.rederived[result.node.name] = rows_written(result, conn)
        elif kind == "seed" and result.adapter_response.get("code") == "REFUSED":
            refused.append(result.message.removeprefix("REFUSED "))
        if kind == "operation" and refused:
            continue
        failed += status in ("error", "fail")
        if status in ("error", "fail") or (status == "warn" and warnings_are_due):
            outcome.problems.append(f"{kind} {result.node.name}: {status}: {one_line(result.message or '')}")
    outcome.build = "failed" if code and (failed or not refused) else "done"
    if unreadable:  # dbt itself knows nothing of these
        builds = sql.Identifier(schema, "builds")
        noted = "update {0} set seeds_refused = seeds_refused + %s where invocation_id = %s"
        conn.execute(sql.SQL(noted).format(builds), [len(unreadable), get_invocation_id()])
    for problem in refused:
        outcome.fail(1, problem)
    if code:
        outcome.fail(code)


def built_today(conn: psycopg.Connection[Any], schema: str) -> bool:
    """Whether a build has ended since midnight in Nairobi."""
    builds = sql.Identifier(schema, "builds")
    if not scalar(conn, "select to_regclass(%s)", [builds.as_string(conn)]):
        return False
    today = "date_trunc('day', statement_timestamp(), 'Africa/Nairobi')"
    query = f"select exists (select 1 from {{}} where finished_at is not null and started_at >= {today})"
    return bool(scalar(conn, sql.SQL(query).format(builds)))


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
                told = (
                    f"the newest is {result.age / 3600:.1f} h old" if newest.year > 1 else "there is none yet"
                )
            outcome.problems.append(f"source {result.node.name}: freshness {result.status}: {told}")
    if code:
        outcome.fail(code)
