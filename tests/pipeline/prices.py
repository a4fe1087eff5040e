"""The regulated prices of the seed, for whoever generates fills."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

SEEDS = Path(__file__).parents[2] / "seeds"
NAIROBI = timezone(timedelta(hours=3))


def price_caps() -> dict[str, list[tuple[date, float]]]:
    """The seed's regulated prices: fuel type to its (valid_from, KES per litre), ascending."""
    caps: dict[str, list[tuple[date, float]]] = {}
    with (SEEDS / "fuel_price_caps.csv").open() as lines:
        for row in csv.DictReader(lines):
            if row.get("town"):
                continue
            caps.setdefault(row["fuel_type"], []).append(
                (date.fromisoformat(row["valid_from"]), float(row["max_price_kes_per_litre"]))
            )
    return {fuel_type: sorted(rows) for fuel_type, rows in caps.items()}


def cap_on(caps: dict[str, list[tuple[date, float]]], fuel_type: str, at: datetime) -> float:
    """The price in force at `at`, in KES per litre."""
    day = at.astimezone(NAIROBI).date()
    return [price for valid_from, price in caps[fuel_type] if valid_from <= day][-1]
