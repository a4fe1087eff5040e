"""The report page of the hourly job: written where FUEL_REPORT_DIR says, and no reason for a run to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from deploy.outcome import Outcome, one_line
from deploy.settings import ROOT

PATIENCE_SECONDS = 120


def write_report(outcome: Outcome, folder: str, prefix: str) -> None:
    """Run fuel-report in a process of its own; a trouble is told in one line and changes nothing else."""
    out = Path(folder) / f"{prefix}report.html"
    command = [sys.executable, "-m", "report", "--out", str(out), "--env-file", os.devnull]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        outcome.problems.append(f"report not written: {one_line(error)}")
        return
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        outcome.problems.append(f"report not written: {lines[-1].removeprefix('fuel-report: ')}")
