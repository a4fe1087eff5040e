"""The landing zone: one object at a time, each in one transaction under one lock."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from psycopg import pq, sql
from psycopg.adapt import Dumper

from loader.bucket import RefusedObject, Unreachable, retrying
from loader.feed import EPOCH, MICROSECOND, Feed, Reject
from loader.settings import ConfigurationError, LoaderSettings

log = logging.getLogger("loader")
T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

VERSION = 1  # of landing.sql
LOCK = 0x6675656C  # the advisory lock's key: "fuel" in ASCII
SHRINK_SHARE, SHRINK_ROWS = 0.05, 20
BATCH_ROWS, BATCH_BYTES = 5_000, 4 << 20
COLUMNS = "(id, raw, raw_digest, source_updated_at, exported_at, absent_since, load_id)"

_ROW, _NULL = struct.pack("!h", 7), struct.pack("!i", -1)
_DIGEST = struct.pack("!i", 16)
_int32, _int64 = struct.Struct("!i").pack, struct.Struct("!iq").pack
_COPY_HEADER, _COPY_END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
BYTEA, TEXT, TIMESTAMPTZ, JSONB = 17, 25, 1184, 3802

# One row per record that is not simply unchanged and, for a snapshot, per stored row that it no longer holds.
COMPARE = """
select
    incoming.slot,
    stored.id,
    case
        when incoming.slot is null then 'absent'
        when stored.id is null then 'inserted'
        when stored.raw_digest = incoming.digest then 'updated'
        when
            case
                when incoming.source_updated_at <> stored.source_updated_at
                    then incoming.source_updated_at < stored.source_updated_at
                else %(exported_at)s < coalesce(stored.exported_at, '-infinity')
            end
            then 'stale'
        else 'updated'
    end as verdict,
    incoming.slot is null and coalesce(stored.raw ->> 'deleted_at', '') = '' as lost
from
    unnest(%(ids)s::text[], %(digests)s::bytea[], %(stamps)s::timestamptz[])
    with ordinality as incoming (id, digest, source_updated_at, slot)
{join} join fuel.records_raw as stored on incoming.id = stored.id
where
    case
        when incoming.slot is null
            then stored.absent_since is null and coalesce(stored.exported_at, '-infinity') <= %(exported_at)s
        else
            stored.raw_digest is distinct from incoming.digest
            or (stored.absent_since is not null and not %(outdated)s)
    end
"""
UPSERT = f"""
insert into fuel.records_raw as stored {COLUMNS}
select id, raw, raw_digest, source_updated_at, exported_at, absent_since, load_id from changed
on conflict (id) do update set
    raw = excluded.raw,
    raw_digest = excluded.raw_digest,
    source_updated_at = excluded.source_updated_at,
    exported_at = excluded.exported_at,
    absent_since = case when %(outdated)s then stored.absent_since end,
    load_id = excluded.load_id,
    loaded_at = now()
"""
FINISH = """
update fuel.loads set
    finished_at = clock_timestamp(), checked_at = clock_timestamp(), seen = %(seen)s, inserted = %(inserted)s,
    updated = %(updated)s, unchanged = %(unchanged)s, stale = %(stale)s, duplicate = %(duplicate)s,
    rejected = %(rejected)s, absent = %(absent)s
where load_id = %(load_id)s
"""
ADVANCE = """
insert into fuel.ingest_state as state (feed, watermark, object_key, load_id)
values (%(feed)s, %(watermark)s, %(key)s, %(load_id)s)
on conflict (feed) do update set
    watermark = greatest(state.watermark, excluded.watermark),
    object_key = excluded.object_key,
    load_id = excluded.load_id,
    updated_at = now()
"""


class Busy(Exception):
    """Another load holds the lock; the message says who (exit 75)."""


@dataclass(frozen=True)
class Source:
    """Where a feed came from. `stated`: its export time is its own word, not the object's modification time."""

    mode: str
    key: str
    etag: str
    exported_at: datetime
    stated: bool
    started_at: datetime


@dataclass
class Counts:
    """What became of an object's records: the columns of `fuel.loads`."""

    seen: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    duplicate: int = 0
    rejected: int = 0
    absent: int = 0


class _Binary(bytes):
    """A parameter in PostgreSQL's binary form."""


class _BinaryDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: Any) -> bytes:
        return bytes(obj)


def _array(element_oid: int, elements: Iterable[bytes], count: int) -> _Binary:
    """An array parameter from elements that are ready with their length in front."""
    return _Binary(struct.pack("!iiiii", 1, 0, element_oid, count, 1) + b"".join(elements))


def _with_length(value: bytes) -> bytes:
    return _int32(len(value)) + value


