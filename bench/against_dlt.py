"""The loader against dlt landing the same snapshot."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from bench.harness import ROOT, SNAPSHOT, Bench, Run, in_turn


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


def against_dlt(bench: Bench, count: int, first: Run, unchanged: Run) -> None:
    """Dlt's merge of the same snapshot, by default and by its fastest documented way."""
    python = dlt_python()
    if python is None:
        return

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
