"""Which reports are of the same fill, by docs/economy.md in plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass
class Fact:
    """One row of fuel.records, as far as economy looks at it."""

    id: str
    plate: str | None
    filled_at: datetime | None
    litres: float | None
    amount_kes: float | None
    odometer_km: float | None
    fuel_type: str | None = None
    live: bool = True
    has_time: bool = True
    created_at: datetime | None = None


def at(fill: Fact) -> datetime:
    assert fill.filled_at is not None
    return fill.filled_at


def km(fill: Fact) -> float:
    assert fill.odometer_km is not None
    return fill.odometer_km


def order(fill: Fact) -> tuple[datetime, float, str]:
    return at(fill), float("inf") if fill.odometer_km is None else fill.odometer_km, fill.id


def agree(earlier: Fact, later: Fact, limits: dict[str, Any]) -> bool:
    """Whether the later reading can follow the earlier one."""
    days = max((at(later) - at(earlier)) / timedelta(days=1), 1)
    return 0 <= km(later) - km(earlier) <= limits["max_km_per_day"] * days


def resolve(fills: list[Fact], limits: dict[str, Any]) -> tuple[list[Fact], dict[str, str]]:
    """Those of a vehicle's fills that count, in their order, and why the others do not."""
    reasons = {fill.id: "duplicate" for fill in fills if _is_repeated(fill, fills, limits)}
    reports = [fill for fill in fills if fill.id not in reasons]
    doubts = {fill.id: _doubts(n, reports, limits) for n, fill in enumerate(reports)}
    for fill in reports:
        better = [
            (other, field)
            for other in reports
            if (field := _differs_in(fill, other, limits)) and _is_better(other, fill, field, doubts)
        ]
        if better:
            # The one that says more, then the one whose reading fewer contradict, then the last one.
            better.sort(key=lambda one: _reported(one[0]), reverse=True)
            other, field = min(better, key=lambda one: (-_says(one[0]), doubts[one[0].id]))
            adds_nothing = _reported(other) < _reported(fill) and _value(fill, field) is None
            reasons[fill.id] = "duplicate" if adds_nothing else "corrected"
    return [fill for fill in fills if fill.id not in reasons], reasons


def _value(fill: Fact, field: str) -> float | None:
    value: float | None = getattr(fill, field)
    return value if field != "odometer_km" or value else None


def _reported(fill: Fact) -> tuple[float, int, str]:
    made = fill.created_at.timestamp() if fill.created_at else float("-inf")
    return made, len(fill.id) if fill.id.isdigit() and fill.id[0] != "0" else 0, fill.id


def _same(one: float | None, other: float | None, tolerance: float) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= tolerance + 1e-9


def _same_litres(one: Fact, other: Fact, limits: dict[str, Any]) -> bool:
    return _same(one.litres, other.litres, limits["resend_max_litres"])


def _same_amount(one: Fact, other: Fact, limits: dict[str, Any]) -> bool:
    largest = max(abs(one.amount_kes or 0), abs(other.amount_kes or 0))
    tolerance = max(limits["resend_max_kes"], limits["resend_max_share_of_amount"] * largest)
    return _same(one.amount_kes, other.amount_kes, tolerance)


def _is_repeated(fill: Fact, fills: list[Fact], limits: dict[str, Any]) -> bool:
    """Whether the same was reported before: litres, amount and reading."""
    if not fill.odometer_km or (fill.litres is None and fill.amount_kes is None):
        return False
    same_reading = sorted(
        (other for other in fills if other.odometer_km == fill.odometer_km),
        key=lambda other: (at(other), other.created_at is None, other.created_at or at(other), other.id),
    )
    n = next(n for n, other in enumerate(same_reading) if other.id == fill.id)
    since = at(same_reading[0])
    return any(
        _reported(other) < _reported(fill)
        and _same_litres(other, fill, limits)
        and _same_amount(other, fill, limits)
        and (
            abs(at(other) - at(fill)) <= timedelta(hours=limits["resend_max_hours"])
            or max(at(other), at(fill)) - since <= timedelta(hours=limits["duplicate_max_hours"])
        )
        for other in same_reading[max(n - 3, 0) : n + 4]
    )


def _doubts(n: int, reports: list[Fact], limits: dict[str, Any]) -> int:
    """How many of the two reports before and the two after, but not of the hour, contradict a reading."""
    fill, hour = reports[n], timedelta(hours=limits["resend_max_hours"])
    if not fill.odometer_km:
        return 0
    before = [
        other for other in reports[max(n - 2, 0) : n] if other.odometer_km and at(fill) - at(other) > hour
    ]
    after = [other for other in reports[n + 1 : n + 3] if other.odometer_km and at(other) - at(fill) > hour]
    return sum(not agree(other, fill, limits) for other in before) + sum(
        not agree(fill, other, limits) for other in after
    )


def _differs_in(fill: Fact, other: Fact, limits: dict[str, Any]) -> str | None:
    """The figure that two reports of one fill differ in, or one leaves out; None if they are two fills."""
    if other.id == fill.id or abs(at(other) - at(fill)) > timedelta(hours=limits["resend_max_hours"]):
        return None
    same_litres, same_amount = _same_litres(fill, other, limits), _same_amount(fill, other, limits)
    if fill.odometer_km and fill.odometer_km == other.odometer_km:
        if same_amount and other.amount_kes is not None:
            return "litres"
        return "amount_kes" if same_litres and other.litres is not None else None
    if not (same_litres and same_amount) or (fill.litres is None and fill.amount_kes is None):
        return None
    if fill.odometer_km and other.odometer_km:
        way = other.odometer_km - fill.odometer_km
        if at(other) == at(fill):
            way = abs(way)
        elif at(other) < at(fill):
            way = -way
        both = fill.has_time and other.has_time
        drivable = limits["resend_max_drivable_km"] if both else limits["max_km_per_day"]
        if limits["resend_max_km"] < way <= drivable:
            return None
    return "odometer_km"


def _says(fill: Fact) -> int:
    return sum(_value(fill, field) is not None for field in ("litres", "amount_kes", "odometer_km"))


def _is_better(other: Fact, fill: Fact, field: str, doubts: dict[str, int]) -> bool:
    if _says(other) != _says(fill):
        return _says(other) > _says(fill)
    is_later = _reported(other) > _reported(fill)
    if field == "odometer_km":
        if not other.odometer_km:
            return not is_later
        if doubts[other.id] != doubts[fill.id]:
            return doubts[other.id] < doubts[fill.id]
    return is_later
