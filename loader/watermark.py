"""The clock of an export, and the watermark: neither is believed if it is ahead of the database's clock."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

from loader.connection import scalar
from loader.failures import RefusedObject
from loader.feed import Source
from loader.session import Connection

log = logging.getLogger("loader")

AHEAD = timedelta(minutes=15)  # clocks that differ by less are in order

WATERMARKS = "select feed, watermark from {fuel}.ingest_state where watermark > %s order by feed"
BELIEVED = "select max(watermark) from {fuel}.ingest_state where feed = 'snapshot' and watermark <= %s"
# Rows of an export dated ahead, or that such an export made absent: the next snapshot has the last word.
CORRECT = """
update {fuel}.records_raw set
    exported_at = case when exported_at > %(latest)s then loaded_at else exported_at end,
    absent_since = case when absent_since > %(latest)s then null else absent_since end,
    load_id = %(load_id)s,
    loaded_at = statement_timestamp()
where exported_at > %(latest)s or absent_since > %(latest)s
"""
RESET = """
update {fuel}.ingest_state set
    watermark = (
        select max(loads.exported_at) from {fuel}.loads as loads
        where loads.mode = ingest_state.feed and loads.status = 'applied' and loads.exported_at <= %(latest)s
    ),
    updated_at = statement_timestamp()
where watermark > %(latest)s
"""


def latest(conn: Connection) -> datetime:
    """The latest time that is believed: a little after the database's clock."""
    now: datetime = scalar(conn, "select statement_timestamp()")
    return now + AHEAD


def check_clock(conn: Connection, source: Source) -> None:
    """Refuse a snapshot that says it comes from a time ahead; anything else is taken as of now.

    Such a snapshot would make absent, or older than itself, all that comes before its time.
    """
    at = source.exported_at
    if at is None or at <= (limit := latest(conn)):
        return
    said = (
        f"it says it was exported at {at.astimezone(timezone.utc):%Y-%m-%d %H:%M UTC}, which is yet to come"
    )
    if source.mode == "snapshot" and source.stated:
        raise RefusedObject(f"{said}: set the exporter's clock right and export again")
    log.warning("%s: %s; taken as exported now", source.key, said)
    source.exported_at = limit - AHEAD


def watermarks_ahead(conn: Connection) -> list[tuple[str, datetime]]:
    """The feeds whose watermark is ahead of the clock, as a version before 0.2 could leave it."""
    return conn.execute(conn.sql(WATERMARKS), [latest(conn)]).fetchall()


def believed_watermark(conn: Connection) -> datetime | None:
    """How far the snapshots have come; None if that is not known or not to be believed."""
    when: datetime | None = scalar(conn, conn.sql(BELIEVED), [latest(conn)])
    return when


def put_right(conn: Connection, load_id: int) -> int:
    """Put watermarks, and rows that are dated ahead, right, under this load; the number of rows."""
    values = {"latest": latest(conn), "load_id": load_id}
    corrected = conn.execute(conn.sql(CORRECT), values).rowcount
    conn.execute(conn.sql(RESET), values)
    return corrected
