"""`make demo` and `make psql`: the whole way once on sample data and private servers, and a look at it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any

from demo import servers, site
from demo.feed import Feed, generate
from demo.fleet import Device
from demo.report import print_report

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".demo"  # everything the demo leaves behind
BIN = Path(sys.executable).parent
LEAST_FILLS = 3
ELSEWHERE = ("PG", "RUSTFS_", "DATABASE_URL", "DBT_", "FUEL_", "AWS_")


class StepFailed(Exception):
    """A step of the way exited with a code that ends the demo."""

    def __init__(self, output: str, exit_code: int) -> None:
        super().__init__(output)
        self.exit_code = exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo, or open psql on what it left; the exit code is that of the first failing step."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--fills", type=_fills, default=5000, help="size of the sample feed (default: %(default)s)"
    )
    parser.add_argument("--psql", action="store_true", help="open psql on what the last demo left in .demo/")
    options = parser.parse_args(argv)
    # The demo only ever reaches its own servers, whatever points elsewhere.
    for name in [each for each in os.environ if each.startswith(ELSEWHERE)]:
        del os.environ[name]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    HOME.mkdir(exist_ok=True)
    lock = os.open(HOME, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return open_psql() if options.psql else run(options.fills)
    except BlockingIOError:
        print("Another `make demo` or `make psql` is at work here: end it first.", file=sys.stderr)
        return 75
    except StepFailed as failure:
        print(f"failed (exit code {failure.exit_code})\n\n{failure}", file=sys.stderr)
        return failure.exit_code
    finally:
        os.close(lock)


def _fills(text: str) -> int:
    if not text.isdecimal() or int(text) < LEAST_FILLS:
        raise argparse.ArgumentTypeError(f"a whole number of at least {LEAST_FILLS}")
    return int(text)


def run(fills: int) -> int:
    """The way of the data, step by step: feed, bucket, landing zone, models, docs site, report."""
    for leftover in HOME.iterdir():
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        with step("Private PostgreSQL and S3 server"):
            postgres = stack.enter_context(servers.postgres(HOME / "postgres"))
            bucket = stack.enter_context(servers.s3(HOME / "buckets"))
        with step("Sample feed into the bucket") as say:
            feed = generate(fills, until=datetime.now(timezone.utc))
            put_feed(bucket, feed)
            say(f"{len(feed.truth):,} fills, {len(feed.objects)} objects")
        with step("The tracker's devices") as say, postgres.connect(autocommit=True) as conn:
            put_devices(conn, feed.devices)
            say(f"{len(feed.devices)} rows")
        environment = own_environment() | postgres.env() | bucket.env()
        for mode in ("--snapshot", "--changes"):
            with step(f"python -m loader {mode} --apply") as say:
                call(environment, sys.executable, "-m", "loader", mode, "--apply")
                with postgres.connect() as conn:
                    say(loaded(conn, mode))
        with step("dbt build") as say:
            # As the hourly job builds. The unit tests are a developer's: `make check`.
            arguments = ("--no-use-colors", "build", "--exclude-resource-type", "unit_test")
            done = call(environment, BIN / "dbt", *arguments).splitlines()[-1]
            counts = done.partition("Done. ")[2].split()
            say(" ".join(each for each in counts if not each.endswith("=0") or each == "ERROR=0"))
        with step("dbt docs generate --static"):
            call(environment, BIN / "dbt", "docs", "generate", "--static")
            page = site.publish(HOME / "target" / "static_index.html", HOME / "docs")
        report = HOME / "report.html"
        with step("fuel-report"):
            call(environment, sys.executable, "-m", "report", "--out", report)
        with postgres.connect() as conn:
            print_report(conn)
    print(f"\nReport      {report.relative_to(ROOT)}  (charts, in one file that any browser opens)")
    print(f"Docs site   {page.relative_to(ROOT)}  (every view and column, one file)")
    print("Look around make psql  (opens psql on this result; the schemas are reporting and fuel)")
    print(f"Took        {time.monotonic() - began:.0f} s; every server it started has been ended.")
    return 0


def open_psql() -> int:
    """Start a server on what the last demo left, open psql on it, and end the server on quit."""
    data = HOME / "postgres"
    if not data.exists():
        print("There is nothing to look at yet: run `make demo` first.", file=sys.stderr)
        return 2
    with servers.postgres(data) as postgres:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C cancels a query in psql, and nothing else
        session = {"PGOPTIONS": "-c search_path=reporting,fuel,public", "PGTZ": "Africa/Nairobi"}
        psql = [str(servers.WHEEL_BINDIR / "psql"), "--pset=pager=off", "--pset=null=∅"]
        return subprocess.run(psql, env=own_environment() | postgres.env() | session).returncode


@contextlib.contextmanager
def step(label: str) -> Iterator[Any]:
    """Print one progress line: the label, what `say` was told, and the seconds it took."""
    print(f"{label:<36}", end="", flush=True)
    results: list[str] = []
    began = time.monotonic()
    yield results.append
    print(f"{time.monotonic() - began:5.1f} s  {' '.join(results)}".rstrip(), flush=True)


def call(environment: dict[str, str], *command: str | Path) -> str:
    """Run a command and return its output; any exit code but 0 raises StepFailed."""
    done = subprocess.run(
        [*servers.ENDS_WITH_US, *command],
        cwd=HOME,  # not where an .env may lie
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C is ours to handle, see _stop
    )
    if done.returncode:
        raise StepFailed(done.stdout, done.returncode)
    return done.stdout.strip()


def own_environment() -> dict[str, str]:
    """Our environment, and where dbt and the loader find themselves."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DBT_PROJECT_DIR": str(ROOT),
        "DBT_PROFILES_DIR": str(ROOT),
        "DBT_TARGET_PATH": str(HOME / "target"),
        "DBT_LOG_PATH": str(HOME / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def put_feed(server: servers.S3, feed: Feed, bucket: str = "fuel") -> None:
    """Upload the feed's objects; n8n says text/html whatever it sends."""
    client = server.client()
    client.create_bucket(Bucket=bucket)
    for key, body in feed.objects.items():
        client.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/html")


def put_devices(conn: Any, devices: Sequence[Device]) -> None:
    """Create the tracker's table and fill it."""
    conn.execute((ROOT / "demo" / "devices.sql").read_bytes())
    for device in devices:
        conn.execute(
            "insert into tracksolid.devices values (%s, %s, %s, %s, %s, %s)", list(vars(device).values())
        )


LOADED = """
select concat_ws(
    ', ', sum(inserted) || ' new', nullif(sum(updated), 0) || ' changed', nullif(sum(stale), 0) || ' stale',
    nullif(sum(rejected), 0) || ' refused',
    (
        select nullif(count(*), 0) || ' repaired'
        from fuel.load_rejects inner join fuel.loads using (load_id)
        where mode = %(mode)s and reason = 'sanitised'
    )
) from fuel.loads where mode = %(mode)s
"""


def loaded(conn: Any, mode: str) -> str:
    """The loads of a mode, summed up in one line."""
    return str(conn.execute(LOADED, {"mode": mode.lstrip("-")}).fetchone()[0])


def _stop(number: int, _frame: FrameType | None) -> None:
    """End in order on the first Ctrl-C or SIGTERM: the servers end with their contexts, undisturbed."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    print("\nStopping ...", file=sys.stderr, flush=True)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
