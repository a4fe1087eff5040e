"""Every shape of the feed, and objects that are none; on the oldest and newest PostgreSQL."""

from __future__ import annotations

import codecs
import gzip
import json
from datetime import datetime

import pytest
from exports import envelope, hour, record

from loader.feed import parse


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


@pytest.mark.parametrize("name", ["exported_at", "generated_at", "timestamp"])
def test_names_of_the_export_time(name):
    exported_at = parse(bytearray(envelope([], **{name: hour(3)}))).exported_at
    assert exported_at == datetime.fromisoformat("2026-11-01T03:00+00:00")
