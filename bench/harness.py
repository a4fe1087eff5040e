"""The tools of every phase of the bench: the servers, measured commands, and the table of results."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo import servers

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
TICKS = os.sysconf("SC_CLK_TCK")
N = int(os.environ.get("BENCH_N", "100000"))
REPEAT = int(os.environ.get("BENCH_REPEAT", "3"))
SNAPSHOT = "fuel_records/latest.json"
IN_SECONDS = "its bar in seconds"
# A small process in between, for Linux counts the memory of the starting process as the command's own.
PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
    " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


@dataclass(frozen=True)
class Run:
    """One command from start to end: seconds by the clock, CPU seconds of it and of PostgreSQL, WAL bytes."""

    seconds: float
    cpu_seconds: float
    wal_bytes: int

    def then(self, after: Run) -> Run:
        """Two commands, one after the other."""
        return Run(
            self.seconds + after.seconds,
            self.cpu_seconds + after.cpu_seconds,
            self.wal_bytes + after.wal_bytes,
        )


@dataclass
class Row:
    """One line of the table: a phase, its median run, and its ratio to the reference of the same run."""

    phase: str
    seconds: float
    rows: int | None = None
    reference: str | None = None
    reference_value: float | None = None
    bar: float | None = None
    value: float | None = None  # what is compared with the reference, if it is not the seconds
    cpu_seconds: float | None = None
    wal_bytes: int | None = None

    @property
    def ratio(self) -> float | None:
        value = self.seconds if self.value is None else self.value
        return value / self.reference_value if self.reference_value else None


@dataclass
class Bench:
    """The private servers and the rows measured so far."""

    pg: servers.Postgres
    s3: servers.S3
    work: Path
    rows: list[Row] = field(default_factory=list)

    def state(self, database: str) -> Path:
        """Where dbt keeps the parsed project: one per database, else each change of database parses anew."""
        return self.work / "state" / database

    def env(self, database: str, bucket: str = "fuel") -> dict[str, str]:
        """The environment of a measured command: no setting of this machine gets in."""
        state = self.state(database)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.work),
            "DBT_TARGET_PATH": str(state / "target"),
            "DBT_LOG_PATH": str(state / "logs"),
            "FUEL_STATE_DIR": str(state),
            "FUEL_EXPORT_MAX_MINUTES": "9999999",  # the feed ends two days ago
            **self.pg.env(database),
            **self.s3.env(bucket),
        }

    def bucket(self, name: str) -> str:
        """A new bucket."""
        self.s3.client().create_bucket(Bucket=name)
        return name

    def put(self, bucket: str, key: str, body: bytes) -> None:
        """Put an object."""
        self.s3.client().put_object(Bucket=bucket, Key=key, Body=body)

    def create(self, database: str, template: str = "template1") -> str:
        """A fresh database, where dbt has parsed nothing yet, or a copy of another one."""
        if template == "template1":
            shutil.rmtree(self.state(database), ignore_errors=True)
        with self.pg.connect(autocommit=True) as conn:
            conn.execute(f"drop database if exists {database} with (force)")  # type: ignore[arg-type]
            conn.execute(f"create database {database} template {template} strategy file_copy")  # type: ignore[arg-type]
        return database

    def settle(self, database: str) -> None:
        """Do what autovacuum does between two hours; else every copy's first reader would do it again."""
        with self.pg.connect(database, autocommit=True) as conn:
            conn.execute("vacuum analyze")

    def run(self, command: Sequence[str | Path], env: dict[str, str], cwd: Path = ROOT) -> Run:
        """Run a command to its end, from a checkpoint on."""
        with self.pg.connect(autocommit=True) as conn:
            conn.execute("checkpoint")
            lsn, server = self._lsn(conn), self._server_cpu()
            started = time.perf_counter()
            process = subprocess.Popen(
                command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            assert process.stdout
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said = f"{' '.join(map(str, command))} exited {process.returncode}"
                raise SystemExit(f"{said}:\n{output[-6000:]}")
            time.sleep(0.2)  # its server process is counted once it has ended
            cpu = usage.ru_utime + usage.ru_stime + self._server_cpu() - server
            return Run(seconds, cpu, self._lsn(conn) - lsn)

    def loader(self, database: str, bucket: str, *args: str) -> Run:
        """`python -m loader ARGS --apply`."""
        return self.run([sys.executable, "-m", "loader", *args, "--apply"], self.env(database, bucket))

    def peak_bytes(self, database: str, bucket: str) -> int:
        """The most memory that the loader held at once while it landed the snapshot."""
        load = [sys.executable, "-m", "loader", "--snapshot", "--apply"]
        measured = [sys.executable, "-c", PEAK, *load]
        done = subprocess.run(
            measured, env=self.env(database, bucket), cwd=ROOT, check=True, capture_output=True, text=True
        )
        return int(done.stdout) * 1024

    def hourly(self, database: str, bucket: str) -> Run:
        """The cron line: loader, `dbt build`, freshness."""
        return self.run([sys.executable, "-m", "deploy.hourly"], self.env(database, bucket))

    def dbt(self, database: str, *args: str, cwd: Path = ROOT) -> Run:
        """`dbt ARGS`."""
        return self.run([BIN / "dbt", *args], self.env(database), cwd)

    def model_seconds(self, name: str, database: str) -> float:
        """The time that the last run of dbt on a database took for one model, by its log."""
        said = (self.state(database) / "logs" / "dbt.log").read_text()
        return float(re.findall(rf"OK created .* model fuel\.{name} .* in ([0-9.]+)s", said)[-1])

    def add(
        self,
        phase: str,
        run: Run | float,
        rows: int | None = None,
        reference: tuple[str, float, float | None] | None = None,
        value: float | None = None,
    ) -> None:
        """Note a phase and print it; `reference` is a name, its value, and the bar for the ratio, if any."""
        name, against, bar = reference or (None, None, None)
        row = Row(phase, run if isinstance(run, float) else run.seconds, rows, name, against, bar, value)
        if isinstance(run, Run):
            row.cpu_seconds, row.wal_bytes = run.cpu_seconds, run.wal_bytes
        self.rows.append(row)
        ratio = f"{row.ratio:.3f} x {name}" if row.ratio else ""
        print(f"  {phase:<58} {row.seconds:9.3f} s {ratio}", flush=True)

    def _lsn(self, conn: Any) -> int:
        row = conn.execute("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        return int(row[0])

    def _server_cpu(self) -> float:
        """CPU seconds of PostgreSQL so far: the server, its children, and those that have ended."""
        stats = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                stats.append((path.parent.name, path.read_text().rpartition(") ")[2].split()))
            except OSError:  # it has just ended
                continue
        with self.pg.connect() as conn:
            row = conn.execute("select pg_read_file('postmaster.pid')").fetchone()
        assert row
        postmaster = str(row[0]).split()[0]
        own = [fields[11:15] for pid, fields in stats if pid == postmaster]
        children = [fields[11:13] for _, fields in stats if fields[1] == postmaster]
        return sum(int(ticks) for fields in own + children for ticks in fields) / TICKS


def median(runs: Iterable[Run]) -> Run:
    """The median of some runs, by the clock."""
    ordered = sorted(runs, key=lambda run: run.seconds)
    return ordered[(len(ordered) - 1) // 2]


def in_turn(*measures: Callable[[], Run], times: int = REPEAT) -> list[Run]:
    """The median run of each phase, measured in turn: a slow minute of the machine meets all of them."""
    rounds = [[measure() for measure in measures] for _ in range(times)]
    return [median(runs) for runs in zip(*rounds, strict=True)]


def middle(values: Sequence[float]) -> float:
    """The median of some figures."""
    return statistics.median(values)


def table(rows: list[Row]) -> str:
    """The table that the bench prints."""
    widths = (52, -9, -10, -10, -9, -7, -5, 0)
    lines = [("phase", "seconds", "rows/s", "CPU us/row", "WAL B/row", "ratio", "bar", "reference")]
    for row in rows:
        missed = row.bar is not None and row.ratio is not None and row.ratio > row.bar
        lines.append(
            (
                row.phase,
                f"{row.seconds:.4f}" if row.seconds < 0.1 else f"{row.seconds:.3f}",
                f"{row.rows / row.seconds:,.0f}" if row.rows else "",
                f"{row.cpu_seconds / row.rows * 1e6:.1f}" if row.rows and row.cpu_seconds is not None else "",
                f"{row.wal_bytes / row.rows:,.0f}" if row.rows and row.wal_bytes is not None else "",
                f"{row.ratio:.3f}" if row.ratio else "",
                "" if row.bar is None else f"{row.bar:g}",
                (row.reference or "") + ("  missed" if missed else ""),
            )
        )
    return "\n".join(
        "  ".join(
            text.ljust(width) if width >= 0 else text.rjust(-width)
            for text, width in zip(line, widths, strict=True)
        )
        for line in lines
    )
