"""The two that a run tells of its end, besides its line: a monitor that waits for a call, and Prometheus."""

from __future__ import annotations

import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.outcome import Outcome

Metric = tuple[str, str, dict[str, str], float]  # name, meaning, labels, value


def ping(outcome: Outcome, line: str, timeout: float) -> str | None:
    """Call FUEL_PING_URL, with /fail behind its path after a failure; says why if it cannot be reached."""
    url = os.environ.get("FUEL_PING_URL", "").strip()
    if not url or outcome.skipped:
        return None
    host = "the monitor"
    try:
        parts = urlsplit(url)
        host = parts.hostname or host
        if parts.scheme not in ("http", "https"):
            return "FUEL_PING_URL: it must begin with https:// or http://"
        if outcome.exit_code:
            parts = parts._replace(path=f"{parts.path.rstrip('/')}/fail")
        request = urllib.request.Request(parts.geturl(), data=line.encode())
        urllib.request.urlopen(request, timeout=timeout).close()
    except (OSError, ValueError) as error:  # the URL itself is a secret: whoever has it can silence the alarm
        http = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else None
        return f"FUEL_PING_URL: {host} was not told: {http or getattr(error, 'reason', error)}"
    return None


def write_metrics(outcome: Outcome, fleet: str) -> None:
    """Write FUEL_METRICS_FILE anew, at once: its reader finds the old figures or the new ones, never a half.

    Raises:
        OSError: the file cannot be written.
    """
    path = os.environ.get("FUEL_METRICS_FILE", "").strip()
    if not path or outcome.skipped:
        return
    target = Path(path).expanduser()
    labels = {"database": os.environ.get("PGDATABASE", ""), "fleet": fleet}
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write("".join(exposition(metrics(outcome), labels)))
        os.chmod(name, 0o644)  # the reader is somebody else
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def metrics(outcome: Outcome) -> Iterator[Metric]:
    """The figures of a run, and of v_pipeline_health if it was read."""
    yield "run_end_timestamp_seconds", "When the last run of the job ended.", {}, time.time()
    yield "run_exit_code", "Exit code of the last run, 0 if it did all.", {}, outcome.exit_code
    yield "run_objects", "Objects that came in.", {}, outcome.objects
    yield "run_refused_objects", "Objects that were refused as a whole.", {}, outcome.refused_objects
    yield "run_rejected_records", "Records that could not be landed.", {}, outcome.rejected_records
    for label, name, meaning, figures in (
        ("became", "run_records", "Records that came in, by what became of them.", outcome.records),
        ("table", "run_rows_written", "Rows that dbt wrote.", outcome.rederived),
        ("result", "run_tests", "dbt's tests by result.", outcome.tests),
        ("step", "run_seconds", "How long each step took.", outcome.seconds),
    ):
        for key, value in figures.items():
            yield name, meaning, {label: key}, value
    for column, value in outcome.health.items():
        if isinstance(value, datetime):
            yield f"health_{column}_timestamp_seconds", _meaning(column), {}, value.timestamp()
        elif isinstance(value, (bool, int, float, Decimal)):
            yield f"health_{column}", _meaning(column), {}, float(value)


def _meaning(column: str) -> str:
    return f"Column {column} of v_pipeline_health."


def exposition(found: Iterable[Metric], common: dict[str, str]) -> Iterator[str]:
    """Lines in Prometheus' text format, the samples of a name together below its two comments."""
    last = ""
    for name, meaning, labels, value in found:
        if name != last:
            yield f"# HELP fleetfuel_{name} {meaning}\n# TYPE fleetfuel_{name} gauge\n"
            last = name
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in {**common, **labels}.items())
        yield f"fleetfuel_{name}{{{shown}}} {value:.15g}\n"


def _escaped(text: Any) -> str:
    return str(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
