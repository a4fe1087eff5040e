"""The trigger-derived design that fleetfuel replaced: its database, its import, and an hour of both."""

from __future__ import annotations

import csv
import sys
from typing import Any

from bench import feed
from bench.harness import ROOT, SNAPSHOT, Bench, Run, in_turn


def trigger_database(bench: Bench) -> str:
    """An empty database of the trigger-derived design, with the project's aliases."""
    database = bench.create("bench_trigger")
    with bench.pg.connect(database, autocommit=True) as conn:
        conn.execute((ROOT / "bench" / "trigger_design.sql").read_text())  # type: ignore[arg-type]
        for name in ("department_aliases", "fuel_type_aliases"):
            with (ROOT / "seeds" / f"{name}.csv").open(newline="") as lines:
                for alias, value in list(csv.reader(lines))[1:]:
                    row = "(legacy.alias_key(%s), %s)"
                    insert = f"insert into legacy.{name} values {row} on conflict do nothing"
                    conn.execute(insert, [alias, value])  # type: ignore[arg-type]
    return database


def trigger_import(bench: Bench, database: str, bucket: str) -> Run:
    """The trigger-derived design importing a snapshot."""
    return bench.run([sys.executable, "-m", "bench.trigger_design", SNAPSHOT], bench.env(database, bucket))


def hourly_snapshot(bench: Bench, records: list[dict[str, Any]]) -> None:
    """An hourly full snapshot with 100 changes, against the trigger-derived design."""
    count = len(records)
    some = [feed.edited(r, 2) if r["id"] % max(count // 100, 1) == 0 else r for r in records]
    bench.put(bench.bucket("fuel-hour"), SNAPSHOT, feed.envelope(some, hour=2))
    theirs, ours = in_turn(
        lambda: trigger_import(bench, bench.create("bench_hour", "bench_trigger"), "fuel-hour"),
        lambda: bench.hourly(bench.create("bench_hour", "built"), "fuel-hour"),
    )
    bench.add("trigger design: hourly snapshot, 100 changed", theirs, count)
    bench.add("hourly snapshot, 100 changed", ours, count, ("trigger design", theirs.seconds, 0.3))
    against = ("trigger design, WAL", theirs.wal_bytes, 0.02)
    bench.add("hourly snapshot, 100 changed: WAL", ours, count, against, ours.wal_bytes)
