"""One run at a time: the job's lock in the database, and who has it when this run does not get it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg

from loader.connection import scalar
from loader.session import lock_holder

# A run takes minutes. One that has been at work for longer than this hangs.
PATIENCE = timedelta(hours=3)
BUSY = 75  # exit code


class Occupied(Exception):
    """The turn is another's. `code` is 0 while it is a run of ours that may well end."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


def take_turn(conn: psycopg.Connection[Any], name: str) -> None:
    """Take the lock `name` for this session, which calls itself by that name, too.

    Raises:
        Occupied: another session has it; says who, and since when.
    """
    key = scalar(conn, "select hashtextextended(%s, 0)", [name])
    if scalar(conn, "select pg_try_advisory_lock(%s)", [key]):
        return
    holder = lock_holder(conn, key)
    # Anybody who may connect may take the lock: it is a run of ours only if it logged in as we did.
    ours = holder and (holder.role, holder.application) == (scalar(conn, "select session_user::text"), name)
    if not holder or not ours:
        raise Occupied(
            BUSY, f"the job's lock is not held by a run of the job, but by {holder or 'nobody now'}"
        )
    if holder.since and datetime.now(timezone.utc) - holder.since > PATIENCE:
        raise Occupied(BUSY, f"the last run hangs: {holder}")
    raise Occupied(0, f"the last run is still at work: {holder}")
