"""`make bench`: where the time goes, as ratios to references measured in the same run.

BENCH_N (default 100000) is the number of fills in the history, BENCH_REPEAT (default 3) how often each phase
runs; the median counts. Prints one table and writes bench/results.json and docs/bench.svg.
"""

from __future__ import annotations

import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from bench import feed
from bench.plot import plot
from demo import servers

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
N = int(os.environ.get("BENCH_N", "100000"))
REPEAT = int(os.environ.get("BENCH_REPEAT", "3"))
SMALL = 10_000
SNAPSHOT = "fuel_records/latest.json"


@dataclass
class Row:
    """One line of the table: a phase, its median seconds and its ratio to the reference of the same run."""

    phase: str
    seconds: float
    rows: int | None = None
    reference: str | None = None
    reference_seconds: float | None = None
    bar: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.seconds / self.reference_seconds if self.reference_seconds else None


@dataclass
class Bench:
    """The private servers, the feed, and the rows measured so far."""

    pg: servers.Postgres
    s3: servers.S3
    work: Path
    rows: list[Row] = field(default_factory=list)

    def env(self, database: str, bucket: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.work),
            "DBT_TARGET_PATH": str(self.work / "target"),
            "DBT_LOG_PATH": str(self.work / "logs"),
            "FUEL_STATE_DIR": str(self.work / "state"),
            **self.pg.env(database),
            **self.s3.env(bucket),
        }

    def put(self, bucket: str, key: str, body: bytes) -> None:
        self.s3.client().put_object(Bucket=bucket, Key=key, Body=body)

    def create(self, database: str, template: str = "template1") -> str:
        with self.pg.connect(autocommit=True) as conn:
            conn.execute(f"drop database if exists {database} with (force)")  # type: ignore[arg-type]
            conn.execute(f"create database {database} template {template} strategy file_copy")  # type: ignore[arg-type]
        return database

    def add(self, row: Row) -> Row:
        self.rows.append(row)
        ratio = f"{row.ratio:6.2f} x {row.reference}" if row.ratio else ""
        print(f"  {row.phase:<58} {row.seconds:9.3f} s {ratio} {row.note}", flush=True)
        return row

    def loader(self, database: str, bucket: str, *args: str) -> float:
        return run([sys.executable, "-m", "loader", *args, "--apply"], self.env(database, bucket))

    def hourly(self, database: str, bucket: str) -> float:
        return run([sys.executable, "-m", "deploy.hourly"], self.env(database, bucket))

    def build(self, database: str, *args: str, cwd: Path = ROOT) -> float:
        command = [str(BIN / "dbt"), "build", "--exclude-resource-type", "unit_test", *args]
        return run(command, self.env(database, "fuel"), cwd)

    def model_seconds(self, name: str) -> float:
        """The time that dbt's last run took for one model."""
        results = json.loads((self.work / "target" / "run_results.json").read_text())["results"]
        found: float = next(
            r["execution_time"] for r in results if r["unique_id"] == f"model.fleetfuel.{name}"
        )
        return found

    def wal_bytes(self, database: str, work: Callable[[], Any]) -> int:
        with self.pg.connect(database, autocommit=True) as conn:
            before = conn.execute("select pg_current_wal_insert_lsn()").fetchone()[0]  # type: ignore[index]
            work()
            row = conn.execute("select pg_current_wal_insert_lsn() - %s::pg_lsn", [before]).fetchone()
            return int(row[0])  # type: ignore[index]


