"""The landing zone: one object at a time, each in one transaction under one lock."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from importlib.resources import files
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8

from loader.bucket import RefusedObject, Unreachable, first_line, retrying
from loader.connection import SERVER_KEEPALIVES, UNHURRIED, WRONG_LOGIN, is_misread, lasting, scalar
from loader.feed import Feed, Reject, Versions
from loader.settings import ConfigurationError, Failure, Settings

log = logging.getLogger("loader")
T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]

VERSION = 1  # of landing.sql
LOCK = 0x6675656C  # the advisory lock's key: "fuel" in ASCII
SHRINK_SHARE, SHRINK_ROWS = 0.05, 20
ACCEPT = "--accept-shrink takes it all the same"
MANY_ROWS = 1_000  # from here on a wrong estimate hurts
BATCH_ROWS, BATCH_BYTES = 5_000, 4 << 20
COLUMNS = "id, raw, raw_digest, source_updated_at, exported_at, absent_since, load_id"
EPOCH, MICROSECOND = datetime(2000, 1, 1, tzinfo=timezone.utc), timedelta(microseconds=1)
BYTEA, TEXT, TIMESTAMPTZ = 17, 25, 1184  # type oids
_int32, _int64 = struct.Struct("!i").pack, struct.Struct("!iq").pack

# The line of the object's last load, if it was one of these bytes.
LANDED = """
select load_id, seen, inserted, updated, unchanged, stale, duplicate, rejected, absent
from (
    select * from fuel.loads where object_key = %(key)s and status = 'applied' order by load_id desc limit 1
) as last_load
where etag = %(etag)s
"""
START = """
insert into fuel.loads (mode, object_key, etag, exported_at, started_at, status)
values (%(mode)s, %(key)s, %(etag)s, %(exported_at)s, %(started_at)s, 'applied')
returning load_id
"""
REFUSE = """
insert into fuel.loads (mode, object_key, etag, exported_at, started_at, finished_at, status, error)
values (%(mode)s, %(key)s, %(etag)s, %(exported_at)s, %(started_at)s, clock_timestamp(), 'refused', %(error)s)
"""
REJECT = """
insert into fuel.load_rejects (load_id, position, id, reason, original)
values (%(load_id)s, %(position)s, %(id)s, %(reason)s, %(original)s)
"""
HOLDER = """
select
    format('%%s (database session %%s, role %%s)', activity.application_name, activity.pid, activity.usename)
from pg_locks as locks
inner join pg_stat_activity as activity on locks.pid = activity.pid
inner join pg_database as here on locks.database = here.oid and here.datname = current_database()
where locks.locktype = 'advisory' and locks.granted and locks.classid = 0 and locks.objid = %s
"""
# Not deleted, in any of the ways that fuel.records knows: a time of this century, also in seconds, or a word.
ALIVE = r"coalesce(raw ->> 'deleted_at', '') !~* '^(?:t(?:rue)?|y(?:es)?|1)$|delet|remov|20\d\d|^1\d{9}'"
LIVE = f"select count(*) from fuel.records_raw where absent_since is null and {ALIVE}"
STAGE = f"create temporary table changed on commit drop as select {COLUMNS} from fuel.records_raw limit 0"
# By the statistics of earlier loads a new one has no row: dbt's queries would join its rows one by one.
ANALYZED = "select reltuples > 0 from pg_class where oid = 'fuel.records_raw'::regclass"
MARK = """
update fuel.records_raw set absent_since = %(absent_since)s, load_id = %(load_id)s, loaded_at = now()
where id = any(%(ids)s)
"""
# A digest stands for id and version: what a snapshot repeats is known by it, without reading the record.
LIVE_DIGESTS = "select array_agg(raw_digest) from fuel.records_raw where absent_since is null"
# One row per record that is not simply unchanged.
COMPARE = """
select
    incoming.slot,
    case
        when stored.id is null then 'inserted'
        when
            case
                when incoming.source_updated_at <> stored.source_updated_at
                    then incoming.source_updated_at < stored.source_updated_at
                -- The last snapshot, newer than this object, held the stored version of a live row.
                else
                    coalesce(%(exported_at)s::timestamptz, '-infinity') < stored.exported_at
                    or (%(outdated)s and stored.absent_since is null)
            end
            then case when stored.absent_since is null or %(outdated)s then 'stale' else 'back' end
        else 'updated'
    end as verdict,
    stored.raw_digest
from
    unnest(%(ids)s::text[], %(digests)s::bytea[], %(times)s::timestamptz[])
    with ordinality as incoming (id, digest, source_updated_at, slot)
