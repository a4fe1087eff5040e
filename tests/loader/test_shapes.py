"""Every shape of the feed, and everything that is wrong with records and objects; on the oldest and newest PostgreSQL."""

# ruff: noqa: E501
from __future__ import annotations

import codecs
import gzip
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from exports import LATEST, envelope, hour, record

from loader.feed import parse
from loader.times import key_time


@pytest.fixture(params=["pg15_server", "pg_server"], ids=["15", "18"])
def loader(request, make_loader):
    return make_loader(request.param)


RECORD = record(1)
PLAIN = json.dumps([RECORD]).encode()
SHAPES = {
    "array": PLAIN,
    "envelope": envelope([RECORD], record_count=1),
    "envelope with metadata that are none": json.dumps({"metadata": None, "records": [RECORD]}).encode(),
    "data": json.dumps({"data": [RECORD]}).encode(),
    "one bare object": json.dumps(RECORD).encode(),
    "items": json.dumps([{"json": RECORD, "pairedItem": {"item": 0}}]).encode(),
    "one bare item": json.dumps({"json": RECORD}).encode(),
    "wrapped envelope": json.dumps([{"json": {"metadata": {}, "records": [RECORD]}}]).encode(),
    "envelope in an array": b"[" + envelope([RECORD]) + b"]",
    "byte order mark": codecs.BOM_UTF8 + PLAIN,
    "gzip": gzip.compress(PLAIN),
    "gzip in two members": gzip.compress(PLAIN[:20]) + gzip.compress(PLAIN[20:]),
    "gzip, padded": gzip.compress(PLAIN) + bytes(100),
    "gzip with byte order mark": gzip.compress(codecs.BOM_UTF8 + PLAIN),
    "blanks": b" \n\t" * 40 + json.dumps({"records": [RECORD]}, indent=4).encode() + b"\r\n ",
}


def test_shapes(loader):
    for name, body in SHAPES.items():
        loader.land(body)
        assert loader.rows() == {"1": RECORD}, name
        assert loader.counts() in (
            {"seen": 1, "inserted": 1},
            {"seen": 1, "unchanged": 1},
            {"seen": 1, "updated": 1},
        ), name


