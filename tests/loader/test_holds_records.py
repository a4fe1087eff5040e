"""Objects that hold no records, hold them as bytes in JSON, or hold more than there is memory for."""

# ruff: noqa: E501
from __future__ import annotations

import codecs
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from exports import envelope, record

ROOT = Path(__file__).parents[2]

NO_RECORDS = {
    "one item": b"{}",
    "an exporter's error": b'{"message": "timeout", "error": {}}',
    "a success": b'[{"success": true}]',
    "numbers": b"[1, 2, 3]",
    "nothing storable": b'[{"id": 1, "n": 1e400000}, {"id": 2, "n": 1e400000}]',
    "many": json.dumps([{"id": 1}] + [{"x": n} for n in range(1100)]).encode(),
    "many, in an envelope": envelope([{"id": n} for n in range(500)] + [0] * 1100),
    "many, with braces": json.dumps([{"id": n} for n in range(500)] + ["{}"] * 1100).encode(),
}


@pytest.mark.parametrize("name", NO_RECORDS)
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_an_object_must_hold_records(loader, name, filled):
    if filled:
        loader.snapshot([record(9)])
    before = loader.image()[0] if filled else []
    loader.delta("2026-11-01T01-00-00Z.json", NO_RECORDS[name])
    loader.delta("2026-11-01T02-00-00Z.json", [record("next")])
    log = loader.changes(code=1).log
    [line] = [line for line in log.splitlines() if "refused" in line]
    assert len(line) < 300
    assert [status for _, status, _ in loader.ledger()[-2:]] == ["refused", "applied"]
    rows = loader.image()[0]
    assert [row for row in rows if row[0] != "next"] == before
    assert loader.database.query("select 1 from fuel.load_rejects") == []


@pytest.mark.parametrize("body", [b"[]", b'{"records": []}', json.dumps([{"id": 1}, {}]).encode()])
def test_an_empty_hour_and_single_bad_items_are_fine(loader, body):
    loader.land(body)


def test_many_rejects_that_are_less_than_half(loader):
    loader.land([{"id": n} for n in range(1300)] + [{"x": n} for n in range(1200)])
    assert loader.counts() == {"seen": 2500, "inserted": 1300, "rejected": 1200}


def buffer(data: bytes) -> dict[str, object]:
    return {"type": "Buffer", "data": [*data]}


PLAIN = json.dumps([record(1), record(2, m="Buffer é")]).encode()
BUFFERS = {
    "bare": buffer(PLAIN),
    "turned round": {"data": [*PLAIN], "type": "Buffer"},
    "in an array": [buffer(PLAIN)],
    "an item": [{"json": buffer(PLAIN), "pairedItem": {"item": 0}}],
    "an item's data": [{"json": {"data": buffer(PLAIN)}}],
    "data": {"data": buffer(PLAIN)},
    "gzip": buffer(gzip.compress(PLAIN)),
    "byte order mark": buffer(codecs.BOM_UTF8 + PLAIN),
    "an envelope": buffer(envelope([record(1), record(2, m="Buffer é")])),
    "one in another": buffer(json.dumps(buffer(PLAIN)).encode()),
}


@pytest.mark.parametrize("name", BUFFERS)
def test_bytes_as_node_writes_them(loader, name):
    loader.land(json.dumps(BUFFERS[name], indent=len(name) % 2 or None).encode())
    assert loader.rows() == {"1": record(1), "2": record(2, m="Buffer é")}


@pytest.mark.parametrize(
    "body",
    [buffer(b"[1"), buffer(b""), buffer(b"\x1f\x8b"), {"type": "Buffer", "data": [300]}, {"type": "Buffer", "data": "x"}],
)  # fmt: skip
def test_bytes_that_are_no_export(loader, body):
    assert "refused" in loader.land(json.dumps(body).encode(), code=1).log


def test_a_record_may_hold_a_buffer(loader):
    fills = [{"id": 1, "photo": buffer(b"\xff\xd8"), "type": "Buffer"}, {"id": 2, "data": buffer(PLAIN)}]
    loader.land(fills)
    assert [*loader.rows().values()] == fills
    loader.land(json.dumps(fills[1]).encode())
    assert loader.counts() == {"seen": 1, "unchanged": 1}


BOMBS = {
    "7.8 kB": gzip.compress(b"[" + b"0," * 4_000_000 + b"0]"),
    "numbers among records": gzip.compress(b'[{"id": 1},' + b"0," * 4_000_000 + b'{"id": 2}]'),
    "empty objects": gzip.compress(b"[" + b"{}," * 2_500_000 + b"{}]"),
    "ids and nothing else": gzip.compress(b"[" + b'{"id":1},' * 800_000 + b"{}]"),
    "a Buffer of them": gzip.compress(json.dumps(buffer(b"[" + b"0," * 900_000 + b"0]")).encode()),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_limit_bounds_the_memory_and_the_next_object_follows(loader, name):
    """Counted over the whole process, whose libraries take some 100 MB."""
    loader.delta("2026-11-01T01-00-00Z.json", BOMBS[name])
    loader.delta("2026-11-01T02-00-00Z.json", [record("next")])
    script = "import sys; from loader.cli import main; code = main(sys.argv[1:])\n"
    script += "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]); sys.exit(code)"
    done = subprocess.run(
        [sys.executable, "-c", script, "--changes", "--apply"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "FUEL_MAX_OBJECT_MB": "8"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert "next" in loader.rows()
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("refused") == 1
    assert int(done.stdout) >> 10 < 330, "MB"


def test_an_object_that_does_not_fit_is_refused_in_one_line(loader, monkeypatch):
    """Here one of 30 MB, whose records take more than the machine is said to have."""
    from loader import memory

    monkeypatch.setattr(memory, "TIMES", 0)
    monkeypatch.setattr(memory, "SPARE", 20 << 20)
    loader.delta(
        "2026-11-01T01-00-00Z.json", b"[" + b",".join(b'{"id": %d}' % n for n in range(2_000_000)) + b"]"
    )
    loader.delta("2026-11-01T02-00-00Z.json", [record("next")])
    [line] = [line for line in loader.changes(code=1).log.splitlines() if "refused" in line]
    assert "it does not fit into memory; FUEL_MAX_OBJECT_MB (1024) may allow more" in line
    assert [status for _, status, _ in loader.ledger()] == ["refused", "applied"]
