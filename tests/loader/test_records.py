"""Everything that is odd or wrong with single records; on the oldest and newest PostgreSQL."""

# ruff: noqa: E501
from __future__ import annotations

from datetime import datetime

import pytest
from exports import record

from loader.feed import parse
from loader.times import key_time


@pytest.fixture(params=["pg15_server", "pg_server"], ids=["15", "18"])
def loader(request, make_loader):
    return make_loader(request.param)


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


def test_parse_leaves_the_bytes_alone():
    feed = parse(bytearray(b'[ {"id" : 1 , "n":1.50} ]'))
    assert [bytes(raw) for raw in feed.raws] == [b'{"id" : 1 , "n":1.50}']
