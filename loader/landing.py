"""The landing zone: one object at a time, each in one transaction under one lock."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.numeric import Int8

from loader.compare import Comparison, compare
from loader.connection import scalar
from loader.feed import Feed, Source
from loader.sending import COLUMNS, send
from loader.session import Connection, Session
from loader.watermark import believed_watermark, check_clock, put_right, watermarks_ahead

log = logging.getLogger("loader")

MANY_ROWS = 1_000  # from here on a wrong estimate hurts

# The ETag under which each of these objects was applied last.
APPLIED = """
select distinct on (object_key) object_key, etag from {fuel}.loads
where object_key = any(%s) and status = 'applied' order by object_key, load_id desc
"""
# A feed was looked at, and its last load is still its newest.
CONFIRM = """
update {fuel}.loads set checked_at = statement_timestamp()
where load_id = (select max(load_id) from {fuel}.loads where mode = %s and status = 'applied')
"""
# The line of the object's last load, if it was one of these bytes.
LANDED = """
select load_id, seen, inserted, updated, unchanged, stale, duplicate, rejected, absent
from (
    select * from {fuel}.loads where object_key = %(key)s and status = 'applied' order by load_id desc limit 1
) as last_load
where etag = %(etag)s
"""
START = """
insert into {fuel}.loads (mode, object_key, etag, exported_at, started_at, status)
values (%(mode)s, %(key)s, %(etag)s, %(exported_at)s, %(started_at)s, 'applied')
returning load_id
"""
REFUSE = """
insert into {fuel}.loads (mode, object_key, etag, exported_at, started_at, finished_at, status, error)
values (
    %(mode)s, %(key)s, %(etag)s, %(exported_at)s, %(started_at)s, statement_timestamp(), 'refused', %(error)s
)
"""
STAGE = f"create temporary table changed on commit drop as select {COLUMNS} from {{fuel}}.records_raw limit 0"
COPY = f"copy {{fuel}}.records_raw ({COLUMNS}) from stdin (format binary)"
COPY_STAGE = f"copy pg_temp.changed ({COLUMNS}) from stdin (format binary)"
# A record that only was written otherwise, as after an adoption, has no new version.
KEEP_VERSIONS = """
insert into {fuel}.record_versions (id, load_id, raw, replaced_by_load_id, replaced_at)
select stored.id, stored.load_id, stored.raw, changed.load_id, statement_timestamp()
from pg_temp.changed as changed
inner join {fuel}.records_raw as stored on changed.id = stored.id and changed.raw <> stored.raw
"""
UPSERT = f"""
insert into {{fuel}}.records_raw as stored ({COLUMNS})
select {COLUMNS} from pg_temp.changed
on conflict (id) do update set
    raw = excluded.raw,
    raw_digest = excluded.raw_digest,
    source_updated_at = excluded.source_updated_at,
    exported_at = excluded.exported_at,
    absent_since = case when excluded.absent_since is not null then stored.absent_since end,
    load_id = excluded.load_id,
    loaded_at = excluded.loaded_at
"""
MARK = """
update {fuel}.records_raw
set absent_since = %(absent_since)s, load_id = %(load_id)s, loaded_at = statement_timestamp()
where id = any(%(ids)s)
"""
ANY_ROW = "select exists (select 1 from {fuel}.records_raw)"
# By the statistics of earlier loads a new one has no row: dbt's queries would join its rows one by one.
ANALYZED = "select reltuples > 0 from pg_class where oid = to_regclass(%s)"
REJECT = """
insert into {fuel}.load_rejects as stored
    (load_id, position, id, reason, original, object_key, last_load_id, last_met_at)
values (
    %(load_id)s, %(position)s, %(id)s, %(reason)s, %(original)s, %(key)s, %(load_id)s, statement_timestamp()
)
on conflict (object_key, sha256(original)) do update set
    last_load_id = excluded.last_load_id,
    last_met_at = excluded.last_met_at,
    occurrences = stored.occurrences + excluded.occurrences
