"""The outcome of one hourly run: its counts, its problems, and the line that tells them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any


@dataclass
class Outcome:
    """The results of one run; the summary line. Seconds are per step."""

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
    health: dict[str, Any] = field(default_factory=dict)  # the row of v_pipeline_health, for the metrics

    @property
    def skipped(self) -> bool:
        """Whether the last run is still at work, so that this one has nothing to tell of its own."""
        return self.status.startswith("skipped")

    def fail(self, code: int, problem: str = "") -> None:
        """Keep the first failing exit code; every problem is told."""
        self.exit_code = self.exit_code or code
        self.status = "failed"
        if problem:
            self.problems.append(problem)

    def turned_away(self, code: int, words: str) -> None:
        """Another run is at work: no failure as long as the code is 0."""
        if code:
            self.fail(code, words)
        else:
            self.status = f"skipped: {words}"

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
            told = {name: value for name, value in asdict(self).items() if name != "health"}
            return json.dumps({"time": now(), "job": "hourly", **told})
        rows = ", ".join(f"{count} {name}" for name, count in self.records.items() if count) or "nothing new"
        written = ", ".join(f"{name} {count}" for name, count in self.rederived.items() if count) or "no row"
        tests = ", ".join(f"{count} {name}" for name, count in self.tests.items()) or "not run"
        steps = ", ".join(f"{name} {seconds} s" for name, seconds in self.seconds.items())
        return (
            f"{now()} hourly {self.status} (exit {self.exit_code}): {self.objects} objects in, {rows}; "
            f"refused {self.refused_objects} objects, {self.rejected_records} records; "
            f"build {self.build}, re-derived {written}; tests {tests}; freshness {self.freshness}; {steps}"
        )


def now() -> str:
    """The time of a line."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def one_line(message: object) -> str:
    """The message of PostgreSQL or dbt in one line, without the trail of SQL and macros that they hang on."""
    return " ".join(re.split("> in macro |CONTEXT:  ", str(message))[0].split())
