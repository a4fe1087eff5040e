"""`make bench`: where the time goes, as ratios to references measured in the same run.

BENCH_N (default 100000) is the number of fills in the history, BENCH_REPEAT (default 3) how often each phase
runs; the median counts. Prints one table and writes bench/results.json and docs/bench.svg.
"""

from __future__ import annotations

import csv
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench import feed
from bench.harness import BIN, ROOT, Bench, Run, median, middle, table
from bench.plot import plot
from demo import servers

N = int(os.environ.get("BENCH_N", "100000"))
REPEAT = int(os.environ.get("BENCH_REPEAT", "3"))
SMALL = 10_000
SNAPSHOT = "fuel_records/latest.json"
BUCKETS = ("fuel", "fuel-unchanged", "fuel-changed", "fuel-small", "fuel-hour")


def in_turn(*measures: Callable[[], Run], times: int = REPEAT) -> list[Run]:
    """The median run of each phase, measured in turn: a slow minute of the machine meets all of them."""
    rounds = [[measure() for measure in measures] for _ in range(times)]
    return [median(runs) for runs in zip(*rounds, strict=True)]


def landing(bench: Bench, records: list[dict[str, Any]]) -> None:
    """First load, unchanged and slightly changed snapshots, the same ETag; and the same by dlt."""
    count = len(records)
    bench.put("fuel", SNAPSHOT, feed.envelope(records))
    bench.put("fuel-unchanged", SNAPSHOT, feed.envelope(records, hour=1))
    some = [feed.edited(r) if r["id"] % 100 == 0 else r for r in records]
    bench.put("fuel-changed", SNAPSHOT, feed.envelope(some, hour=1))
    rows_file = bench.work / "rows.tsv"
    with rows_file.open("wb") as output:
        for record in records:
            raw = msgspec.json.encode(record).replace(b"\\", b"\\\\")
            output.write(b"%d\t%b\n" % (record["id"], raw))

    def copy() -> Run:
        database = bench.create("bench_copy")
        with bench.pg.connect(database, autocommit=True) as conn:
            conn.execute("create table rows (id text primary key, raw jsonb not null)")
        copy = [str(bench.pg.bindir / "psql"), "-qc", f"\\copy rows from '{rows_file}'"]
        return bench.run(copy, bench.env(database))

    def again(bucket: str) -> Run:
        return bench.loader(bench.create("bench_again", "landed"), bucket, "--snapshot")

    copied, first = in_turn(copy, lambda: bench.loader(bench.create("landed"), "fuel", "--snapshot"))
    bench.add("psql \\copy of pre-made (id, raw) rows", copied, count)
    bench.add("first load of the snapshot", first, count, ("psql \\copy", copied.seconds, 2.2))
    bench.settle("landed")
    unchanged, changed = in_turn(partial(again, "fuel-unchanged"), partial(again, "fuel-changed"))
    against = ("first load", first.seconds)
    bench.add("snapshot, new ETag, nothing changed", unchanged, count, (*against, 0.45))
    bench.add("snapshot, new ETag, 1 % changed", changed, count, (*against, 0.5))
    usage, same = in_turn(
        lambda: bench.run([sys.executable, "-m", "loader", "--help"], bench.env("landed")),
        lambda: bench.loader("landed", "fuel", "--snapshot"),
        times=3 * REPEAT,  # half a second each: more often, for the ratio's sake
    )
    bench.add("snapshot, same ETag", same, None, ("loader --help", usage.seconds, 1.5))
    python = dlt_python()
    if python is not None:
        dlt(bench, python, count, first, unchanged)


def dlt_python() -> Path | None:
    """The Python of dlt's own virtual environment, or None with a message where it cannot be installed."""
    folder = ROOT / ".bench" / "dlt"
    python = folder / "bin" / "python"
    wanted = ["dlt[postgres]", "pyarrow", "adbc-driver-postgresql", "adbc-driver-manager", "boto3"]
    if not (folder / ".installed").exists():
        print("  installing dlt in an environment of its own …", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True, capture_output=True)
            (folder / ".installed").touch()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"  dlt is left out: it could not be installed here ({error})", flush=True)
            return None
    return python


