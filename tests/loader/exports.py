"""Exports of the feed, as the tests put them into the bucket."""

from __future__ import annotations

import json
from typing import Any

PREFIX = "fuel_records/"
LATEST = PREFIX + "latest.json"
CHANGES = PREFIX + "changes/"


def record(id: Any, *, at: int = 0, **fields: Any) -> dict[str, Any]:
    """A record last changed `at` hours after the beginning."""
    return {
        "id": id,
        "car": "KCA 542Q",
        "litres": "45.5L",
        "updated_at": hour(at),
        "deleted_at": None,
        **fields,
    }


def hour(at: int) -> str:
    return f"2026-11-{1 + at // 24:02d}T{at % 24:02d}:00:00.000Z"


def envelope(records: list[Any], *, at: int | None = None, **metadata: Any) -> bytes:
    """An export of these records, `at` hours after the beginning if it says so itself."""
    if at is not None:
        metadata["exported_at"] = hour(at)
    # As n8n writes it: letters as they are, not as escapes.
    return json.dumps({"metadata": metadata, "records": records}, ensure_ascii=False).encode()
