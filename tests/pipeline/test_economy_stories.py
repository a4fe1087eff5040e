"""Stories of a few fills each: what fuel.fill_intervals must say of them, by hand."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from psycopg import sql

from .economy_reports import Fact
from .economy_rules import judge
from .intervals import LIMITS, Built

STORIES = {
    f"{file.stem}: {story['name']}": story
    for file in sorted((Path(__file__).parent / "stories").glob("*.yml"))
    for story in yaml.safe_load(file.read_text())
}


def insert(conn: Any, fills: list[dict[str, Any]]) -> None:
    """Rows of fuel.records that differ from an empty one in `fills`."""
    for fill in fills:
        row = {
            "has_time": True, "created_at": fill["filled_at"], "load_id": 1, "loaded_at": "2026-01-01",
            "derivation": "told", **fill,
        }  # fmt: skip
        conn.execute(
            sql.SQL("insert into fuel.records ({}) values ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.Placeholder() * len(row))
            ),
            list(row.values()),
        )


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_story(built: Built, story: dict[str, Any]) -> None:
    with built.database.connect() as conn:
        insert(conn, story["fills"])
        columns = list(story["expect"][0])
        rows = conn.execute(
            f'select {", ".join(columns)} from ({built.from_nothing}) as intervals order by id collate "C"'  # type: ignore[arg-type]
        ).fetchall()
        conn.rollback()
    assert [dict(zip(columns, map(_text, row), strict=True)) for row in rows] == sorted(
        ({column: _text(value) for column, value in wanted.items()} for wanted in story["expect"]),
        key=lambda row: str(row["id"]),
    )


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_the_reference_tells_the_story_too(story: dict[str, Any]) -> None:
    """The reference of the random tests is right where somebody has worked it out by hand."""
    facts = [
        Fact(
            fill["id"], fill["plate"], fill["filled_at"] and datetime.fromisoformat(fill["filled_at"]),
            fill.get("litres"), fill.get("amount_kes"), fill.get("odometer_km"), fill.get("fuel_type"),
            not (fill.get("deleted_at") or fill.get("absent_since")), fill.get("has_time", True),
            fill["filled_at"] and datetime.fromisoformat(fill.get("created_at", fill["filled_at"])),
        )
        for fill in story["fills"]
    ]  # fmt: skip
    verdicts = judge(facts, LIMITS)
    for wanted in story["expect"]:
        verdict = verdicts[wanted["id"]]
        if "exclusion_reason" in wanted:
            assert verdict.reason == wanted["exclusion_reason"], wanted
        for name in ("distance_km", "interval_litres", "km_per_litre", "rolling_km_per_litre"):
            if wanted.get(name) is not None:
                assert getattr(verdict, name) == pytest.approx(float(wanted[name]), abs=0.001), wanted


def _text(value: Any) -> Any:
    return (
        str(value)
        if isinstance(value, (Decimal, int, float)) and not isinstance(value, bool)
        else (value.isoformat() if hasattr(value, "isoformat") else value)
    )
