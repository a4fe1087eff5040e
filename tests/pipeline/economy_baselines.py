"""The usual figures of a vehicle's earlier fills: the baseline that docs/economy.md tells of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from .economy_reports import Fact


@dataclass(frozen=True)
class _Baseline:
    """The usual figures of the earlier fills; None where there are too few to say."""

    samples: int
    distance_km: float | None
    km_per_litre: float | None
    max_litres: float | None
    fills_up: bool


_NO_BASELINE = _Baseline(0, None, None, None, False)


@dataclass
class Measured:
    """A counted fill, and the interval up to it as far as it goes."""

    fill: Fact
    reason: str | None
    distance_km: float | None
    litres: float
    ends: bool
    baseline: _Baseline = _NO_BASELINE


def is_economy(one: Measured, limits: dict[str, Any]) -> bool:
    assert one.distance_km is not None
    return bool(one.distance_km <= limits["max_km_per_litre"] * one.litres)


def baseline(measured: list[Measured], n: int, takes_two: bool, limits: dict[str, Any]) -> _Baseline:
    """Counted fills come in blocks; a baseline is of the fills before it, of the fuel that it begins with."""
    block, size = n, limits["baseline_block_fills"]
    if block >= size:
        block -= block % size
    before = measured[max(block - limits["baseline_fills"], 0) : block]
    if not takes_two:
        fuel = measured[block].fill.fuel_type
        if differ(measured[n].fill.fuel_type, fuel):
            return _NO_BASELINE
        before = [one for one in before if not differ(one.fill.fuel_type, fuel)]
    believed = [one for one in before if is_sample(one.fill, limits)]
    if takes_two:
        of_fuel = [one.fill.litres for one in believed if one.fill.fuel_type == measured[n].fill.fuel_type]
        return replace(_NO_BASELINE, max_litres=_second(of_fuel) if measured[n].fill.fuel_type else None)
    candidates = [one for one in before if one.reason is None and is_economy(one, limits)]
    samples = [(one.distance_km or 0, one.litres) for one in candidates]
    usual = median(distance / litres for distance, litres in samples) if samples else None
    most = limits["explained_max_times_usual_litres"]
    usual_max = _second(
        [
            one.fill.litres
            for one in believed
            if usual is None or (one in candidates and one.litres * usual <= (one.distance_km or 0) * most)
        ]
    )
    return _Baseline(
        len(samples),
        median(d for d, _ in samples) if samples else None,
        usual,
        usual_max,
        usual is not None and _fills_up(samples, usual, usual_max, limits),
    )


def differ(fuel: str | None, other: str | None) -> bool:
    return None not in (fuel, other) and fuel != other


def _second(litres: list[float | None]) -> float | None:
    return next(iter(sorted((one for one in litres if one is not None), reverse=True)[1:]), None)


def _fills_up(
    samples: list[tuple[float, float]], usual: float, usual_max: float | None, limits: dict[str, Any]
) -> bool:
    if usual_max is None:
        return False
    limit = usual_max * limits["partial_fills_times_usual_max"]
    too_far = [distance / usual > limit for distance, litres in samples if litres <= usual_max]
    return bool(too_far) and sum(too_far) <= limits["partial_fills_max_share"] * len(too_far)


def litres_implausible(part: Fact, limits: dict[str, Any]) -> bool:
    assert part.litres is not None
    if part.litres > limits["max_litres_per_fill"]:
        return True
    if part.amount_kes is None or part.fuel_type == "electric":
        return False
    price = part.amount_kes / part.litres
    return not limits["min_price_kes_per_litre"] <= price <= limits["max_price_kes_per_litre"]


def is_sample(fill: Fact, limits: dict[str, Any]) -> bool:
    """Whether a fill's litres can be believed."""
    return (fill.litres or 0) > 0 and not litres_implausible(fill, limits)