def dlt(bench: Bench, python: Path, count: int, first: Run, unchanged: Run) -> None:
    """Dlt's merge of the same snapshot, by default and by its fastest documented way."""

    def peer(way: str, database: str, bucket: str) -> Run:
        env = {
            **bench.env(database, bucket),
            "DLT_PIPELINES_DIR": str(bench.work / f"dlt-{database}"),
            "DLT_URL": f"postgresql://postgres:none@127.0.0.1:{bench.pg.port}/{database}",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        return bench.run([python, ROOT / "bench" / "dlt_peer.py", way, SNAPSHOT], env, bench.work)

    databases: list[str] = []

    def from_nothing(way: str) -> Run:
        databases.append(bench.create(f"bench_dlt_{way}_{len(databases)}"))
        return peer(way, databases[-1], "fuel")

    [slow] = in_turn(partial(from_nothing, "default"))
    [fastest] = in_turn(partial(from_nothing, "fastest"))
    [again] = in_turn(lambda: peer("fastest", databases[-1], "fuel-unchanged"))
    bench.add("dlt, fastest: first load", fastest, count)
    bench.add("dlt, fastest: the same snapshot again", again, count)
    bench.add("dlt, default: first load", slow, count)
    bench.add("first load of the snapshot", first.seconds, count, ("dlt, fastest", fastest.seconds, 0.9))
    bench.add("first load of the snapshot", first.seconds, count, ("dlt, default", slow.seconds, 0.15))
    bench.add("snapshot, nothing changed", unchanged.seconds, count, ("dlt, fastest", again.seconds, 0.5))


def first_time(bench: Bench, count: int) -> None:
    """The whole job on an empty database against the trigger-derived design; its models one by one.

    The reference of fuel.records is its own SQL in one plain statement, in a database that has all it reads.
    """
    models: dict[str, list[float]] = {"records": [], "fill_intervals": []}

    def whole() -> Run:
        done = bench.hourly(bench.create("built"), "fuel")
        for name, seconds in models.items():
            seconds.append(bench.model_seconds(name, "built"))
        return done

    def up_to_fills() -> Run:
        """What both designs have: landing and derived columns. The view of fills needs intervals, too."""
        database = bench.create("bench_fills")
        landed = bench.loader(database, "fuel", "--snapshot")
        # Cautious: without the tests that need other reports, too.
        select = ("--select", "+records", "--indirect-selection", "cautious")
        return landed.then(bench.dbt(database, "build", *select, "--exclude-resource-type", "unit_test"))

    database = bench.create("reference", "landed")
    bench.dbt(database, "build", "--select", "resource_type:function", "resource_type:seed")
    bench.dbt(database, "compile", "--select", "records")
    compiled = (bench.state(database) / "target/compiled/fleetfuel/models/fuel/records.sql").read_text()
    statements = bench.work / "reference.sql"
    statements.write_text(f"create table fuel.reference as {compiled};\ndrop table fuel.reference;\n")
    as_select = [bench.pg.bindir / "psql", "-qf", statements, "-v", "ON_ERROR_STOP=1"]

    trigger, job, fills, reference = in_turn(
        lambda: trigger_import(bench, trigger_database(bench), "fuel"),
        whole,
        up_to_fills,
        lambda: bench.run(as_select, bench.env(database)),
    )
    for name in ("built", "bench_trigger"):
        bench.settle(name)
    bench.add("trigger design: first import", trigger, count)
    against = ("trigger design", trigger.seconds, 0.7)
    bench.add("whole job, bucket to reports, first time", job, count, against)
    against = ("trigger design", trigger.seconds, None)
    bench.add("of it, bucket to v_fuel_fills: what both designs have", fills, count, against)
    bench.add("create table as select, the same expressions", reference, count)
    first = middle(models["records"])
    against = ("create table as", reference.seconds, 1.5)
    bench.add("first derivation of fuel.records (model)", first, count, against)
    bench.add("first derivation of fuel.fill_intervals (model)", middle(models["fill_intervals"]), count)
    # What a fill costs, dbt's start included: it is small here.
    for name in models:
        bench.add(f"dbt run --select {name}", bench.dbt(database, "run", "--select", name), count)

    project = bench.work / "project"
    project.mkdir()
    for part in ("dbt_project.yml", "profiles.yml", "models", "macros", "functions", "seeds", "tests"):
        subprocess.run(["cp", "-r", ROOT / part, project / part], check=True)
    aliases = project / "seeds" / "department_aliases.csv"
    aliases.write_text(f"{aliases.read_text().rstrip()}\n{feed.RARE_DEPARTMENT},Logistics\n")

    def alias_edit() -> float:
        database = bench.create("bench_alias", "built")
        bench.dbt(database, "build", "--exclude-resource-type", "unit_test", cwd=project)
        return bench.model_seconds("records", database)

    edit = middle([alias_edit() for _ in range(REPEAT)])
    against = ("first derivation", first, 0.1)
    bench.add("alias edit touching 1 % (fuel.records' own time)", edit, count // 100, against)


def hourly(bench: Bench, records: list[dict[str, Any]]) -> None:
    """An hour with a delta of 100, on the whole history and on 10,000; an hour with nothing to do."""
    small = list(feed.records(SMALL))
    bench.put("fuel-small", SNAPSHOT, feed.envelope(small))
    bench.hourly(bench.create("small"), "fuel-small")
    bench.create("large", "built")
    for database in ("small", "large"):
        # The tests of a build look at what the last day's loads brought: that is not the history.
        with bench.pg.connect(database, autocommit=True) as conn:
            conn.execute("update fuel.loads set started_at = started_at - interval '2 days'")
    hours = iter(range(1, 500))

    def delta(database: str, bucket: str, history: list[dict[str, Any]]) -> Run:
        number = next(hours)
        step = max(len(history) // 100, 1)
        items = [feed.edited(r, number) for r in history[number % step :: step]][:100]
        stamp = f"2026-11-{1 + number // 24:02d}T{number % 24:02d}-00-00Z"
        bench.put(bucket, f"fuel_records/changes/{stamp}.json", feed.envelope(items, hour=number))
        return bench.hourly(database, bucket)

    deltas = partial(delta, "small", "fuel-small", small), partial(delta, "large", "fuel", records)
    in_turn(*deltas, times=1)  # which has dbt parse the project for each of the two
    on_small, on_large = in_turn(*deltas)
    against = ("on 10,000", on_small.seconds, 1.3)
    bench.add("hour with a delta of 100, loader + dbt", on_large, 100, against)
    [idle] = in_turn(lambda: bench.hourly("large", "fuel"))
    bench.add("hour with nothing to do", idle)
    bench.add("dbt --version", bench.run([BIN / "dbt", "--version"], bench.env("large")))


READS = {
    "one vehicle's last 90 days of fills (p95)": (
        "select * from reporting.v_fuel_fills where plate = %(plate)s"
        " and filled_at >= timestamptz '2026-11-01' - interval '90 days'", 0.010),
    "one vehicle's last 90 days of efficiency (p95)": (
        "select * from reporting.v_fuel_efficiency where plate = %(plate)s"
        " and filled_at >= timestamptz '2026-11-01' - interval '90 days'", 0.010),
    "the fleet's last month of fills": (
        "select * from reporting.v_fuel_fills where filled_at >= timestamptz '2026-10-01'", 0.200),
    "anomalies of the last 30 days": (
        "select * from reporting.v_fuel_anomalies where filled_at >= timestamptz '2026-10-02'", 0.500),
    "monthly spend of a year": (
        "select * from reporting.v_fuel_spend_monthly where month >= date '2025-11-01'", 1.500),
}  # fmt: skip


def reads(bench: Bench) -> dict[str, list[str]]:
    """The reads of dashboards, until all their rows have arrived; gives their plans."""
    plans = {}
    bench.settle("large")
    gc.collect()
    gc.freeze()  # a dashboard has no feed of a whole history in memory to look through
    with bench.pg.connect("large", autocommit=True) as conn:
        plates = [
            row[0]
            for row in conn.execute("select distinct plate from fuel.records order by plate").fetchall()
        ]
        rng = random.Random(7)
        for name, (sql, bar) in READS.items():
            single = "%(plate)s" in sql
            explain = f"explain (analyze, buffers, costs off) {sql}"
            plan = conn.execute(explain, {"plate": plates[0]} if single else None).fetchall()  # type: ignore[arg-type]
            plans[name] = [line for (line,) in plan]
            arrived, fetched = [], []
            for _ in range(205 if single else 6):
                started = time.perf_counter()
                rows = conn.execute(sql, {"plate": rng.choice(plates)} if single else None)  # type: ignore[arg-type]
                arrived.append(time.perf_counter() - started)
                rows.fetchall()
                fetched.append(time.perf_counter() - started)
            times = sorted(arrived[5:] if single else arrived[1:])
            seconds = times[int(len(times) * 0.95)] if single else middle(times)
            bench.add(name, seconds, None, ("its bar in seconds", bar, 1.0))
            if not single:
                bench.add(f"{name}, as Python objects", middle(fetched[1:]))
    return plans


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
    bench.put("fuel-hour", SNAPSHOT, feed.envelope(some, hour=2))
    theirs, ours = in_turn(
        lambda: trigger_import(bench, bench.create("bench_hour", "bench_trigger"), "fuel-hour"),
        lambda: bench.hourly(bench.create("bench_hour", "built"), "fuel-hour"),
    )
    bench.add("trigger design: hourly snapshot, 100 changed", theirs, count)
    bench.add("hourly snapshot, 100 changed", ours, count, ("trigger design", theirs.seconds, 0.3))
    against = ("trigger design, WAL", theirs.wal_bytes, 0.02)
    bench.add("hourly snapshot, 100 changed: WAL", ours, count, against, ours.wal_bytes)


def unused_indexes(bench: Bench) -> list[str]:
    """Indexes of fuel.* that neither a build nor a read of this run used and that keep nothing unique."""
    with bench.pg.connect("large", autocommit=True) as conn:
        found = conn.execute(
            "select case when indexprs is null then substring(pg_get_indexdef(indexrelid) from ' ON (.*)')"
            " else indexrelname end"
            " from pg_stat_user_indexes as i join pg_index as x using (indexrelid)"
            " where i.idx_scan = 0 and not x.indisunique and i.schemaname = 'fuel' order by 1"
        ).fetchall()
    return [row[0] for row in found]


def main() -> None:
    """Run every phase and write the results."""
    settings = {"listen_addresses": "127.0.0.1", "max_wal_size": "8GB", "shared_buffers": "1GB"}
    with (
        tempfile.TemporaryDirectory(prefix="fleetfuel-bench-") as folder,
        servers.postgres(settings=settings) as pg,
        servers.s3() as s3,
    ):
        bench = Bench(pg, s3, Path(folder))
        for name in BUCKETS:
            s3.client().create_bucket(Bucket=name)
        print(f"{N:,} fills; every phase {REPEAT} times, the median counts", flush=True)
        records = list(feed.records(N))
        with pg.connect("template1", autocommit=True) as conn:
            conn.execute((ROOT / "demo" / "devices.sql").read_text())  # type: ignore[arg-type]
            conn.cursor().executemany(
                "insert into tracksolid.devices (imei, vehicle_number, cost_centre, assigned_city, is_active)"
                " values (%s, %s, %s, %s, true)",
                feed.devices(records),
            )
        landing(bench, records)
        first_time(bench, N)
        hourly(bench, records)
        plans = reads(bench)
        hourly_snapshot(bench, records)
        unused = unused_indexes(bench)
        print("\n" + table(bench.rows))
        print(f"\nindexes that nothing used: {', '.join(unused) or 'none'}")
        results = {
            "fills": N,
            "unused_indexes": unused,
            "plans": plans,
            "rows": [asdict(r) | {"ratio": r.ratio} for r in bench.rows],
        }
        (ROOT / "bench" / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        (ROOT / "docs" / "bench.svg").write_text(plot(N, bench.rows))


if __name__ == "__main__":
    main()
