"""Sending records to PostgreSQL in binary form, and finding out which of them it refuses."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Dumper
from psycopg.sql import Composed

from loader.feed import Feed
from loader.session import Connection

BATCH_ROWS, BATCH_BYTES = 5_000, 4 << 20
COLUMNS = "id, raw, raw_digest, source_updated_at, exported_at, absent_since, load_id"
EPOCH, MICROSECOND = datetime(2000, 1, 1, tzinfo=timezone.utc), timedelta(microseconds=1)
BYTEA, TEXT, TIMESTAMPTZ = 17, 25, 1184  # type oids
_int32, _int64 = struct.Struct("!i").pack, struct.Struct("!iq").pack


class Binary(bytes):
    """A parameter in PostgreSQL's binary form."""


class BinaryDumper(Dumper):
    """Hands `Binary` over as it is."""

    format = pq.Format.BINARY

    def dump(self, obj: Any) -> bytes:
        """The bytes themselves."""
        return bytes(obj)


psycopg.adapters.register_dumper(Binary, BinaryDumper)


def _array(element_oid: int, elements: Iterable[bytes], count: int) -> Binary:
    """An array parameter; each of the `count` elements has its length in front.

    A list of psycopg's own would take five times the memory on the way.
    """
    return Binary(struct.pack("!iiiii", 1, 0, element_oid, count, 1) + b"".join(elements))


def _sized(value: bytes) -> bytes:
    return _int32(len(value)) + value


def _time(when: datetime | None) -> bytes:
    """A timestamptz: microseconds since 2000."""
    return _int32(-1) if when is None else _int64(8, (when - EPOCH) // MICROSECOND)


def as_arrays(feed: Feed, slots: list[int]) -> dict[str, Binary]:
    """Ids, digests and times of these records, as parameters of a query."""
    return {
        "ids": _array(TEXT, (_sized(feed.ids[slot].encode()) for slot in slots), len(slots)),
        "digests": _array(BYTEA, map(_sized, feed.digests(slots)), len(slots)),
        "times": _array(TIMESTAMPTZ, (_time(feed.times[slot]) for slot in slots), len(slots)),
    }


def send(
    conn: Connection, feed: Feed, slots: list[int], copying: Composed | None, constants: Sequence[Any]
) -> None:
    """COPY these records, `constants` behind each; without a COPY have PostgreSQL read them, and no more.

    Those that it refuses are put among the feed's problems; the others go on.
    """
    for batch in _batches(feed, slots):
        if copying:
            _send(conn, feed, batch, lambda some: _copy(conn, feed, copying, constants, some))
        else:
            _send(conn, feed, batch, lambda some: _check(conn, feed, some))


def _batches(feed: Feed, slots: list[int]) -> Iterator[list[int]]:
    """Batches small enough to be sent again if PostgreSQL refuses one of their records."""
    batch: list[int] = []
    size = 0
    for slot in slots:
        batch.append(slot)
        size += len(feed.raws[slot])
        if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _send(conn: Connection, feed: Feed, batch: list[int], send_all: Callable[[list[int]], None]) -> None:
    """Send a batch; if PostgreSQL refuses it, send its halves, down to the one record that is to blame."""
    try:
        with conn.transaction():
            send_all(batch)
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in ("22", "54"):  # data exception, limit exceeded
            raise
        if len(batch) == 1:
            feed.problems[batch[0]] = f"refused by PostgreSQL: {error.diag.message_primary}"
            return
        middle = len(batch) // 2
        _send(conn, feed, batch[:middle], send_all)
        _send(conn, feed, batch[middle:], send_all)


def _copy(
    conn: Connection, feed: Feed, copying: Composed, constants: Sequence[Any], slots: list[int]
) -> None:
    """In binary form there is nothing to escape or parse twice."""
    with conn.cursor().copy(copying) as copy:
        for slot, digest in zip(slots, feed.digests(slots), strict=True):
            document = b"\x01" + bytes(feed.raws[slot])  # a jsonb value begins with its version
            copy.write_row((feed.ids[slot], document, digest, feed.times[slot], *constants))


def _check(conn: Connection, feed: Feed, slots: list[int]) -> None:
    documents = [bytes(feed.raws[slot]) for slot in slots]
    query = "select count(convert_from(document, 'UTF8')::jsonb) from unnest(%b::bytea[]) as document"
    conn.execute(query, [documents])
