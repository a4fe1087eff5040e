"""The two that are told of the end of a run: a monitor that waits for a call, and Prometheus."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from deploy import alarms
from deploy.alarms import exposition, metrics, ping, write_metrics
from deploy.outcome import Outcome
from tests.deploy.conftest import AFTER_THE_FIRST_HOUR, Job


@dataclass
class Monitor:
    """A server that is called, as healthchecks.io is."""

    url: str = ""
    status: int = 200
    calls: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    found = Monitor()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.calls.append((self.path, body))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}/ping/5eecret?create=1"
        yield found
        server.shutdown()
        thread.join()


@AFTER_THE_FIRST_HOUR
def test_the_end_of_each_run_is_told(job: Job, monitor: Monitor, tmp_path: Path) -> None:
    file = tmp_path / "fuel.prom"
    told = {"FUEL_PING_URL": monitor.url, "FUEL_METRICS_FILE": str(file)}
    done = job.raw(**told)
    assert (done.returncode, done.stderr) == (0, "")
    assert monitor.calls == [("/ping/5eecret?create=1", done.stdout.rstrip("\n"))]
    good = samples(file)
    assert good["fleetfuel_run_exit_code"] == 0
    assert good['fleetfuel_run_tests,result="failed"'] == 0
    assert good["fleetfuel_health_rows_waiting"] == 0
    assert good["fleetfuel_health_is_export_late"] == 0
    assert time_ago(good["fleetfuel_run_end_timestamp_seconds"]) < 60
    assert time_ago(good["fleetfuel_health_last_build_at_timestamp_seconds"]) < 120
    assert file.stat().st_mode & 0o777 == 0o644

    # A failure, though the database itself is not there.
    done = job.raw(**told, PGDATABASE="nowhere")
    assert done.returncode == 2
    assert monitor.calls[1:] == [("/ping/5eecret/fail?create=1", done.stdout.rstrip("\n"))]
    bad = samples(file)
    assert bad["fleetfuel_run_exit_code"] == 2
    assert not any("health" in name for name in bad), "no figures of yesterday"
    assert [each.name for each in tmp_path.iterdir()] == ["fuel.prom"]

    # A run that has nothing to tell, for the last one is still at work.
    before = file.read_bytes()
    with job.database.connect(autocommit=True, application_name="fleetfuel.hourly") as conn:
        conn.execute("select pg_advisory_lock(hashtextextended('fleetfuel.hourly', 0))")
        assert job.raw(**told).returncode == 0
    assert (len(monitor.calls), file.read_bytes()) == (2, before)


@AFTER_THE_FIRST_HOUR
def test_an_alarm_that_cannot_ring_is_told(job: Job, monitor: Monitor) -> None:
    monitor.status = 404
    done = job.raw(FUEL_PING_URL=monitor.url)
    assert done.returncode == 0
    assert re.fullmatch(r"\S+Z hourly: FUEL_PING_URL: 127.0.0.1 was not told: HTTP 404\n", done.stderr)
    code, outcome, errors = job(
        FUEL_PING_URL="http://127.0.0.1:9/5eecret", FUEL_METRICS_FILE="/nowhere/fuel.prom"
    )
    assert (code, outcome["exit_code"]) == (1, 1)
    [problem] = outcome["problems"]
    assert problem.startswith("FUEL_METRICS_FILE cannot be written: ")
    said = json.loads(errors)
    assert said["message"].startswith("FUEL_PING_URL: 127.0.0.1 was not told: ")
    assert "5eecret" not in errors + json.dumps(outcome)


@pytest.mark.pure
@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "127.0.0.1/x", "http://[/x"])
def test_what_is_no_url_to_call(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUEL_PING_URL", url)
    assert (ping(Outcome(), "line", 1) or "").startswith("FUEL_PING_URL: ")


@pytest.mark.pure
def test_figures_as_prometheus_reads_them() -> None:
    outcome = Outcome(records={"inserted": 3}, rederived={"records": 2})
    outcome.health = {
        "last_build_at": datetime(2026, 1, 1, tzinfo=timezone.utc),
        "lag_minutes": None,
        "readable_share_30d": Decimal("0.97"),
        "is_export_late": True,
    }
    text = "".join(exposition(metrics(outcome), {"fleet": 'a"b\\c\nd'}))
    label = 'fleet="a\\"b\\\\c\\nd"'
    for line in (
        "# TYPE fleetfuel_run_records gauge",
        f'fleetfuel_run_records{{{label},became="inserted"}} 3',
        f"fleetfuel_health_last_build_at_timestamp_seconds{{{label}}} 1767225600",
        f"fleetfuel_health_readable_share_30d{{{label}}} 0.97",
        f"fleetfuel_health_is_export_late{{{label}}} 1",
    ):
        assert line in text.splitlines()
    assert "lag_minutes" not in text, "unknown is no figure"
    assert text.count("# TYPE fleetfuel_run_records ") == 1


@pytest.mark.pure
def test_a_reader_never_finds_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "fuel.prom"
    file.write_text("old")
    monkeypatch.setenv("FUEL_METRICS_FILE", str(file))

    def breaks_off(*_args: object) -> Iterator[str]:
        yield "half"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(alarms, "exposition", breaks_off)
    with pytest.raises(OSError, match="No space left"):
        write_metrics(Outcome(), "")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("fuel.prom", "old")]


def samples(file: Path) -> dict[str, float]:
    """The values in a file by name, and by label where it has one of its own."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r'(\w+)\{database="[^"]*",fleet=""(.*)\} (\S+)', line) for line in lines]
    assert all(found), lines
    return {each[1] + each[2]: float(each[3]) for each in found if each}


def time_ago(seconds: float) -> float:
    return datetime.now(timezone.utc).timestamp() - seconds
