"""Objects that are large, or grow so; on the oldest and newest PostgreSQL."""

# ruff: noqa: E501
from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from exports import LATEST, record


@pytest.fixture(params=["pg15_server", "pg_server"], ids=["15", "18"])
def loader(request, make_loader):
    return make_loader(request.param)


def test_gzip_bomb_is_bounded(loader, monkeypatch):
    monkeypatch.setenv("FUEL_MAX_OBJECT_MB", "1")
    bomb = gzip.compress(b"[" + b" " * (200 << 20) + b"]", compresslevel=1)
    assert "larger than 1 MB; FUEL_MAX_OBJECT_MB allows more" in loader.land(bomb, code=1).log
    loader.land(gzip.compress(b"[" + b" " * ((1 << 20) - 2) + b"]"))  # exactly 1 MB


def test_a_string_of_50_mb(loader):
    body = json.dumps([{"id": 1}, {"id": 2, "m": "x" * (50 << 20)}, {"id": 3}]).encode()
    loader.land(body)
    assert loader.database.query("select id, length(raw ->> 'm') from fuel.records_raw where raw ? 'm'") == [
        ("2", 50 << 20)
    ]
    assert set(loader.rows("id, 1")) == {"1", "2", "3"}


def test_one_bad_record_in_100_000_costs_little(loader):
    """Counted in records sent to PostgreSQL, which is what takes the time."""
    from loader import sending

    records = [b'{"id": %d, "car": "KCA 542Q"}' % n for n in range(100_000)]
    records[54_321] = b'{"id": 54321, "n": 1e400000}'
    sent = 0
    original = sending._copy

    def counting(*args):
        nonlocal sent
        sent += len(args[-1])
        original(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending, "_copy", counting)
        loader.land(b"[" + b",".join(records) + b"]")
    assert loader.counts() == {"seen": 100_000, "inserted": 99_999, "rejected": 1}
    assert sent < 120_000


def test_memory_is_bounded(database, bucket, tmp_path):
    """Peak RSS at most 2.5 times the decompressed object and 100 MB (VmHWM: ru_maxrss would count the parent's)."""
    body = gzip.compress(
        b"[" + b",".join(json.dumps(record(n, m="x" * 150)).encode() for n in range(200_000)) + b"]", 1
    )
    size = len(gzip.decompress(body))
    script = (
        "import re, sys; from loader.cli import main; code = main(sys.argv[1:]);"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) * 1024); sys.exit(code)"
    )
    for blanks, what in enumerate((["--snapshot"], ["--snapshot"], ["--file", "export.json"])):
        export = gzip.compress(gzip.decompress(body) + b" " * blanks, 1)  # unchanged after the first time
        bucket.put(LATEST, export)
        (tmp_path / "export.json").write_bytes(export)
        done = subprocess.run(
            [sys.executable, "-c", script, *what, "--apply"],
            env={"PYTHONPATH": str(Path(__file__).parents[2]), **database.env, **bucket.env},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) < 2.5 * size + 100e6, (
            f"{int(done.stdout) / 1e6:.0f} MB for {size / 1e6:.0f} MB"
        )