"""
NEW_REJECTS = """
select count(*) from {fuel}.load_rejects where load_id = %s and reason <> 'sanitised'
"""
# Versions and rejects that were kept long enough.
FORGET = (
    "delete from {fuel}.record_versions where replaced_at < %s",
    "delete from {fuel}.load_rejects where last_met_at < %s",
)
FINISH = """
update {fuel}.loads set
    finished_at = statement_timestamp(), checked_at = statement_timestamp(),
    seen = %(seen)s, inserted = %(inserted)s, updated = %(updated)s, unchanged = %(unchanged)s,
    stale = %(stale)s, duplicate = %(duplicate)s, rejected = %(rejected)s, absent = %(absent)s
where load_id = %(load_id)s
"""
ADVANCE = """
insert into {fuel}.ingest_state as state (feed, watermark, object_key, load_id)
values (%(mode)s, %(watermark)s, %(key)s, %(load_id)s)
on conflict (feed) do update set
    watermark = greatest(state.watermark, excluded.watermark),
    object_key = excluded.object_key,
    load_id = excluded.load_id,
    updated_at = excluded.updated_at
"""


@dataclass
class Counts:
    """The fate of an object's records in numbers: the columns of `fuel.loads`."""

    seen: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    duplicate: int = 0
    rejected: int = 0
    absent: int = 0


