"""Landing tables filled by hand, for tests of what dbt makes of them."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import Database


def land(database: Database, records: list[dict[str, Any]]) -> int:
    """One applied load that brought `records`; its load_id."""
    [(load_id,)] = database.query(
        "insert into fuel.loads (mode, object_key, started_at, finished_at, status) "
        "values ('changes', 'k', now(), now(), 'applied') returning load_id"
    )
    for record in records:
        database.query(
            "insert into fuel.records_raw (id, raw, raw_digest, load_id) values (%s, %s, '', %s) "
            "on conflict (id) do update set raw = excluded.raw, load_id = excluded.load_id",
            [str(record["id"]), json.dumps(record), load_id],
        )
    return int(load_id)
