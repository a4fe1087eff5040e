"""The importer of the trigger-derived design: every record of the snapshot, `executemany` of 1,000 rows."""

from __future__ import annotations

import json
import sys
from itertools import islice

import psycopg

from bench.snapshot import body


def main(key: str) -> None:
    """Download the snapshot, then upsert all of it; the trigger derives the columns."""
    records = iter(json.loads(body(key))["records"])
    with psycopg.connect() as conn, conn.cursor() as cursor:
        while batch := list(islice(records, 1000)):
            cursor.executemany(
                "insert into legacy.records (id, raw) values (%s, %s)"
                " on conflict (id) do update set raw = excluded.raw",
                [(str(record["id"]), json.dumps(record)) for record in batch],
            )


if __name__ == "__main__":
    main(sys.argv[1])