def run(command: list[str], env: dict[str, str], cwd: Path = ROOT, allowed: tuple[int, ...] = (0,)) -> float:
    """Run a command to its end and give its seconds as a whole process."""
    started = time.perf_counter()
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if done.returncode not in allowed:
        raise SystemExit(
            f"{' '.join(command)} exited {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return seconds


def median(measure: Callable[[], float], repeat: int = REPEAT) -> float:
    """The median of some runs."""
    return statistics.median(measure() for _ in range(repeat))


def landing(bench: Bench, records: list[dict[str, Any]]) -> None:
    """First load, unchanged and slightly changed snapshots, the same ETag; and the same by dlt."""
    count = len(records)
    body = feed.envelope(records)
    bench.put("fuel", SNAPSHOT, body)
    rows_file = bench.work / "rows.tsv"
    with rows_file.open("wb") as output:
        for record in records:
            raw = msgspec.json.encode(record).replace(b"\\", b"\\\\")
            output.write(b"%d\t%b\n" % (record["id"], raw))

    def copy() -> float:
        database = bench.create("bench_copy")
        with bench.pg.connect(database, autocommit=True) as conn:
            conn.execute("create table rows (id text primary key, raw jsonb not null)")
        return run(
            [str(bench.pg.bindir / "psql"), "-qc", f"\\copy rows from '{rows_file}'"],
            bench.env(database, "fuel"),
        )

    def first() -> float:
        return bench.loader(bench.create("bench_first"), "fuel", "--snapshot")

    copied = median(copy)
    bench.add(Row("psql \\copy of pre-made (id, raw) rows", copied, count))
    first_load = median(first)
    bench.add(Row("first load of the snapshot", first_load, count, "psql \\copy", copied, 2.2))
    bench.create("landed", "bench_first")

    def again(bucket: str) -> Callable[[], float]:
        return lambda: bench.loader(bench.create("bench_again", "landed"), bucket, "--snapshot")

    bench.put("fuel-unchanged", SNAPSHOT, feed.envelope(records, hour=1))
    unchanged = median(again("fuel-unchanged"))
    bench.add(Row("snapshot, new ETag, nothing changed", unchanged, count, "first load", first_load, 0.45))
    some = [feed.edited(r) if r["id"] % 100 == 0 else r for r in records]
    bench.put("fuel-changed", SNAPSHOT, feed.envelope(some, hour=1))
    changed = median(again("fuel-changed"))
    bench.add(Row("snapshot, new ETag, 1 % changed", changed, count, "first load", first_load, 0.5))
    usage = median(lambda: run([sys.executable, "-m", "loader", "--help"], bench.env("landed", "fuel")))
    same = median(lambda: bench.loader("landed", "fuel", "--snapshot"))
    bench.add(Row("snapshot, same ETag", same, None, "loader --help", usage, 1.5))
    with dlt_python(bench) as python:
        if python is not None:
            dlt(bench, python, count, first_load, unchanged)


@contextmanager
def dlt_python(bench: Bench) -> Iterator[Path | None]:
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
            yield None
            return
    yield python


def dlt(bench: Bench, python: Path, count: int, first_load: float, unchanged: float) -> None:
    """Dlt's merge of the same snapshot, by default and by its fastest documented way."""

    def peer(way: str, database: str, bucket: str) -> float:
        env = {
            **bench.env(database, bucket),
            "DLT_PIPELINES_DIR": str(bench.work / f"dlt-{database}"),
            "DLT_URL": f"postgresql://postgres:none@127.0.0.1:{bench.pg.port}/{database}",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        return run([str(python), str(ROOT / "bench" / "dlt_peer.py"), way, SNAPSHOT], env, bench.work)

    numbers = iter(range(1000))

    def first(way: str) -> float:
        return peer(way, bench.create(f"bench_dlt_{way}_{next(numbers)}"), "fuel")

    fastest = median(lambda: first("fastest"))
    bench.add(Row("dlt, fastest: first load", fastest, count))
    last = f"bench_dlt_fastest_{next(numbers) - 1}"
    again = median(lambda: peer("fastest", last, "fuel-unchanged"))
    bench.add(Row("dlt, fastest: the same snapshot again", again, count))
    slow = median(lambda: first("default"), 1 if count > 200_000 else REPEAT)
    bench.add(Row("dlt, default: first load", slow, count))
    bench.add(Row("first load", first_load, count, "dlt, fastest", fastest, 0.9))
    bench.add(Row("first load ", first_load, count, "dlt, default", slow, 0.15))
    bench.add(Row("unchanged snapshot", unchanged, count, "dlt, fastest, again", again, 0.5))


def derivation(bench: Bench, count: int) -> None:
    """The first derivation of fuel.records against one CTAS, and an alias edit that concerns 1 %."""

    def built() -> float:
        bench.build(bench.create("bench_built", "landed"))
        return bench.model_seconds("records")

    def as_select() -> float:
        database = bench.create("bench_ctas", "landed")
        bench.build(database, "--select", "resource_type:function", "resource_type:seed")
        run([str(BIN / "dbt"), "compile", "--select", "records"], bench.env(database, "fuel"))
        compiled = (bench.work / "target/compiled/fleetfuel/models/fuel/records.sql").read_text()
        with bench.pg.connect(database, autocommit=True) as conn:
            started = time.perf_counter()
            conn.execute(f"create table fuel.records_reference as {compiled}")  # type: ignore[arg-type]
            return time.perf_counter() - started

    first = median(built)
    bench.add(
        Row("first derivation of fuel.fill_intervals (model)", bench.model_seconds("fill_intervals"), count)
    )
    reference = median(as_select)
    bench.add(
        Row("first derivation of fuel.records (model)", first, count, "create table as", reference, 1.5)
    )
    project = bench.work / "project"
    project.mkdir()
    for part in ("dbt_project.yml", "profiles.yml", "models", "macros", "functions", "seeds", "tests"):
        subprocess.run(["cp", "-r", ROOT / part, project / part], check=True)
    aliases = project / "seeds" / "department_aliases.csv"
    original = aliases.read_text()

    def alias_edit() -> float:
        database = bench.create("bench_alias", "bench_built")
        aliases.write_text(original.rstrip("\n") + f"\n{feed.RARE_DEPARTMENT},Logistics\n")
        bench.build(database, cwd=project)
        return bench.model_seconds("records")

    edit = median(alias_edit)
    bench.add(Row("alias edit touching 1 % (model)", edit, count // 100, "first derivation", first, 0.1))


def hourly(bench: Bench, records: list[dict[str, Any]], small: list[dict[str, Any]]) -> None:
    """An hour with a delta of 100, on the whole history and on 10,000; an hour with nothing to do."""
    bench.put("fuel-small", SNAPSHOT, feed.envelope(small))
    bench.hourly(bench.create("small"), "fuel-small")
    bench.hourly(bench.create("large"), "fuel")

    def delta(database: str, bucket: str, history: list[dict[str, Any]]) -> float:
        number = next(hours)
        step = max(len(history) // 100, 1)
        items = [feed.edited(r, number) for r in history[number % step :: step]][:100]
        stamp = f"2026-11-{1 + number // 24:02d}T{number % 24:02d}-00-00Z"
        bench.put(bucket, f"fuel_records/changes/{stamp}.json", feed.envelope(items, hour=number))
        return bench.hourly(database, bucket)

    hours = iter(range(1, 500))
    delta("small", "fuel-small", small)
    delta("large", "fuel", records)
    on_small, on_large = [], []
    for _ in range(max(REPEAT, 3)):
        on_small.append(delta("small", "fuel-small", small))
        on_large.append(delta("large", "fuel", records))
    reference = statistics.median(on_small)
    bench.add(
        Row(
            "hour with a delta of 100, loader + dbt",
            statistics.median(on_large),
            100,
            "on 10,000",
            reference,
            1.3,
        )
    )
    idle = median(lambda: bench.hourly("large", "fuel"))
    usage = median(lambda: run([str(BIN / "dbt"), "--version"], bench.env("large", "fuel")))
    bench.add(Row("hour with nothing to do", idle, None, "dbt --version", usage))


def against_triggers(bench: Bench, records: list[dict[str, Any]]) -> None:
    """The whole job and an hourly snapshot with 100 changes, against the trigger-derived design."""
    count = len(records)
    body = (ROOT / "bench" / "trigger_design.sql").read_text()
    some = [feed.edited(r, 2) if r["id"] % max(count // 100, 1) == 0 else r for r in records]
    bench.put("fuel-hour", SNAPSHOT, feed.envelope(some, hour=2))

    def trigger(database: str, bucket: str) -> float:
        return run([sys.executable, "-m", "bench.trigger_design", SNAPSHOT], bench.env(database, bucket))

    def trigger_first() -> float:
        database = bench.create("bench_trigger")
        with bench.pg.connect(database, autocommit=True) as conn:
            conn.execute(body)  # type: ignore[arg-type]
            for name in ("department_aliases", "fuel_type_aliases"):
                with (ROOT / "seeds" / f"{name}.csv").open(newline="") as lines:
                    for alias, value in list(csv.reader(lines))[1:]:
                        row = "(legacy.alias_key(%s), %s)"
                        insert = f"insert into legacy.{name} values {row} on conflict do nothing"
                        conn.execute(insert, [alias, value])  # type: ignore[arg-type]
        return trigger(database, "fuel")

    def whole() -> float:
        return bench.hourly(bench.create("bench_whole"), "fuel-once")

    bench.put("fuel-once", SNAPSHOT, feed.envelope(records))
    first = median(trigger_first)
    bench.add(Row("trigger design: first import", first, count))
    bench.add(
        Row("whole job, bucket to reports, first time", median(whole), count, "trigger design", first, 0.7)
    )

    seconds: dict[str, list[float]] = {"ours": [], "trigger": []}
    wal: dict[str, list[int]] = {"ours": [], "trigger": []}
    for _ in range(REPEAT):
        for name, template, work in (
            ("trigger", "bench_trigger", trigger),
            ("ours", "bench_whole", bench.hourly),
        ):
            database = bench.create("bench_hour", template)
            with bench.pg.connect(autocommit=True) as conn:
                conn.execute("checkpoint")

            def timed(
                work: Callable[[str, str], float] = work, name: str = name, database: str = database
            ) -> None:
                seconds[name].append(work(database, "fuel-hour"))

            wal[name].append(bench.wal_bytes(database, timed))
    reference = statistics.median(seconds["trigger"])
    ours_seconds = statistics.median(seconds["ours"])
    bench.add(Row("hourly snapshot, 100 changed", ours_seconds, count, "trigger design", reference, 0.3))
    ours, theirs = statistics.median(wal["ours"]), statistics.median(wal["trigger"])
    bench.add(
        Row(
            "hourly snapshot, 100 changed: WAL megabytes",
            ours / 1e6,
            count,
            "trigger design",
            theirs / 1e6,
            0.02,
        )
    )


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


def reads(bench: Bench) -> None:
    """The reads of dashboards, in seconds, server and wire included."""
    with bench.pg.connect("large", autocommit=True) as conn:
        conn.execute("vacuum analyze")
        plates = [
            row[0]
            for row in conn.execute("select distinct plate from fuel.records order by plate").fetchall()
        ]
        rng = random.Random(7)
        for name, (sql, bar) in READS.items():
            single = "%(plate)s" in sql
            times = []
            for _ in range(205 if single else 6):
                started = time.perf_counter()
                conn.execute(sql, {"plate": rng.choice(plates)} if single else None).fetchall()  # type: ignore[arg-type]
                times.append(time.perf_counter() - started)
            times = sorted(times[5:] if single else times[1:])
            seconds = times[int(len(times) * 0.95)] if single else statistics.median(times)
            bench.add(Row(name, seconds, None, "bar in seconds", bar, 1.0))


def unused_indexes(bench: Bench) -> list[str]:
    """Indexes of fuel.* that neither a build nor a read of this run used and that keep nothing unique."""
    with bench.pg.connect("large", autocommit=True) as conn:
        found = conn.execute(
            "select i.indexrelname from pg_stat_user_indexes as i join pg_index as x using (indexrelid)"
            " where i.idx_scan = 0 and not x.indisunique and i.schemaname = 'fuel' order by 1"
        ).fetchall()
    return [row[0] for row in found]


def table(rows: list[Row]) -> str:
    """The table that the bench prints."""
    lines = [f"{'phase':<52} {'seconds':>9} {'rows/s':>10} {'ratio':>8}  {'bar':>6}  reference"]
    for row in rows:
        rate = f"{row.rows / row.seconds:,.0f}" if row.rows else ""
        ratio = f"{row.ratio:.3f}" if row.ratio else ""
        bar = "" if row.bar is None else f"{row.bar:g}"
        missed = row.bar is not None and row.ratio is not None and row.ratio > row.bar
        reference = (row.reference or "") + ("  missed" if missed else "")
        lines.append(f"{row.phase:<52} {row.seconds:>9.3f} {rate:>10} {ratio:>8}  {bar:>6}  {reference}")
    return "\n".join(lines)


def main() -> None:
    """Run every phase and write the results."""
    settings = {"listen_addresses": "127.0.0.1", "max_wal_size": "8GB", "shared_buffers": "1GB"}
    with (
        tempfile.TemporaryDirectory(prefix="fleetfuel-bench-") as folder,
        servers.postgres(settings=settings) as pg,
        servers.s3() as s3,
    ):
        bench = Bench(pg, s3, Path(folder))
        for name in ("fuel", "fuel-unchanged", "fuel-changed", "fuel-small", "fuel-hour", "fuel-once"):
            s3.client().create_bucket(Bucket=name)
        with pg.connect("template1", autocommit=True) as conn:
            conn.execute((ROOT / "demo" / "devices.sql").read_text())  # type: ignore[arg-type]
        print(f"{N:,} fills; every phase {REPEAT} times, the median counts", flush=True)
        records = list(feed.records(N))
        landing(bench, records)
        derivation(bench, N)
        hourly(bench, records, list(feed.records(SMALL)))
        reads(bench)
        against_triggers(bench, records)
        unused = unused_indexes(bench)
        print("\n" + table(bench.rows))
        print(f"\nindexes that nothing used: {', '.join(unused) or 'none'}")
        results = {
            "fills": N,
            "unused_indexes": unused,
            "rows": [asdict(r) | {"ratio": r.ratio} for r in bench.rows],
        }
        (ROOT / "bench" / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        (ROOT / "docs" / "bench.svg").write_text(plot(N, bench.rows))


if __name__ == "__main__":
    main()
