"""The fate of each record of an object: compared with the rows that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from loader.connection import scalar
from loader.failures import RefusedObject
from loader.feed import Feed, Source
from loader.sending import as_arrays
from loader.session import Connection

SHRINK_SHARE, SHRINK_ROWS = 0.05, 20
PART = 50_000  # records that are compared in one statement
ACCEPT = "--accept-shrink takes it all the same"

# Not deleted, in any of the ways that fuel.records knows: a time of this century, also in seconds, or a word.
ALIVE = (
    r"coalesce(raw ->> 'deleted_at', '')"
    r" !~* '^(?:t(?:rue)?|y(?:es)?|1)$|delet|remov|20\d\d|^1\d\d\d\d\d\d\d\d\d'"
)
LIVE = "select count(*) from {fuel}.records_raw where absent_since is null and " + ALIVE
# A digest stands for id and version: what a snapshot repeats is known by it, without reading the record.
LIVE_DIGESTS = "select array_agg(raw_digest) from {fuel}.records_raw where absent_since is null"
# One row per record that is not simply unchanged.
COMPARE = """
select
    incoming.place,
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
    with ordinality as incoming (id, digest, source_updated_at, place)
left join {fuel}.records_raw as stored on incoming.id = stored.id
where
    stored.raw_digest is distinct from incoming.digest
    or (stored.absent_since is not null and not %(outdated)s)
"""
# The stored rows that a snapshot no longer holds, and whether they were alive.
LOST = f"""
select id, {ALIVE}
from {{fuel}}.records_raw
where
    absent_since is null
    and coalesce(exported_at, '-infinity') <= %(exported_at)s
    and raw_digest = any(%(digests)s::bytea[])
    and id <> all(%(ids)s::text[])
"""


@dataclass
class Comparison:
    """The slots of the records that are neither unchanged nor duplicates, and the ids that a snapshot lost.

    `back` are absent ids that come back in an older version.
    """

    inserted: list[int] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    stale: list[int] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unchanged: int = 0
    duplicate: int = 0

    @property
    def written(self) -> list[int]:
        """The slots of the records to be stored, in the order of the object."""
        return sorted(self.inserted + self.updated) if self.updated else self.inserted

    def leave_out(self, problems: dict[int, str]) -> None:
        """Strike off the records that PostgreSQL refused."""
        if problems:
            self.inserted = [slot for slot in self.inserted if slot not in problems]
            self.updated = [slot for slot in self.updated if slot not in problems]


def compare(
    conn: Connection, source: Source, feed: Feed, *, outdated: bool, accept_shrink: bool, is_empty: bool
) -> Comparison:
    """Compare an object with the stored rows, if there are any. `outdated`: the last snapshot is newer.

    Raises:
        RefusedObject: a snapshot that lost too much.
    """
    seen = len(feed.raws)
    is_snapshot = source.mode == "snapshot"
    if is_snapshot and not accept_shrink and not _agrees(feed.record_count, seen):
        stated = f"metadata.record_count is {feed.record_count:.100}"
        raise RefusedObject(f"{stated}, but it holds {seen} records; {ACCEPT}")
    if is_empty:
        slots, duplicate = feed.read(range(seen))
        return Comparison(inserted=slots, duplicate=duplicate)
    held: set[bytes] = set()  # stored versions that the snapshot holds, and those that it does not
    gone: set[bytes] = set()
    unread: Sequence[int] = range(seen)
    if is_snapshot:
        with conn.cursor(binary=True) as cursor, conn.pipeline():
            cursor.execute(conn.sql(LIVE_DIGESTS))
            digests = [*feed.digests(unread)]  # while PostgreSQL gathers its own
            gone.update((cursor.fetchone() or [None])[0] or ())
        held = gone.intersection(digests)
        gone -= held
        unread = [slot for slot, digest in enumerate(digests) if digest not in held]
        del digests
    found, slots, twins = _sorted(conn, source, feed, unread, outdated, held, gone)
    # Where the file holds the stored version of an id beside a changed one, the newer of them counts.
    if twins:
        held -= twins
        unread = [slot for slot, digest in enumerate(feed.digests(range(seen))) if digest not in held]
        found, slots, _ = _sorted(conn, source, feed, unread, outdated, held, gone)
    found.unchanged += len(held)
    found.duplicate += seen - len(unread) - len(held)
    gone.difference_update(feed.digests(slots))  # of items unwrapped since
    if gone and not outdated:
        named = [feed.ids[slot] for slot in (*slots, *feed.problems) if feed.ids[slot]]
        found.lost = _lost(conn, source, list(gone), named, accept_shrink)
    return found


def _agrees(record_count: str, seen: int) -> bool:
    """Whether the count that the metadata states, if any, is this one: 3, "3" and 3.0 are the same."""
    try:
        return record_count == "null" or float(record_count.strip('"')) == seen
    except ValueError:
        return False


def _sorted(
    conn: Connection,
    source: Source,
    feed: Feed,
    unread: Sequence[int],
    outdated: bool,
    held: set[bytes],
    gone: set[bytes],
) -> tuple[Comparison, list[int], set[bytes]]:
    """The fate of these records, their slots, and the stored versions of theirs that the file holds, too.

    Takes the versions that were replaced out of `gone`. A part at a time, which bounds the memory.
    """
    slots, duplicate = feed.read(unread)
    found = Comparison(unchanged=len(slots), duplicate=duplicate)
    twins: set[bytes] = set()
    for start in range(0, len(slots), PART):
        part = slots[start : start + PART]
        parameters = {**as_arrays(feed, part), "exported_at": source.exported_at, "outdated": outdated}
        for place, verdict, digest in conn.execute(conn.sql(COMPARE), parameters):
            getattr(found, verdict).append(part[place - 1])
            found.unchanged -= 1
            if digest in held:
                twins.add(digest)
            gone.discard(digest)
    return found, slots, twins


def _lost(
    conn: Connection, source: Source, gone: list[bytes], named: list[str], accept_shrink: bool
) -> list[str]:
    """The ids of the rows with these digests that the snapshot does not name at all."""
    parameters = {"exported_at": source.exported_at, "digests": gone, "ids": named}
    rows = conn.execute(conn.sql(LOST), parameters).fetchall()
    lost_alive = sum(alive for _, alive in rows)
    if lost_alive > SHRINK_ROWS and not accept_shrink:
        live = scalar(conn, conn.sql(LIVE))
        if lost_alive > SHRINK_SHARE * live:
            raise RefusedObject(f"it lacks {lost_alive} of {live} live rows, more than 5 %; {ACCEPT}")
    return [id for id, _ in rows]