left join fuel.records_raw as stored on incoming.id = stored.id
where
    stored.raw_digest is distinct from incoming.digest
    or (stored.absent_since is not null and not %(outdated)s)
"""
# The stored rows that a snapshot no longer holds, and whether they were alive.
LOST = f"""
select id, {ALIVE}
from fuel.records_raw
where
    absent_since is null
    and coalesce(exported_at, '-infinity') <= %(exported_at)s
    and raw_digest = any(%(digests)s::bytea[])
    and id <> all(%(ids)s::text[])
"""
UPSERT = f"""
insert into fuel.records_raw as stored ({COLUMNS})
select {COLUMNS} from changed
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
values (%(mode)s, %(watermark)s, %(key)s, %(load_id)s)
on conflict (feed) do update set
    watermark = greatest(state.watermark, excluded.watermark),
    object_key = excluded.object_key,
    load_id = excluded.load_id,
    updated_at = now()
"""


class Busy(Failure):
    """Another load holds the lock; the message says who."""

    exit_code = 75


@dataclass
class Source:
    """Where a feed came from. `stated`: the export time is its own word, not the modification time."""

    mode: str
    key: str
    etag: str | None
    exported_at: datetime | None
    stated: bool
    started_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


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
    """An array parameter; each of the `count` elements has its length in front.

    A list of psycopg's own would take five times the memory on the way.
    """
    return _Binary(struct.pack("!iiiii", 1, 0, element_oid, count, 1) + b"".join(elements))


def _sized(value: bytes) -> bytes:
    return _int32(len(value)) + value


def _time(when: datetime | None) -> bytes:
    """A timestamptz: microseconds since 2000."""
    return _int32(-1) if when is None else _int64(8, (when - EPOCH) // MICROSECOND)


class Landing:
    """The landing zone of one database.

    `writing` takes the lock and brings the tables up to date; without it nothing at all is written.
    """

    def __init__(self, settings: Settings, *, writing: bool) -> None:
        self._conninfo = settings.database_url.get_secret_value() if settings.database_url else ""
        self.writing = writing
        self._conn: Connection | None = None
        self._locked_before = False
        self._exists = True
        self._unanalyzed = 0  # rows written since their statistics

    def __enter__(self) -> Landing:
        self.run(lambda conn: None)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._conn:
            with suppress(psycopg.Error):  # the server ends a session some time after it was closed
                self._conn.execute("select pg_advisory_unlock_all()")
            self._conn.close()

    def applied(self, keys: Sequence[str]) -> dict[str, str]:
        """The ETag under which each of these objects was applied last."""
        query = """
            select distinct on (object_key) object_key, etag from fuel.loads
            where object_key = any(%s) and status = 'applied' order by object_key, load_id desc
        """
        return (
            self.run(lambda conn: dict(conn.execute(query, [list(keys)]).fetchall())) if self._exists else {}
        )

    def confirm(self, mode: str) -> None:
        """Note that a feed was looked at and that its last load is still its newest."""
        query = """
            update fuel.loads set checked_at = clock_timestamp()
            where load_id = (select max(load_id) from fuel.loads where mode = %s and status = 'applied')
        """
        self.run(lambda conn: conn.execute(query, [mode]))

    def refuse(self, source: Source, error: str) -> None:
        """Put a refused object into the ledger."""
        values = {**vars(source), "error": error}
        self.run(lambda conn: conn.execute(REFUSE, values))

    def load(self, source: Source, feed: Feed, *, accept_shrink: bool) -> tuple[int | None, Counts]:
        """Land one object, all or nothing: its load_id (None in a dry run) and counts.

        If it has been landed since the ledger was asked, these are the ones of then.

        Raises:
            RefusedObject: a snapshot that lost too much.
            Unreachable: the database went away, and did not come back.
        """

        def attempt(conn: Connection) -> tuple[int | None, Counts]:
            # A lost connection may have hidden that the commit came through, or let another load in.
            if self._exists and (landed := conn.execute(LANDED, vars(source)).fetchone()):
                return landed[0], Counts(*landed[1:])
            return self.land(conn, source, feed, accept_shrink)

        return self.run(attempt)

    def land(
        self, conn: Connection, source: Source, feed: Feed, accept_shrink: bool
    ) -> tuple[int | None, Counts]:
        """The same, within the transaction of a call to `run`."""
        watermark = None
        if self._exists:
            watermark = scalar(conn, "select max(watermark) from fuel.ingest_state where feed = 'snapshot'")
        # The last snapshot is newer than this object: what it did not hold is absent, whatever is said here.
        outdated = bool(watermark and source.exported_at and source.exported_at < watermark)
        counts = Counts(seen=len(feed.raws))
        versions, verdicts, lost = self._compare(conn, source, feed, outdated, accept_shrink, counts)
        rejects = list(versions.rejects)
        load_id = target = None
        send = partial(_check, conn, feed, versions)
        if self.writing:
            load_id = scalar(conn, START, vars(source))
            target = "changed" if "updated" in verdicts.values() else "fuel.records_raw"
            if target == "changed":
                conn.execute(STAGE)
            constants = (source.exported_at, watermark if outdated else None, Int8(load_id))
            send = partial(_copy, conn, feed, versions, target, constants)
        refused: dict[int, str] = {}
        written = sorted(n for n, verdict in verdicts.items() if verdict in ("inserted", "updated"))
        for batch in _batches(feed, versions, written):
            _send(conn, send, batch, refused)
        for n, reason in refused.items():
            verdicts[n] = "rejected"
            slot = versions.slots[n]
            rejects.append(Reject(slot + 1, versions.ids[n], reason, feed.original(slot)))
        back = [versions.ids[n] for n, verdict in verdicts.items() if verdict == "back"]
        found = Counter(verdicts.values())
        counts.inserted, counts.updated = found["inserted"], found["updated"] + len(back)
        counts.stale = found["stale"]
        counts.rejected, counts.absent = len(rejects), len(lost)
        if not self.writing:
            return None, counts
        if target == "changed":
            conn.execute(UPSERT, {"outdated": outdated})
        for ids, absent_since in ((lost, source.exported_at), (back, None)):
            if ids:
                conn.execute(MARK, {"ids": ids, "absent_since": absent_since, "load_id": load_id})
        # Many small loads of one run hurt as much as a large one.
        self._unanalyzed += counts.inserted + counts.updated + counts.absent
        if self._unanalyzed >= MANY_ROWS and scalar(conn, ANALYZED):
            conn.execute("analyze fuel.records_raw (load_id)")
            self._unanalyzed = 0
        if feed.originals:
            rejects += [
                Reject(slot + 1, id, "sanitised", feed.originals[slot])
                for n, (slot, id) in enumerate(zip(versions.slots, versions.ids, strict=True))
                if slot in feed.originals and verdicts.get(n) in ("inserted", "updated")
            ]
        with conn.cursor() as cursor:
            cursor.executemany(REJECT, [{"load_id": load_id, **vars(each)} for each in rejects])
        conn.execute(FINISH, {"load_id": load_id, **vars(counts)})
        if source.mode in ("snapshot", "changes"):
            believed = source.exported_at if source.stated or source.mode == "changes" else None
            conn.execute(ADVANCE, {**vars(source), "load_id": load_id, "watermark": believed})
        return load_id, counts

    def _compare(
        self,
        conn: Connection,
        source: Source,
        feed: Feed,
        outdated: bool,
        accept_shrink: bool,
        counts: Counts,
    ) -> tuple[Versions, dict[int, str], list[str]]:
        """What may have changed, what became of it by its place there (if not: unchanged), and the lost ids.

        Counts what is unchanged and what is there twice.
        """
        snapshot = source.mode == "snapshot"
        if snapshot and not accept_shrink and not _agrees(feed.record_count, counts.seen):
            stated = f"metadata.record_count is {feed.record_count:.100}"
            raise RefusedObject(f"{stated}, but it holds {counts.seen} records; {ACCEPT}")
        everything = range(counts.seen)
        if not self._exists or not scalar(conn, "select exists (select from fuel.records_raw)"):
            versions = feed.read(everything)
            counts.duplicate = versions.duplicate
            return versions, dict.fromkeys(range(len(versions.ids)), "inserted"), []
        stored: set[bytes] = set()
        digests: list[bytes] = []
        unread: Sequence[int] = everything
        if snapshot:
            with conn.cursor(binary=True) as cursor, conn.pipeline():
                cursor.execute(LIVE_DIGESTS)
                digests.extend(feed.digests(everything))  # while PostgreSQL gathers its own
                stored.update((cursor.fetchone() or [None])[0] or ())
            held = map(stored.__contains__, digests)
            unread = [slot for slot, is_held in enumerate(held) if not is_held]
        gone = stored.difference(digests)
        versions = feed.read(unread)
        compared = self._verdicts(conn, source, feed, versions, outdated)
        # Where the file holds the stored version of an id beside a changed one, the newer of them counts.
        twins = {digest for _, digest in compared.values() if digest in stored and digest not in gone}
        if twins:
            unread = [slot for slot, digest in enumerate(digests) if digest not in stored or digest in twins]
            versions = feed.read(unread)
            compared = self._verdicts(conn, source, feed, versions, outdated)
        known = len(stored) - len(gone) - len(twins)
        counts.duplicate = versions.duplicate + counts.seen - len(unread) - known
        counts.unchanged = known + len(versions.ids) - len(compared)
        verdicts = {n: verdict for n, (verdict, _) in compared.items()}
        gone.difference_update(digest for _, digest in compared.values())
        gone.difference_update(feed.digests(versions.slots))  # of items unwrapped since
        if not gone or outdated:
            return versions, verdicts, []
        named = [*versions.ids, *(each.id for each in versions.rejects if each.id)]
        return versions, verdicts, self._lost(conn, source, list(gone), named, accept_shrink)

    def _lost(
        self, conn: Connection, source: Source, gone: list[bytes], named: list[str], accept_shrink: bool
    ) -> list[str]:
        """The ids of the rows with these digests that the snapshot does not name at all."""
        parameters = {"exported_at": source.exported_at, "digests": gone, "ids": named}
        rows = conn.execute(LOST, parameters).fetchall()
        lost_alive = sum(alive for _, alive in rows)
        if lost_alive > SHRINK_ROWS and not accept_shrink:
            live = scalar(conn, LIVE)
            if lost_alive > SHRINK_SHARE * live:
                raise RefusedObject(f"it lacks {lost_alive} of {live} live rows, more than 5 %; {ACCEPT}")
        return [id for id, _ in rows]

    def _verdicts(
        self, conn: Connection, source: Source, feed: Feed, versions: Versions, outdated: bool
    ) -> dict[int, tuple[str, bytes]]:
        """By place in `versions`, what became of it and the stored version's digest; not in it: unchanged."""
        count = len(versions.ids)
        parameters = {
            "ids": _array(TEXT, map(_sized, map(str.encode, versions.ids)), count),
            "digests": _array(BYTEA, map(_sized, feed.digests(versions.slots)), count),
            "times": _array(TIMESTAMPTZ, map(_time, versions.times), count),
            "exported_at": source.exported_at,
            "outdated": outdated,
        }
        return {n - 1: (verdict, digest) for n, verdict, digest in conn.execute(COMPARE, parameters)}

    def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction; if the connection is lost, connect anew and do it again.

        Raises:
            ConfigurationError: the role lacks a privilege.
            Unreachable: the database cannot be reached, or stopped answering, time and again.
        """

        def attempt() -> T:
            conn = self._connected()
            with conn.transaction():
                if not self.writing:
                    conn.execute("set transaction read only")
                # Granted at once to the session that took the lock; a pool may have swapped it for another.
                elif not scalar(conn, "select pg_try_advisory_xact_lock(%s)", [LOCK]):
                    raise ConfigurationError(
                        "the connection left the database session that holds its lock: "
                        "connect directly, or through a pool in session mode"
                    )
                return work(conn)

        try:
            return retrying(self._is_passing, "database")(attempt)
        except psycopg.errors.InsufficientPrivilege as error:
            raise ConfigurationError(f"the database role lacks a privilege: {first_line(error)}") from None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            lost = error.sqlstate is None or error.sqlstate.startswith(("08", "57"))
            what = "cannot be reached" if lost else "fails"
            raise Unreachable(f"the database {what}: {first_line(error)}") from None

    def _is_passing(self, error: BaseException) -> bool:
        if isinstance(error, Busy):
            return self._locked_before  # the session we lost may hold the lock for another moment
        return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))

    def _connected(self) -> Connection:
        if self._conn and not self._conn.closed:
            return self._conn
        name = f"fuel-loader {os.getpid()}@{socket.gethostname()}"
        try:
            target = conninfo_to_dict(self._conninfo)
            # A password with a bare @ or / turns up here, and would in what libpq says about it.
            if is_misread(target):
                raise psycopg.ProgrammingError
            conn = psycopg.connect(
                lasting(target),
                connect_timeout=10,
                application_name=name,
                client_encoding="UTF8",  # as records are sent, whatever PGCLIENTENCODING or the role says
                prepare_threshold=None,
                autocommit=True,
            )
        except psycopg.ProgrammingError:  # its message holds the URL
            raise ConfigurationError("DATABASE_URL is not a PostgreSQL connection URL") from None
        except psycopg.OperationalError as error:
            if any(phrase in str(error) for phrase in WRONG_LOGIN):
                raise ConfigurationError(
                    f"PGUSER, PGPASSWORD, PGDATABASE (or DATABASE_URL): {first_line(error)}"
                ) from None
            raise
        try:
            encoding = conn.info.parameter_status("server_encoding")
            if encoding != "UTF8":
                raise ConfigurationError(
                    f"database {conn.info.dbname!r} has the encoding {encoding}, and the feed needs UTF8: "
                    "make one with `create database … encoding 'UTF8' template template0`"
                )
            conn.adapters.register_dumper(_Binary, _BinaryDumper)
            # A killed loader's session ends soon, even amid a long statement.
            conn.execute(
                f"{UNHURRIED} {SERVER_KEEPALIVES}"
                "set client_connection_check_interval = '1s'; set work_mem = '128MB';"
                # So psycopg reads times, and writes bytes.
                "set timezone = 'UTC'; set datestyle = 'ISO'; set standard_conforming_strings = on"
            )
            if self.writing:
                self._lock(conn)
            self._prepare(conn)
        except BaseException:
            conn.close()
            raise
        self._conn = conn
        return conn

    def _lock(self, conn: Connection) -> None:
        if not scalar(conn, "select pg_try_advisory_lock(%s)", [LOCK]):
            who = scalar(conn, HOLDER, [LOCK]) or "a session that has just ended"
            raise Busy(f"another load is running: {who} holds the lock")
        self._locked_before = True

    def _prepare(self, conn: Connection) -> None:
        """Bring the landing tables up to date if writing, else see whether they are there."""
        version = 0
        if scalar(conn, "select to_regclass('fuel.landing_versions')"):
            version = scalar(conn, "select coalesce(max(version), 0) from fuel.landing_versions")
        if version > VERSION:
            raise ConfigurationError(
                f"the landing tables are of version {version}, this loader knows version {VERSION}: update it"
            )
        self._exists = version > 0 or self.writing
        if version < VERSION and self.writing:
            try:
                with conn.transaction():
                    conn.execute(files("loader").joinpath("landing.sql").read_bytes())
            except psycopg.errors.InsufficientPrivilege as error:
                raise ConfigurationError(
                    f"this role may not create or update the landing tables ({first_line(error)}): "
                    "let the owner of schema fuel run loader/landing.sql once"
                ) from None
            log.info("landing tables brought to version %d", VERSION)


def _agrees(record_count: str, seen: int) -> bool:
    """Whether the count that the metadata states, if any, is this one: 3, "3" and 3.0 are the same."""
    try:
        return record_count == "null" or float(record_count.strip('"')) == seen
    except ValueError:
        return False


def _batches(feed: Feed, versions: Versions, numbers: list[int]) -> Iterable[list[int]]:
    """These versions in batches small enough to be sent again if PostgreSQL refuses one of their records."""
    batch: list[int] = []
    size = 0
    for n in numbers:
        batch.append(n)
        size += len(feed.raws[versions.slots[n]])
        if len(batch) == BATCH_ROWS or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _send(
    conn: Connection, send: Callable[[list[int]], None], batch: list[int], refused: dict[int, str]
) -> None:
    """Send a batch; if PostgreSQL refuses it, send its halves, down to the one record that is to blame."""
    try:
        with conn.transaction():
            send(batch)
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in ("22", "54"):  # data exception, limit exceeded
            raise
        if len(batch) == 1:
            refused[batch[0]] = f"refused by PostgreSQL: {error.diag.message_primary}"
            return
        middle = len(batch) // 2
        _send(conn, send, batch[:middle], refused)
        _send(conn, send, batch[middle:], refused)


def _copy(
    conn: Connection, feed: Feed, versions: Versions, target: str, constants: Sequence[Any], batch: list[int]
) -> None:
    """COPY these versions into `target`, in binary form: nothing to escape or parse twice."""
    slots = [versions.slots[n] for n in batch]
    with conn.cursor().copy(f"copy {target} ({COLUMNS}) from stdin (format binary)") as copy:
        for n, slot, digest in zip(batch, slots, feed.digests(slots), strict=True):
            document = b"\x01" + bytes(feed.raws[slot])  # a jsonb value begins with its version
            copy.write_row((versions.ids[n], document, digest, versions.times[n], *constants))


def _check(conn: Connection, feed: Feed, versions: Versions, batch: list[int]) -> None:
    """Have PostgreSQL read the records of these versions without storing them."""
    documents = [bytes(feed.raws[versions.slots[n]]) for n in batch]
    query = "select count(convert_from(document, 'UTF8')::jsonb) from unnest(%b::bytea[]) as document"
    conn.execute(query, [documents])
