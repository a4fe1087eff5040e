"""`make demo` and `make psql` on a copy of the project: what they print, and that nothing stays running."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from operator import attrgetter, eq
from pathlib import Path

import pytest

from demo.feed import generate
from demo.plants import LABELS
from demo.site import TEMPLATE_ADDRESSES
from tests.conftest import ROOT, copy_project

# One copy for the whole file, in order: interrupted runs first, so that the full one must start clean.


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in a folder that only we may enter, like a clone in root's home."""
    folder = copy_project(tmp_path_factory.mktemp("clone"))
    folder.chmod(0o700)
    for part in ("demo", "loader", "deploy", "report", "docs"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".env").write_text("DATABASE_URL=postgresql://nobody@production.invalid/fleet\n")
    return folder


ELSEWHERE = {
    "PGHOST": "production.invalid",
    "RUSTFS_ENDPOINT": "http://production.invalid",
    "FUEL_MAX_OBJECT_MB": "0",
    "AWS_PROFILE": "production",
    **dict.fromkeys(("HTTP_PROXY", "http_proxy"), "http://production.invalid:3128"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
}


def start(project: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *args],
        cwd=project,
        env={**os.environ, **ELSEWHERE},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def descendants(pid: int) -> set[int]:
    """The processes below `pid`."""
    children: dict[int, list[int]] = {}
    for line in subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, text=True
    ).stdout.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of `pids` that still run (a zombie that nobody has reaped does not)."""
    listed = subprocess.run(["ps", "-eo", "pid=,stat="], capture_output=True, text=True).stdout.splitlines()
    return pids & {int(line.split()[0]) for line in listed if not line.split()[1].startswith("Z")}


def read_until(process: subprocess.Popen[str], label: str) -> str:
    """Read what the process prints, character by character, until it has printed `label`."""
    assert process.stdout is not None
    text = ""
    while label not in text:
        char = process.stdout.read(1)
        assert char, text
        text += char
    return text


@pytest.mark.parametrize(
    ("number", "label", "exit_code"),
    [
        (signal.SIGINT, "dbt build", 130),
        (signal.SIGTERM, "python -m loader --snapshot", 143),
        pytest.param(
            signal.SIGKILL, "python -m loader --snapshot", -9,
            marks=pytest.mark.skipif(not shutil.which("setpriv"), reason="needs Linux and util-linux"),
        ),
    ],
)  # fmt: skip
def test_nothing_survives_the_end(project: Path, number: int, label: str, exit_code: int) -> None:
    process = start(project, "--fills", "300")
    read_until(process, label)
    started = descendants(process.pid)
    assert len(started) > 2  # PostgreSQL with its own children, rclone
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == exit_code, output
    assert "Traceback" not in output
    deadline = time.monotonic() + 30
    while alive(started) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive(started) == set()


@pytest.mark.parametrize("hour", range(24))
def test_what_is_planted_shows_at_any_hour(hour: int) -> None:
    """The random draws differ with the hour at which the feed ends."""
    feed = generate(300, until=datetime(2026, 11, 26, hour, tzinfo=timezone.utc))
    assert set(feed.planted.values()) == LABELS
    figures = attrgetter("litres", "amount_kes", "odometer_km")
    for id_, label in feed.planted.items():
        fill = feed.truth[id_]
        assert fill.plate, label
        assert fill.fuel_type, label
        assert fill.deleted_at is None, label
        # A fill told again agrees in all figures, or in two where one was corrected.
        again = [
            other
            for other in feed.truth.values()
            if other.plate == fill.plate
            and other.id != id_
            and sum(map(eq, figures(other), figures(fill))) >= 2
            and abs(other.created_at - fill.created_at) < timedelta(hours=1)
        ]
        assert len(again) == (label == "duplicate_submission"), label


def test_the_whole_demo(project: Path) -> None:
    (project / ".demo").mkdir(exist_ok=True)
    (project / ".demo" / "notes.txt").touch()  # as somebody may have left it there
    process = start(project, "--fills", "300")
    output = read_until(process, "dbt docs")
    started = descendants(process.pid)
    output += process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    assert alive(started) == set()

    assert re.search(r"python -m loader --changes --apply +[\d.]+ s  .*\d+ new.* refused", output), output
    assert re.search(r"dbt build +[\d.]+ s  PASS=\d+ .*ERROR=0", output), output
    spend, findings, _, spellings = (
        output.partition(title)[2].partition("\n\n")[0].splitlines()[2:]
        for title in ("Fuel of ", "To look into", "Vehicles furthest", "Spellings waiting")
    )
    header = "Department, Month to date KES, Same days last month KES, Forecast KES, Budget KES"
    assert re.split(r" {2,}", spend[0].strip()) == header.split(", ")
    # Which departments and spellings are drawn differs with the hour; that there are some does not.
    *departments, total = [re.split(r" {2,}", line.strip()) for line in spend[1:]]
    assert departments
    assert total[0] == "All departments"
    kes = [int(row[1].replace(",", "")) for row in (*departments, total)]
    assert abs(kes[-1] - sum(kes[:-1])) <= len(departments)
    assert findings[0].split() == ["Rule", "Severity", "Findings", "At", "risk", "KES"]
    severities = [line.split()[1] for line in findings[1:]]
    assert severities == sorted(severities, key=["high", "medium", "low"].index), "what matters first"
    first = re.search(r"\n\n  (high|medium|low): [a-z ]+, KES.[\d,]+\n      (.*)\n      ", output)
    assert first, "the first to look at, with plate, time, driver and id"
    assert re.fullmatch(r"\w+ · [\d-]{10} [\d:]{5}( · .*)? · fill \d+", first[2])
    assert spellings[0].split() == ["Field", "Spelling", "Fills", "Amount", "KES", "CSV", "line"]
    waiting = [re.split(r" {3,}", line.strip()) for line in spellings[1:]]
    to_paste = [(row[1], row[4].rpartition(",")[0]) for row in waiting if row[0] in ("department", "driver")]
    assert to_paste
    assert all(re.findall(r"\w+", typed.lower()) == re.findall(r"\w+", line) for typed, line in to_paste)
    assert max(map(len, output.splitlines())) <= 100

    report = (project / ".demo" / "report.html").read_text(encoding="utf-8")
    assert ".demo/report.html" in output
    assert report.count("<figure>") >= 5
    site = project / ".demo" / "docs" / "index.html"
    assert ".demo/docs/index.html" in output
    # Fit for opening from disk, like that of `make docs`.
    html = site.read_text(encoding="utf-8")
    assert [template for template in TEMPLATE_ADDRESSES if template in html] == []
    assert b"v_fuel_fills" in site.read_bytes()


def test_psql_on_the_result(project: Path) -> None:
    process = start(project, "--psql")
    output, _ = process.communicate(r"select count(*) > 200 as many from v_fuel_fills \gx", timeout=60)
    assert process.returncode == 0, output
    assert re.search(r"many +\| t", output), output
    again = start(project, "--psql")  # and the data is still in its place
    assert "v_fuel_fills" in again.communicate(r"\dv", timeout=60)[0]


@pytest.mark.parametrize("fills", ["-1", "0", "2", "many"])
def test_too_few_fills_are_told_in_one_line(project: Path, fills: str) -> None:
    process = start(project, "--fills", fills)
    told = process.communicate(timeout=60)[0].splitlines()[-1]
    assert process.returncode == 2
    assert told.endswith("--fills: a whole number of at least 3")


def test_psql_without_a_demo_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    (tmp_path / "seeds").mkdir()
    process = start(tmp_path, "--psql")
    assert process.communicate(timeout=60)[0] == "There is nothing to look at yet: run `make demo` first.\n"
    assert process.returncode == 2
