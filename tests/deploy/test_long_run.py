"""Days of the job in minutes: quiet hours, deltas, snapshots, kills, crashes of the server, a full disk.

It ends equal to a job that was installed today and ran once on the same bucket.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from demo import servers
from tests.conftest import ROOT, Bucket, Database, fresh_database
from tests.deploy.conftest import SNAPSHOT, Job, copy_source, record, snapshot

VIEWS = (
    "v_fuel_fills", "v_fuel_efficiency", "v_fuel_spend_monthly", "v_fuel_anomalies", "v_unmapped_values"
)  # fmt: skip


@dataclass
class Site:
    """A server whose data outlive it, and the job on it."""

    data: Path
    job: Job
    hours: int = 0

    @contextlib.contextmanager
    def up(self) -> Iterator[Job]:
        """The server for a while, and the job as it reaches it."""
        with servers.postgres(data=self.data) as server:
            self.job = replace(self.job, database=Database(server, "postgres"))
            yield self.job

    def delta(self, *records: dict[str, Any]) -> None:
        """The next hour's delta."""
        self.hours += 1
        key = f"fuel_records/changes/2026-11-21T{self.hours:02}-00-00Z.json"
        self.job.bucket.put(key, json.dumps(records).encode())


def changed(number: int, hour: int, **fields: Any) -> dict[str, Any]:
    return record(number, updated_at=f"2026-11-21T{hour:02}:00:00.000Z", **fields)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the server may enter, which does not run as root; pytest shuts its own time and again."""
    folder = Path(tempfile.mkdtemp(prefix="fleetfuel-long-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def site(bucket: Bucket, tmp_path: Path, open_folder: Path) -> Site:
    source = copy_source(tmp_path / "src")
    nowhere = Database(servers.Postgres("", 0, "postgres", servers.WHEEL_BINDIR), "postgres")
    return Site(open_folder / "data", Job(nowhere, bucket, source, tmp_path / "state"))


def at_work(job: Job, table: str, then: Callable[[subprocess.Popen[str]], None]) -> int:
    """Do something to a run that waits for a lock on `table`; gives its exit code."""
    with job.database.connect(autocommit=True) as conn:
        conn.execute(f"begin; lock table {table} in access exclusive mode")  # type: ignore[arg-type]
        process = job.start("--log-format", "json")
        waiting = f"select 1 from pg_locks where not granted and relation = '{table}'::regclass"
        while not conn.execute(waiting).fetchall():  # type: ignore[arg-type]
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        then(process)
        with contextlib.suppress(Exception):  # the server may have gone
            conn.execute("rollback")
    process.communicate(timeout=120)
    return process.returncode


def contents(job: Job) -> dict[str, list[str]]:
    """The views as people see them, without the times of loads."""
    return {
        view: sorted(
            str(row)
            for (row,) in job.database.query(f"select to_jsonb(v) - 'loaded_at' from reporting.{view} as v")
        )
        for view in VIEWS
    }


def test_days_of_all_kinds_end_as_a_clean_run(site: Site) -> None:
    put, bucket = site.job.bucket.put, site.job.bucket
    fleet = [record(number) for number in range(60)]
    with site.up() as job:
        job.database.query((ROOT / "demo" / "devices.sql").read_text())
        put(SNAPSHOT, snapshot(fleet))
        assert job()[0] == 0
        # A delta and an empty one; then one whose loader is killed outright, and one whose build is.
        site.delta()
        site.delta(changed(3, 2, litres="50"), record(100))
        site.delta(changed(4, 3, litres="41"), record(101))
        assert at_work(job, "fuel.records_raw", lambda process: process.kill()) == -signal.SIGKILL
        site.delta(record(102, department="Slaes"))
        assert at_work(job, "fuel.fill_intervals", lambda process: process.kill()) == -signal.SIGKILL
        # The next run tells of both.
        code, outcome, errors = wait_for_turn(job)
        assert (code, outcome["records"]["inserted"], outcome["objects"]) == (0, 3, 4), f"{outcome} {errors}"
        # One that is told to end, amid the build.
        site.delta(changed(5, 5, odometer="190,000 km"))
        assert at_work(job, "fuel.fill_intervals", lambda process: process.terminate()) == 143
        site.delta(changed(6, 6, deleted_at="2026-11-21T06:00:00.000Z"))

        # The server itself crashes, with a run at work.
        def crash(_process: subprocess.Popen[str]) -> None:
            os.kill(postmaster(site), signal.SIGQUIT)

        assert at_work(job, "fuel.fill_intervals", crash) in (1, 2, 69)
    with site.up() as job:
        # A new snapshot without two of the records, and a refused object; then an edited list.
        later = [each for each in fleet if each["id"] not in (7, 8)]
        put(SNAPSHOT, snapshot([*later, record(100), record(101), record(102)], "2026-11-21T08:30:00.000Z"))
        put("fuel_records/changes/2026-11-21T09-00-00Z.json", b'{"records": [')
        code, outcome, errors = job()
        assert (code, outcome["build"]) == (1, "done"), f"{outcome} {errors}"
        bucket.delete("fuel_records/changes/2026-11-21T09-00-00Z.json")
        aliases = job.source / "seeds" / "department_aliases.csv"
        aliases.write_text(aliases.read_text() + "slaes,Sales\n")
        code, outcome, errors = job()
        assert (code, outcome["build"]) == (0, "done"), f"{outcome} {errors}"
        # And a quiet hour says one line.
        done = job.raw()
        assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")
        lived = contents(job)
        with fresh_database(job.database.server) as database:
            database.query((ROOT / "demo" / "devices.sql").read_text())
            clean = replace(job, database=database, state=job.state.with_name("clean"))
            assert clean()[0] == 0
            assert contents(clean) == lived
    assert len(lived["v_fuel_fills"]) == 60


def postmaster(site: Site) -> int:
    """The process of the server, as its lock file says."""
    [(folder,)] = site.job.database.query("show data_directory")
    return int((Path(folder) / "postmaster.pid").read_text().split()[0])


def wait_for_turn(job: Job) -> tuple[int, dict[str, Any], str]:
    """A run after a kill: the server may need a moment to see that the session of the killed one has gone."""
    for _ in range(20):
        code, outcome, errors = job()
        if not outcome["status"].startswith("skipped"):
            return code, outcome, errors
        time.sleep(0.5)
    raise AssertionError(outcome)


@pytest.fixture
def small_disk(open_folder: Path) -> Iterator[Path]:
    """A file system of 160 MB, where one can be had."""
    folder = open_folder / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_disk_that_fills_up_loses_nothing(site: Site, small_disk: Path) -> None:
    site.data = small_disk / "data"
    with site.up() as job:
        job.database.query((ROOT / "demo" / "devices.sql").read_text())
        job.bucket.put(SNAPSHOT, snapshot([record(number) for number in range(30)]))
        assert job()[0] == 0
        before = contents(job)
        ballast = small_disk / "ballast"
        with ballast.open("wb") as file, contextlib.suppress(OSError):
            file.write(b"\0" * (shutil.disk_usage(small_disk).free - 3_000_000))
        site.delta(*(record(number, message="x" * 2000) for number in range(1000, 8000)))
        code, outcome, errors = job()
        assert code in (1, 69), f"{outcome} {errors}"
        assert "No space left" in errors + str(outcome["problems"])
        assert contents(job) == before
        ballast.unlink()
        code, outcome, errors = job()
        assert code == 0, f"{outcome} {errors}"
        assert job.database.query("select count(*) from reporting.v_fuel_fills") == [(7030,)]