class Landing(Session):
    """The landing zone of one database, within one session."""

    _unanalyzed = 0  # rows written since their statistics

    def applied(self, keys: Sequence[str]) -> dict[str, str]:
        """The ETag under which each of these objects was applied last."""
        if not self.exists:
            return {}
        return self.run(lambda conn: dict(conn.execute(conn.sql(APPLIED), [list(keys)]).fetchall()))

    def confirm(self, mode: str) -> None:
        """Note that a feed was looked at and that its last load is still its newest."""
        self.run(lambda conn: conn.execute(conn.sql(CONFIRM), [mode]))

    def refuse(self, source: Source, error: str) -> None:
        """Put a refused object into the ledger."""
        self.run(lambda conn: conn.execute(conn.sql(REFUSE), {**vars(source), "error": error}))

    def load(self, source: Source, feed: Feed, *, accept_shrink: bool) -> tuple[int | None, Counts]:
        """Land one object, all or nothing: its load_id (None in a dry run) and counts.

        If it has been landed since the ledger was asked, these are the ones of then.

        Raises:
            RefusedObject: a snapshot that lost too much.
            Unreachable: the database went away, and did not come back.
        """

        def attempt(conn: Connection) -> tuple[int | None, Counts]:
            # A lost connection may have hidden that the commit came through, or let another load in.
            if self.exists and (landed := conn.execute(conn.sql(LANDED), vars(source)).fetchone()):
                return landed[0], Counts(*landed[1:])
            return self.land(conn, source, feed, accept_shrink)

        return self.run(attempt)

    def watermarks_ahead(self) -> list[tuple[str, datetime]]:
        """The feeds whose watermark is ahead of the database's clock."""
        return self.run(watermarks_ahead) if self.exists else []

    def reset_watermark(self) -> int:
        """Put watermarks that are ahead of the clock right, and the rows that are; the number of rows."""

        def reset(conn: Connection) -> int:
            source = Source("reset", f"{self.schema}.ingest_state", None, None, False)
            load_id = scalar(conn, conn.sql(START), vars(source))
            counts = Counts(updated=put_right(conn, load_id))
            self._finish(conn, source, load_id, counts)
            return counts.updated

        return self.run(reset)

    def forget(self, days: int) -> None:
        """Let go of replaced versions and of rejects that are older than this."""

        def forget(conn: Connection) -> None:
            since = scalar(conn, "select statement_timestamp() - make_interval(days => %s)", [days])
            for statement in FORGET:
                conn.execute(conn.sql(statement), [since])

        self.run(forget)

    def land(
        self, conn: Connection, source: Source, feed: Feed, accept_shrink: bool
    ) -> tuple[int | None, Counts]:
        """The same, within the transaction of a call to `run`."""
        check_clock(conn, source)
        watermark = believed_watermark(conn) if self.exists else None
        # The last snapshot is newer than this object: what it did not hold is absent, whatever is said here.
        outdated = bool(watermark and source.exported_at and source.exported_at < watermark)
        is_empty = not self.exists or not scalar(conn, conn.sql(ANY_ROW))
        found = compare(conn, source, feed, outdated=outdated, accept_shrink=accept_shrink, is_empty=is_empty)
        load_id = None
        if self.writing:
            load_id = scalar(conn, conn.sql(START), vars(source))
            self._write(conn, source, feed, found, load_id, watermark if outdated else None)
        else:
            send(conn, feed, found.written, None, ())
            found.leave_out(feed.problems)
        feed.check()
        counts = Counts(
            len(feed.raws), len(found.inserted), len(found.updated) + len(found.back), found.unchanged,
            len(found.stale), found.duplicate, len(feed.problems), len(found.lost),
        )  # fmt: skip
        if load_id is not None:
            self._finish(conn, source, load_id, counts)
        return load_id, counts

    def _write(
        self,
        conn: Connection,
        source: Source,
        feed: Feed,
        found: Comparison,
        load_id: int,
        absent_since: datetime | None,
    ) -> None:
        """Store what is new or changed, mark what is absent, and keep the rejects."""
        constants = (source.exported_at, absent_since, Int8(load_id))
        if found.updated:
            conn.execute(conn.sql(STAGE))
            send(conn, feed, found.written, conn.sql(COPY_STAGE), constants)
            conn.execute(conn.sql(KEEP_VERSIONS))
            conn.execute(conn.sql(UPSERT))
        else:
            send(conn, feed, found.written, conn.sql(COPY), constants)
        found.leave_out(feed.problems)
        back = [feed.ids[slot] for slot in found.back]
        for ids, since in ((found.lost, source.exported_at), (back, None)):
            if ids:
                conn.execute(conn.sql(MARK), {"ids": ids, "absent_since": since, "load_id": load_id})
        # Many small loads of one run hurt as much as a large one.
        self._unanalyzed += len(found.written) + len(back) + len(found.lost)
        if self._unanalyzed >= MANY_ROWS and scalar(conn, ANALYZED, [f"{self.schema}.records_raw"]):
            conn.execute(conn.sql("analyze {fuel}.records_raw (load_id)"))
            self._unanalyzed = 0
        reasons = dict(feed.problems)
        if feed.originals:
            reasons |= {slot: "sanitised" for slot in found.written if slot in feed.originals}
        with conn.cursor() as cursor:
            rejects = [
                {
                    "load_id": load_id, "key": source.key, "position": slot + 1, "id": feed.ids[slot],
                    "reason": reason, "original": feed.original(slot),
                }
                for slot, reason in reasons.items()
            ]  # fmt: skip
            cursor.executemany(conn.sql(REJECT), rejects)
        if feed.problems and (new := scalar(conn, conn.sql(NEW_REJECTS), [load_id])):
            log.warning(
                "%s: newly rejected: %d, see %s.load_rejects",
                source.key,
                new,
                self.schema,
            )

    def _finish(self, conn: Connection, source: Source, load_id: int, counts: Counts) -> None:
        """Complete the line of the ledger, and move the watermark on."""
        conn.execute(conn.sql(FINISH), {"load_id": load_id, **vars(counts)})
        if source.mode in ("snapshot", "changes"):
            believed = source.exported_at if source.stated or source.mode == "changes" else None
            conn.execute(conn.sql(ADVANCE), {**vars(source), "load_id": load_id, "watermark": believed})