@pytest.mark.parametrize("name", ["data", "records"])
@pytest.mark.parametrize("value", [[], [1, {"id": 9}], "none"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_record_may_have_a_field_named_like_the_envelopes(loader, count, name, value):
    records = {str(n): {"id": n, name: value} for n in range(count)}
    loader.land([*records.values()])
    assert loader.rows() == records
    loader.land(json.dumps(records["0"]).encode())
    assert loader.counts() == {"seen": 1, "unchanged": 1}


@pytest.mark.parametrize("metadata", [{"metadata": {"record_count": 1}}, {}])
def test_an_export_may_have_an_id(loader, metadata):
    loader.land(json.dumps({"id": "run 7", **metadata, "records": [RECORD]}).encode())
    assert loader.rows() == {"1": RECORD}


def test_a_record_may_have_metadata_and_data(loader):
    fill = {"id": 3, "car": "KCA 542Q", "metadata": {"source": "WhatsApp"}, "data": [{"id": 9}]}
    loader.land(json.dumps(fill).encode())
    assert loader.rows() == {"3": fill}


def test_a_record_may_have_a_field_named_json(loader):
    records = {
        "1": {"id": 1, "json": {"records": [{"id": 9}]}},
        "2": {"id": 2, "json": {"id": 9}, "updated_at": "to be looked at closely"},
    }
    loader.land([records["1"]])
    loader.land([*records.values()])
    assert loader.rows() == records


def test_content_type_is_ignored(loader):
    client = loader.bucket.server.client()
    client.put_object(
        Bucket=loader.bucket.name,
        Key="fuel_records/latest.json",
        Body=gzip.compress(PLAIN),
        ContentType="text/html",
    )
    loader("--snapshot", "--apply")
    assert loader.rows() == {"1": RECORD}


REFUSED = {
    "one byte missing": PLAIN[:-1],
    "empty": b"",
    "blank": b" \n",
    "trailing garbage": PLAIN + b"x",
    "two documents": PLAIN + PLAIN,
    "NaN": b'[{"id": 1, "litres": NaN}]',
    "Infinity": b'[{"id": 1, "litres": -Infinity}]',
    "UTF-16": PLAIN.decode().encode("utf-16"),
    "UTF-16, big-endian": codecs.BOM_UTF16_BE + PLAIN.decode().encode("utf-16-be"),
    "UTF-16 without mark": PLAIN.decode().encode("utf-16-le"),
    "gzip cut short": gzip.compress(PLAIN)[:-9],
    "gzip with a wrong checksum": gzip.compress(PLAIN)[:-8] + bytes(4) + gzip.compress(PLAIN)[-4:],
    "gzip, then garbage": gzip.compress(PLAIN) + b"x",
    "gzip damaged": gzip.compress(PLAIN)[:20] + b"\x00\x01" + gzip.compress(PLAIN)[22:],
    "a text": b'"hello"',
    "a number": b"42",
    "null": b"null",
    "a web page": b"<html>503</html>",
    "deep and unbalanced": b"[" * 20_000,
    "deep and cut off in a text": b'[{"id": 1, "n": ' + b"[" * 3_000 + b"]" * 3_000 + b', "m": "' + b"a" * 60,
    "half a half character": b'[{"id": 1, "m": "\\ud8"}"}]',
    "records that are none": b'{"metadata": {}, "records": null}',
    "records that are none, of an export with an id": b'{"id": 5, "metadata": {}, "records": null}',
    "records that are no array": b'[{"json": {"records": {"id": 1}}}]',
}


def test_refused_objects(loader):
    loader.land(PLAIN)
    for name, body in REFUSED.items():
        ran = loader.land(body, code=1)
        assert "refused " in ran.log, name
        assert len(ran.log.splitlines()) == 1, name
        assert "Traceback" not in ran.log
        assert loader.ledger()[-1][1] == "refused", name
        assert loader.ledger()[-1][2], name
    assert loader.land(b"", code=1).log.endswith(": it is empty\n")
    assert loader.rows() == {"1": RECORD}
    for name in ("UTF-16", "UTF-16, big-endian"):
        assert "not UTF-8 but UTF-16" in loader.land(REFUSED[name], code=1).log


def test_one_bad_object_does_not_stop_the_others(loader):
    loader.delta("2026-11-01T01-00-00Z.json", [record(1)])
    loader.delta("2026-11-01T02-00-00Z.json", PLAIN[:-1])
    loader.delta("2026-11-01T03-00-00Z.json", [record(3)])
    log = loader.changes(code=1).log
    assert "\r" not in log, "no progress bar without a terminal"
    assert set(loader.rows()) == {"1", "3"}
    loader.delta("2026-11-01T02-00-00Z.json", [record(2)])
    loader.changes()
    assert [status for _, status, _ in loader.ledger()] == ["applied", "refused", "applied", "applied"]
    assert set(loader.rows()) == {"1", "2", "3"}


def test_gzip_bomb_is_bounded(loader, monkeypatch):
    monkeypatch.setenv("FUEL_MAX_OBJECT_MB", "1")
    bomb = gzip.compress(b"[" + b" " * (200 << 20) + b"]", compresslevel=1)
    assert "larger than 1 MB; FUEL_MAX_OBJECT_MB allows more" in loader.land(bomb, code=1).log
    loader.land(gzip.compress(b"[" + b" " * ((1 << 20) - 2) + b"]"))  # exactly 1 MB


NUL, LONE, PAIR = "\\u0000", "\\ud800", "\\ud83d\\ude00"
DIRTY = {
    f'{{"id": 1, "m": "a{NUL}b"}}': {"id": 1, "m": "a\ufffdb"},
    f'{{"id": 1, "a": {{"b": [{{"c": "{NUL}{LONE}"}}]}}}}': {"id": 1, "a": {"b": [{"c": "\ufffd\ufffd"}]}},
    f'{{"id": 1, "k{NUL}": 1, "l\\uDFFF": 2}}': {"id": 1, "k\ufffd": 1, "l\ufffd": 2},
    '{"id": 1, "m": "\\udc00\\ud800"}': {"id": 1, "m": "\ufffd\ufffd"},
    f'{{"id": 1, "m": "\\ud83d{PAIR}"}}': {"id": 1, "m": "\ufffd😀"},
    f'{{"id": 1, "m": "\\\\\\\\{NUL}"}}': {"id": 1, "m": "\\\\\ufffd"},
}
CLEAN = {
    '{"id": 1, "m": "a\\\\u0000b"}': {"id": 1, "m": "a\\u0000b"},
    '{"id": 1, "m": "\\\\ud800"}': {"id": 1, "m": "\\ud800"},
    f'{{"id": 1, "m": "{PAIR}"}}': {"id": 1, "m": "😀"},
    '{"id": 1, "m": "\\ufffd"}': {"id": 1, "m": "\ufffd"},
}


def test_nul_and_lone_surrogates(loader):
    """Each among neighbours that are clean: those come through byte by byte."""
    neighbour = '{"id": 2, "m": "\\\\u0000"}'
    for dirty, landed in DIRTY.items():
        loader.land(
            f'{{"metadata": {{"n": "{NUL}"}}, "records": [{neighbour}, {dirty}, {{"id": 3}}]}}'.encode()
        )
        assert loader.rows()["1"] == landed, dirty
        assert loader.rejects() == [(2, "1", "sanitised", dirty.encode())]
        loader.land(f"[{dirty}]".encode())
        assert loader.counts() == {"seen": 1, "unchanged": 1}
        assert loader.rejects() == []
    for clean, landed in CLEAN.items():
        loader.land(f"[{clean}]".encode())
        assert loader.rows()["1"] == landed, clean
        assert loader.rejects() == []
    assert loader.rows()["2"] == {"id": 2, "m": "\\u0000"}


def test_a_sanitised_item_is_compared_without_its_wrapping(loader):
    for number in range(3):
        loader.land([{"pairedItem": {"item": number}, "json": {"id": 1, "m": "\0"}}])
        assert loader.rejects() == ([] if number else [(1, "1", "sanitised", b'{"id": 1, "m": "\\u0000"}')])
    assert loader.counts() == {"seen": 1, "unchanged": 1}


IDS = {
    "7": "7", '"007"': "007", '"7 "': "7 ", "-3": "-3", "18423.0": "18423", '"K\\u0000"': "K\ufffd", '"ключ"': "ключ",
    "9" * 300: "9" * 300, '"' + "9" * 300 + '"': "9" * 300, "9" * 1000: "9" * 1000, '"; drop table x"': "; drop table x",
    "0": "0", '"\\\\N"': "\\N", '"\\t"': None, "9" * 1001: None, '"' + "я" * 501 + '"': None, '"' + "x" * 5000 + '"': None, "1.5": None, "1e3": None,
    "true": None, "null": None, "{}": None, "[1]": None, '""': None, '" "': None,
}  # fmt: skip


def test_ids(loader):
    loader.land(("[" + ",".join(f'{{"id": {id}, "n": {n}}}' for n, id in enumerate(IDS)) + "]").encode())
    landed = [id for id in IDS.values() if id]
    assert set(loader.rows()) == set(landed)
    refused = [
        (n, f'{{"id": {written}, "n": {n - 1}}}'.encode())
        for n, (written, id) in enumerate(IDS.items(), 1)
        if not id
    ]
    rejects = [
        (position, original) for position, _, reason, original in loader.rejects() if reason != "sanitised"
    ]
    assert rejects == refused
    assert loader.counts()["duplicate"] == len(landed) - len(set(landed)) == 1


NO_RECORDS = [
    b"{}",
    b'{"message": "x", "error": {}}',
    b'{"success": true}',
    b"null",
    b"1",
    b'"x"',
    b"[]",
    b'[{"id": 9}]',
]


def test_items_that_are_no_records(loader):
    loader.land(b"[" + b",".join([b'{"id": 1}', *NO_RECORDS]) + b"]")
    assert set(loader.rows()) == {"1"}
    assert [(position, id, original) for position, id, _, original in loader.rejects()] == [
        (n, None, original) for n, original in enumerate(NO_RECORDS, 2)
    ]


BAD_FOR_POSTGRES = {
    "2": b'{"id": 2, "n": 1e400000}',
    "3": b'{"id": 3, "n": [{"x": -1e-400000}]}',
    "4": b'{"id": 4, "m": "\xff\xfe"}',
    "5": b'{"id": 5, "m": "\xed\xa0\x80"}',
    "6": b'{"id": 6, "d": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "7": b'{"id": 7, "d": ' + b'{"a":' * 10_000 + b'"\\u0000"' + b"}" * 10_000 + b"}",
}


def test_records_that_postgresql_refuses_take_no_neighbours_along(loader):
    bodies = [b'{"id": 1}', *BAD_FOR_POSTGRES.values(), b'{"id": 8, "id": 9, "n": 1, "n": 1e300}']
    body = b"[" + b",".join(bodies) + b"]"
    for load in (
        lambda: loader.land(body),
        lambda: (loader.land([record(1, at=9)]), loader.land(body + b" ", "again.json")),
    ):
        load()
        assert set(loader.rows()) == {"1", "9"}
        rejects = {id: original for _, id, reason, original in loader.rejects() if reason}
        assert set(rejects) - set(BAD_FOR_POSTGRES) == set()
        assert {id: rejects[id] for id in rejects} == {id: BAD_FOR_POSTGRES[id] for id in rejects}
        assert {"2", "4", "5", "6", "7"} <= set(rejects)


@pytest.mark.parametrize("id", [b'"\xff"', b'"\xed\xa0\x80"', b'{"\xff": 1}'])
def test_an_id_that_is_not_utf8_stops_nothing_else(loader, id):
    loader.land(b'[{"id": 1}, {"id": ' + id + b'}, {"id": 2}]')
    assert set(loader.rows()) == {"1", "2"}
    assert [(position, original) for position, _, _, original in loader.rejects()] == [
        (2, b'{"id": ' + id + b"}")
    ]


def nested(depth):
    deep = b"[" * depth + b"]" * depth
    return b'[{"id": 1, "d": %b}, {"id": %b}, {"id": 3, "updated_at": %b}, {"id": 4}]' % (deep, deep, deep)


def test_no_depth_is_too_deep_to_be_read():
    def read(feed, calls):  # further down the stack than `parse`, as the loader does
        return read(feed, calls - 1) if calls else feed.read(range(4))

    for depth in range(900, 1010):
        feed = parse(bytearray(nested(depth)))
        slots, _ = read(feed, 9)
        assert len(slots) + len(feed.problems) == 4, depth


def test_no_depth_is_too_deep_for_one_step_only(loader):
    """Nearly as deep as Python bears, where splitting the object still works and reading the record does not."""
    for depth in (*range(900, 1010, 6), 10_000):
        loader.land(nested(depth))
        counts = loader.counts()
        assert counts["seen"] == 4, depth
        assert counts.get("rejected", 0) == len(loader.rejects())
        assert "4" in loader.rows()


def test_duplicates_in_a_file(loader):
    loader.land(
        [record(1, at=2, v="new"), record(1, at=1, v="old"), record("1", at=2, v="newest"), record(2)]
    )
    assert loader.counts() == {"seen": 4, "inserted": 2, "duplicate": 2}
    assert loader.rows("id, raw ->> 'v'") == {"1": "newest", "2": None}
    loader.land([record(3, v="dated"), {"id": 3}, {"id": 4, "v": "first"}, {"id": 4, "v": "last"}])
    assert loader.rows("id, raw ->> 'v'") == {"1": "newest", "2": None, "3": "dated", "4": "last"}


TIMES = {
    '"2026-11-01T07:42:00.123Z"': "2026-11-01T07:42:00.123000+00:00",
    '"2026-11-01T10:42:00+03:00"': "2026-11-01T07:42:00+00:00",
    '"2026-11-01 10:42:00"': "2026-11-01T07:42:00+00:00",
    '"2026-11-01T10:42"': "2026-11-01T07:42:00+00:00",
    '"2026-11-01"': "2026-10-31T21:00:00+00:00",
    '"2026-11-01 07:42:00.5+00"': "2026-11-01T07:42:00.500000+00:00",
    "1793518920": "2026-11-01T07:42:00+00:00", "1793518920123": "2026-11-01T07:42:00.123000+00:00",
    '"1793518920"': "2026-11-01T07:42:00+00:00", '"1793518920.5"': "2026-11-01T07:42:00.500000+00:00",
    '"2026-02-31T00:00:00"': None, '"yesterday"': None, "{}": None, "true": None, '""': None, "-5": None, "1e300": None,
    '"2026-11-01T07:42:00+99:99"': None, '"9999-99-99"': None, '"\\ud800"': None,
}  # fmt: skip


def test_times_of_records(loader):
    loader.land(
        ("[" + ",".join(f'{{"id": {n}, "updated_at": {at}}}' for n, at in enumerate(TIMES)) + "]").encode()
    )
    found = loader.rows("id, source_updated_at")
    for n, (written, meant) in enumerate(TIMES.items()):
        at = found[str(n)]
        assert at == (meant and datetime.fromisoformat(meant)), written


def test_times_in_keys():
    for name in ("2026-11-01T07-42-00Z", "2026-11-01T07:42:00.000Z", "20261101T074200Z", "2026-11-01_07-42", "1793518920000",
                 "delta-2026-11-01T10-42-00+03:00", "2026-11-01T07-42-00-000Z"):  # fmt: skip
        when = key_time(f"{name}.json")
        assert when, name
        assert when.timestamp() == 1793518920, name
    assert key_time("2026-11-01T07-42-00-123Z.json") == datetime.fromisoformat(
        "2026-11-01T07:42:00.123+00:00"
    )
    for name in ("2026-11-01T07", "20261101T07Z"):
        assert key_time(f"{name}.json") == datetime.fromisoformat("2026-11-01T07:00+00:00")
    assert key_time("2026-11-01-7.json") is None, "not midnight"
    assert key_time("latest.json") is None
    assert key_time("000123.json") is None


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


@pytest.mark.parametrize("name", ["exported_at", "generated_at", "timestamp"])
def test_names_of_the_export_time(name):
    exported_at = parse(bytearray(envelope([], **{name: hour(3)}))).exported_at
    assert exported_at == datetime.fromisoformat("2026-11-01T03:00+00:00")


def test_parse_leaves_the_bytes_alone():
    feed = parse(bytearray(b'[ {"id" : 1 , "n":1.50} ]'))
    assert [bytes(raw) for raw in feed.raws] == [b'{"id" : 1 , "n":1.50}']