def _time(micros: int | None) -> bytes:
    return _NULL if micros is None else _int64(8, micros)


class Landing:
    """The landing zone of one database.

    `writing` takes the lock and brings the tables up to date; without it nothing at all is written.
    """

    def __init__(self, settings: LoaderSettings, *, writing: bool) -> None:
        self._conninfo = settings.conninfo()
        self._writing = writing
        self._conn: Connection | None = None
        self._held = False
        self.exists = True

    def __enter__(self) -> Landing:
        self._run(lambda conn: None)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._conn:
            self._conn.close()

    def applied(self, keys: Sequence[str]) -> dict[str, str]:
        """The ETag under which each of these objects was applied last."""
        query = """
            select distinct on (object_key) object_key, etag from fuel.loads
            where object_key = any(%s) and status = 'applied' order by object_key, load_id desc
        """
        return (
            self._run(lambda conn: dict(conn.execute(query, [list(keys)]).fetchall())) if self.exists else {}
        )

    def confirm(self, mode: str) -> None:
        """Note that a feed was looked at and that its last load is still its newest."""
        query = """
            update fuel.loads set checked_at = clock_timestamp()
            where load_id = (select max(load_id) from fuel.loads where mode = %s and status = 'applied')
        """
        self._run(lambda conn: conn.execute(query, [mode]))

    def refuse(self, source: Source, error: str) -> None:
        """Put a refused object into the ledger."""
        query = """
            insert into fuel.loads (mode, object_key, etag, exported_at, started_at, finished_at, status, error)
            values (%s, %s, %s, %s, %s, clock_timestamp(), 'refused', %s)
        """
        values = (source.mode, source.key, source.etag, source.exported_at, source.started_at, error)
        self._run(lambda conn: conn.execute(query, values))

    def load(self, source: Source, feed: Feed, *, accept_shrink: bool) -> tuple[int | None, Counts]:
        """Land one object, all or nothing: its load_id (None in a dry run) and counts.

        Raises:
            RefusedObject: a snapshot that lost too much.
            Unreachable: the database went away, and did not come back.
        """
        return self._run(partial(self._load, source=source, feed=feed, accept_shrink=accept_shrink))

    def _load(
        self, conn: Connection, *, source: Source, feed: Feed, accept_shrink: bool
    ) -> tuple[int | None, Counts]:
        counts = Counts(seen=feed.seen, duplicate=feed.duplicate)
        rejects = list(feed.rejects)
        watermark = self._snapshot_watermark(conn)
        outdated = watermark is not None and source.exported_at < watermark
        slots, lost = self._compare(conn, source, feed, outdated, counts, accept_shrink)
        if not self._writing:
            for batch in _batches(feed, slots):
                _land(conn, partial(_check, conn, feed), batch, feed, rejects, counts)
            counts.rejected = len(rejects)
            return None, counts
        load_id = conn.execute(
            "insert into fuel.loads (mode, object_key, etag, exported_at, started_at, status)"
            " values (%s, %s, %s, %s, %s, 'applied') returning load_id",
            (source.mode, source.key, source.etag, source.exported_at, source.started_at),
        ).fetchone()[0]  # type: ignore[index]
        constants = b"".join((
            _time((source.exported_at - EPOCH) // MICROSECOND),
            _time((watermark - EPOCH) // MICROSECOND if outdated and watermark else None),
            _int64(8, load_id),
        ))  # fmt: skip
        fresh = counts.inserted == len(slots) == len(feed.ids)
        if not fresh:
            conn.execute("create temporary table changed (like fuel.records_raw) on commit drop")
            conn.execute(
                "alter table changed alter first_loaded_at drop not null, alter loaded_at drop not null"
            )
        target = "fuel.records_raw" if fresh else "changed"
        for batch in _batches(feed, slots):
            _land(conn, partial(_copy, conn, feed, target, constants), batch, feed, rejects, counts)
        if not fresh:
            conn.execute(UPSERT, {"outdated": outdated})
        if lost:
            conn.execute(
                "update fuel.records_raw set absent_since = %s, load_id = %s, loaded_at = now() where id = any(%s)",
                (source.exported_at, load_id, lost),
            )
        counts.rejected = len(rejects)
        written = set(slots)
        rejected = {reject.position for reject in rejects}
        rejects += [
            Reject(feed.positions[slot], feed.ids[slot], "sanitised", original)
            for slot, original in feed.sanitised.items()
            if slot in written and feed.positions[slot] not in rejected
        ]
        with conn.cursor() as cursor:
            cursor.executemany(
                "insert into fuel.load_rejects (load_id, position, id, reason, original) values (%s, %s, %s, %s, %s)",
                [(load_id, each.position, each.id, each.reason, each.original) for each in rejects],
            )
        conn.execute(FINISH, {**asdict(counts), "load_id": load_id})
        if source.mode in ("snapshot", "changes"):
            believed = source.stated or source.mode == "changes"
            conn.execute(ADVANCE, {
                "feed": source.mode, "key": source.key, "load_id": load_id,
                "watermark": source.exported_at if believed else None,
            })  # fmt: skip
        return load_id, counts

    def _snapshot_watermark(self, conn: Connection) -> datetime | None:
        if not self.exists:
            return None
        row = conn.execute("select watermark from fuel.ingest_state where feed = 'snapshot'").fetchone()
        return row[0] if row else None

    def _compare(
        self,
        conn: Connection,
        source: Source,
        feed: Feed,
        outdated: bool,
        counts: Counts,
        accept_shrink: bool,
    ) -> tuple[Sequence[int], list[str]]:
        """Which slots of the feed are to be written, and which stored ids the snapshot lost."""
        is_snapshot = source.mode == "snapshot"
        if is_snapshot and not accept_shrink and feed.record_count not in (None, feed.seen, str(feed.seen)):
            raise RefusedObject(
                f"metadata.record_count is {feed.record_count}, but {feed.seen} records are there; "
                "--accept-shrink takes it all the same"
            )
        if not self.exists or not conn.execute("select exists (select from fuel.records_raw)").fetchone()[0]:  # type: ignore[index]
            counts.inserted = len(feed.ids)
            return range(len(feed.ids)), []
        count = len(feed.ids)
        parameters = {
            "ids": _array(TEXT, [_with_length(id.encode()) for id in feed.ids], count),
            "digests": _array(BYTEA, [_DIGEST, _DIGEST.join(feed.digests)] if count else [], count),
            "stamps": _array(TIMESTAMPTZ, map(_time, feed.stamps), count),
            "exported_at": source.exported_at,
            "outdated": outdated,
        }
        join = "full" if is_snapshot and not outdated else "left"
        slots, lost, lost_alive = [], [], 0
        for slot, id, verdict, alive in conn.execute(COMPARE.format(join=join), parameters):  # type: ignore[arg-type]
            setattr(counts, verdict, getattr(counts, verdict) + 1)
            if verdict == "absent":
                lost.append(id)
                lost_alive += alive
            elif verdict != "stale":
                slots.append(slot - 1)
        counts.unchanged = count - counts.inserted - counts.updated - counts.stale
        if lost_alive > SHRINK_ROWS and not accept_shrink:
            live = conn.execute(
                "select count(*) from fuel.records_raw"
                " where absent_since is null and coalesce(raw ->> 'deleted_at', '') = ''"
            ).fetchone()[0]  # type: ignore[index]
            if lost_alive > SHRINK_SHARE * live:
                raise RefusedObject(
                    f"the snapshot lacks {lost_alive} of {live} live rows, more than 5 %; "
                    "--accept-shrink takes it all the same"
                )
        slots.sort()
        return slots, lost

    def _run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction; if the connection is lost, connect anew and do it again."""

        def attempt() -> T:
            conn = self._connected()
            with conn.transaction():
                if not self._writing:
                    conn.execute("set transaction read only")
                return work(conn)

        try:
            return retrying(self._is_passing, "database")(attempt)
        except psycopg.errors.InsufficientPrivilege as error:
            raise ConfigurationError(f"the database role lacks a privilege: {_first_line(error)}") from None
        except psycopg.OperationalError as error:
            raise Unreachable(f"the database cannot be reached: {_first_line(error)}") from None

    def _is_passing(self, error: BaseException) -> bool:
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) or (
            isinstance(error, Busy) and self._held  # our own lost session still holds the lock for a moment
        )

    def _connected(self) -> Connection:
        if self._conn and not self._conn.closed:
            return self._conn
        name = f"fuel-loader {os.getpid()}@{socket.gethostname()}"
        try:
            conn = psycopg.connect(
                self._conninfo,
                connect_timeout=10,
                application_name=name,
                prepare_threshold=None,
                autocommit=True,
            )
        except psycopg.ProgrammingError:
            raise ConfigurationError("DATABASE_URL is wrong: not a PostgreSQL connection URL") from None
        except psycopg.OperationalError as error:
            wrong = (
                "password authentication failed",
                "no password supplied",
                "does not exist",
                "no pg_hba.conf entry",
            )
            if any(phrase in str(error) for phrase in wrong):
                raise ConfigurationError(
                    f"PGUSER, PGPASSWORD or PGDATABASE (or DATABASE_URL) is wrong: {_first_line(error)}"
                ) from None
            raise
        conn.adapters.register_dumper(_Binary, _BinaryDumper)
        # A killed loader's session ends at once, even in the middle of a long statement.
        conn.execute(
            "set client_connection_check_interval = '1s'; set timezone = 'UTC'; set work_mem = '128MB'"
        )
        if self._writing:
            self._lock(conn)
        self._prepare(conn)
        self._conn = conn
        return conn

    def _lock(self, conn: Connection) -> None:
        if not conn.execute("select pg_try_advisory_lock(%s)", [LOCK]).fetchone()[0]:  # type: ignore[index]
            holder = conn.execute(
                "select a.application_name, a.pid, a.usename from pg_locks as l join pg_stat_activity as a using (pid)"
                " where l.locktype = 'advisory' and l.classid = 0 and l.objid = %s and l.granted"
                " and l.database = (select oid from pg_database where datname = current_database())",
                [LOCK],
            ).fetchone()
            conn.close()
            who = (
                "{} (database session {}, role {})".format(*holder) if holder else "a session that just ended"
            )
            raise Busy(f"another load is running: {who} holds the lock")
        self._held = True

    def _prepare(self, conn: Connection) -> None:
        """Bring the landing tables up to date (if writing), or see what is there."""
        version = 0
        if conn.execute("select to_regclass('fuel.landing_versions')").fetchone()[0]:  # type: ignore[index]
            version = conn.execute("select coalesce(max(version), 0) from fuel.landing_versions").fetchone()[
                0
            ]  # type: ignore[index]
        if version > VERSION:
            raise ConfigurationError(
                f"the landing tables are of version {version}, this loader knows version {VERSION}: update the loader"
            )
        self.exists = version > 0 or self._writing
        if version < VERSION and self._writing:
            try:
                with conn.transaction():
                    conn.execute(files("loader").joinpath("landing.sql").read_bytes())
            except psycopg.errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"the landing tables are of version {version}, this loader needs version {VERSION}, and the role may "
                    f"not change them: {_first_line(error)}; let the owner of schema fuel run loader/landing.sql once"
                ) from None
            log.info("landing tables brought to version %d", VERSION)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _batches(feed: Feed, slots: Sequence[int]) -> Iterable[list[int]]:
    """The slots in batches small enough to be sent again if PostgreSQL refuses one of their records."""
    batch: list[int] = []
    size = 0
    for slot in slots:
        batch.append(slot)
        size += memoryview(feed.raws[slot]).nbytes
        if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _land(
    conn: Connection,
    send: Callable[[list[int]], None],
    slots: list[int],
    feed: Feed,
    rejects: list[Reject],
    counts: Counts,
) -> None:
    """Send a batch; if PostgreSQL refuses it, send its halves, down to the one record that is to blame."""
    try:
        with conn.transaction():
            send(slots)
        return
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in ("22", "54"):  # data exception, limit exceeded
            raise
        reason = error.diag.message_primary or _first_line(error)
    if len(slots) > 1:
        middle = len(slots) // 2
        _land(conn, send, slots[:middle], feed, rejects, counts)
        _land(conn, send, slots[middle:], feed, rejects, counts)
        return
    slot = slots[0]
    original = feed.sanitised.get(slot) or bytes(feed.raws[slot])
    rejects.append(Reject(feed.positions[slot], feed.ids[slot], f"refused by PostgreSQL: {reason}", original))


def _copy(conn: Connection, feed: Feed, target: str, constants: bytes, slots: list[int]) -> None:
    """COPY the records of these slots into `target`, in binary form: nothing to escape, nothing to parse twice."""
    ids, raws, digests, stamps = feed.ids, feed.raws, feed.digests, feed.stamps
    rows = [_COPY_HEADER]
    for slot in slots:
        id, raw = ids[slot].encode(), memoryview(raws[slot])
        rows += (
            _ROW, _int32(len(id)), id, _int32(raw.nbytes + 1), b"\x01", raw,
            _DIGEST, digests[slot], _time(stamps[slot]), constants,
        )  # fmt: skip
    rows.append(_COPY_END)
    with conn.cursor().copy(
        sql.SQL("copy {} {} from stdin (format binary)").format(sql.SQL(target), sql.SQL(COLUMNS))
    ) as copy:
        copy.write(b"".join(rows))


def _check(conn: Connection, feed: Feed, slots: list[int]) -> None:
    """Have PostgreSQL read the records of these slots without storing them."""
    documents = (
        _int32(memoryview(feed.raws[slot]).nbytes + 1) + b"\x01" + bytes(feed.raws[slot]) for slot in slots
    )
    conn.execute("select count(*) from unnest(%s::jsonb[])", [_array(JSONB, documents, len(slots))])
