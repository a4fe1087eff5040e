"""The economy rules of docs/economy.md in plain Python: what fill_intervals is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import inf
from statistics import median
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


@dataclass
class Verdict:
    """What the rules say about one fill."""

    reason: str | None
    distance_km: float | None = None
    interval_litres: float | None = None
    km_per_litre: float | None = None
    rolling_km_per_litre: float | None = None
    last_two_km_per_litre: float | None = None
    unexplained_litres: float | None = None


@dataclass(frozen=True)
class _Baseline:
    """What the fills before were like; None where there are too few to say."""

    samples: int
    distance_km: float | None
    km_per_litre: float | None
    max_litres: float | None
    fills_up: bool


_NO_BASELINE = _Baseline(0, None, None, None, False)


@dataclass
class _Measured:
    """A counted fill, and the interval up to it as far as it goes."""

    fill: Fact
    reason: str | None
    distance_km: float | None
    litres: float
    ends: bool
    baseline: _Baseline = _NO_BASELINE


def judge(facts: list[Fact], limits: dict[str, Any]) -> dict[str, Verdict]:
    """The verdict on every fill, by id; `limits` is var `economy` of dbt_project.yml."""
    verdicts: dict[str, Verdict] = {}
    vehicles: dict[str, list[Fact]] = {}
    for fact in facts:
        if not fact.live:
            verdicts[fact.id] = Verdict("not_live")
        elif fact.plate is None:
            verdicts[fact.id] = Verdict("plate_missing")
        elif fact.filled_at is None:
            verdicts[fact.id] = Verdict("time_missing")
        else:
            vehicles.setdefault(fact.plate, []).append(fact)
    for fills in vehicles.values():
        verdicts |= _judge_vehicle(sorted(fills, key=_order), limits)
    return verdicts


def _order(fill: Fact) -> tuple[datetime, float, str]:
    assert fill.filled_at is not None
    return fill.filled_at, float("inf") if fill.odometer_km is None else fill.odometer_km, fill.id


def _at(fill: Fact) -> datetime:
    assert fill.filled_at is not None
    return fill.filled_at


def _km(fill: Fact) -> float:
    assert fill.odometer_km is not None
    return fill.odometer_km


def _agree(earlier: Fact, later: Fact, limits: dict[str, Any]) -> bool:
    days = max((_at(later) - _at(earlier)) / timedelta(days=1), 1)
    return 0 <= _km(later) - _km(earlier) <= limits["max_km_per_day"] * days


def _is_duplicate(fill: Fact, earlier: list[Fact], limits: dict[str, Any]) -> bool:
    if fill.litres is None and fill.amount_kes is None:
        return False
    same = [other for other in earlier if (other.litres, other.amount_kes) == (fill.litres, fill.amount_kes)]
    if not same:
        return False
    if fill.odometer_km:
        first = next((other for other in earlier if other.odometer_km == fill.odometer_km), fill)
        is_new = _at(fill) - _at(first) <= timedelta(hours=limits["duplicate_max_hours"])
        if is_new and any(other.odometer_km == fill.odometer_km for other in same[-2:]):
            return True
    last = same[-1]
    return (not fill.odometer_km or not last.odometer_km or fill.odometer_km == last.odometer_km) and _at(
        fill
    ) - _at(last) <= timedelta(hours=limits["duplicate_max_hours_without_odometer"])


def _good_readings(readings: list[Fact], limits: dict[str, Any]) -> list[Fact]:
    def support(n: int) -> int:
        others = [*readings[max(n - 3, 0) : n], *readings[n + 1 : n + 4]]
        return sum(
            1 if _agree(*sorted((other, readings[n]), key=_order), limits) else -1  # type: ignore[misc]
            for other in others
        )

    supports = [support(n) for n in range(len(readings))]
    wrong = {n for n, sum_ in enumerate(supports) if sum_ <= -2}
    for n in range(1, len(readings)):
        earlier, later = readings[n - 1], readings[n]
        if _agree(earlier, later, limits):
            continue
        if supports[n - 1] < supports[n]:
            wrong.add(n - 1)
        elif (
            supports[n - 1] > supports[n]
            or n + 1 == len(readings)
            or _agree(earlier, readings[n + 1], limits)
        ):
            wrong.add(n)
    return [reading for n, reading in enumerate(readings) if n not in wrong]


def _judge_vehicle(fills: list[Fact], limits: dict[str, Any]) -> dict[str, Verdict]:
    verdicts: dict[str, Verdict] = {}
    counted: list[Fact] = []
    for n, fill in enumerate(fills):
        if _is_duplicate(fill, fills[:n], limits):
            verdicts[fill.id] = Verdict("duplicate")
        else:
            counted.append(fill)

    good = _good_readings([fill for fill in counted if fill.odometer_km], limits)
    good_ids = {fill.id for fill in good}
    hops = sorted(_km(b) - _km(a) for a, b in pairwise(good) if _km(b) > _km(a))
    usual_hop = hops[(len(hops) - 1) // 2] if hops else None
    day = timedelta(hours=limits["topup_max_hours"])
    topped_up: set[str] = set()
    for a, b in pairwise(good):
        few_km = limits["topup_max_km"]
        if usual_hop is not None:
            few_km = min(few_km, limits["topup_max_share_of_usual_distance"] * usual_hop)
        if _at(b) - _at(a) <= day and 0 <= _km(b) - _km(a) <= few_km:
            topped_up.add(a.id)
    complete = [reading for reading in good if reading.id not in topped_up]
    repeated = {b.id for a, b in pairwise(complete) if _km(a) == _km(b)}

    last: Fact | None = None
    tank: list[Fact] = []
    measured: list[_Measured] = []
    for fill in counted:
        tank.append(fill)
        is_good, is_topped_up = fill.id in good_ids, fill.id in topped_up
        ends = is_good and not is_topped_up and fill.id not in repeated
        measured.append(
            _Measured(
                fill,
                _reason(fill, last, tank, is_good, is_topped_up, limits),
                _km(fill) - _km(last) if last and fill.odometer_km else None,
                sum(part.litres or 0 for part in tank),
                ends,
            )
        )
        if ends:
            last, tank = fill, []
    for n, one in enumerate(measured):
        one.baseline = _baseline(measured, n, limits)

    # Far more km than the litres explain: the next interval makes up for it, or a fill was not reported.
    ends_of_intervals = [one for one in measured if one.ends]
    too_far = {one.fill.id for one in ends_of_intervals if _is_too_far(one, limits)}
    for one, following in pairwise(ends_of_intervals):
        if one.fill.id in too_far and following.reason is None and following.fill.id not in too_far:
            assert one.distance_km is not None
            assert following.distance_km is not None
            assert one.baseline.km_per_litre is not None
            km, litres = one.distance_km + following.distance_km, one.litres + following.litres
            limit = limits["missed_fill_max_times_usual_km_per_litre_with_next"]
            if km / litres <= limit * one.baseline.km_per_litre:
                one.ends, one.reason = False, "topup_merged"
                following.distance_km, following.litres = km, litres
    for one in ends_of_intervals:
        if one.ends and one.fill.id in too_far:
            one.reason = "missed_fill_suspected"

    # What each valid interval put into the tank and did not burn, and the most room it can have left.
    rooms: list[tuple[float, float]] = []
    since_last_valid = 0.0
    valid: list[tuple[float, float]] = []
    for n, one in enumerate(measured):
        fill, distance, usual = one.fill, one.distance_km, one.baseline.km_per_litre
        usual_max = one.baseline.max_litres
        starts_interval = n > 0 and measured[n - 1].ends
        verdict = verdicts[fill.id] = Verdict(one.reason, distance)
        if usual is not None and distance is not None and one.baseline.fills_up:
            unexplained = since_last_valid + one.litres - distance / usual
            if one.reason is None:
                unexplained -= _room(rooms[-limits["tank_level_intervals"] :])
                if not starts_interval and fill.id in good_ids and counted[n - 1].id in good_ids:
                    unexplained = min(unexplained, fill.litres or 0)
                verdict.unexplained_litres = unexplained
            elif one.reason == "topup_merged" and starts_interval and _is_sample(fill, limits):
                verdict.unexplained_litres = unexplained - _room(rooms[-limits["tank_level_intervals"] - 1 :])
        if one.reason is None:
            assert distance is not None
            assert fill.litres is not None
            valid.append((distance, one.litres))
            verdict.interval_litres, verdict.km_per_litre = one.litres, distance / one.litres
            verdict.last_two_km_per_litre = sum(d for d, _ in valid[-2:]) / sum(v for _, v in valid[-2:])
            put_in = since_last_valid + (one.litres - distance / usual if usual else 0)
            rooms.append((put_in, inf if usual_max is None else max(usual_max - fill.litres, 0)))
            since_last_valid = 0.0
        elif one.ends:
            # Nobody knows how full the tank is.
            since_last_valid -= usual_max or 0
        if verdict.unexplained_litres == -inf:
            verdict.unexplained_litres = None
        if valid:
            window = valid[-limits["rolling_intervals"] :]
            verdict.rolling_km_per_litre = sum(d for d, _ in window) / sum(v for _, v in window)
    return verdicts


def _baseline(measured: list[_Measured], n: int, limits: dict[str, Any]) -> _Baseline:
    """Counted fills come in blocks; a baseline is of the fills before the block that this one is in."""
    block, size = n, limits["baseline_block_fills"]
    if block >= size:
        block -= block % size
    before = measured[max(block - limits["baseline_fills"], 0) : block]
    samples = [
        (one.distance_km, one.distance_km / one.litres)
        for one in before
        if one.reason is None and one.distance_km is not None
    ]
    litres = sorted((one.fill.litres for one in before if _is_sample(one.fill, limits)), reverse=True)  # type: ignore[type-var]
    usual = median(e for _, e in samples) if samples else None
    usual_max = next(iter(litres[1:]), None)
    return _Baseline(
        len(samples),
        median(d for d, _ in samples) if samples else None,
        usual,
        usual_max,
        usual is not None and _fills_up(samples, usual, usual_max, limits),
    )


def _is_too_far(one: _Measured, limits: dict[str, Any]) -> bool:
    usual = one.baseline
    return (
        one.reason is None
        and one.distance_km is not None
        and usual.distance_km is not None
        and usual.km_per_litre is not None
        and usual.samples >= limits["missed_fill_min_intervals"]
        and one.distance_km >= limits["missed_fill_min_times_usual_distance"] * usual.distance_km
        and one.distance_km / one.litres
        >= limits["missed_fill_min_times_usual_km_per_litre"] * usual.km_per_litre
    )


def _fills_up(
    samples: list[tuple[float, float]], usual: float, usual_max: float | None, limits: dict[str, Any]
) -> bool:
    if usual_max is None:
        return False
    limit = usual_max * limits["partial_fills_times_usual_max"]
    too_far = [km / usual > limit for km, economy in samples if km / economy <= usual_max]
    return bool(too_far) and sum(too_far) <= limits["partial_fills_max_share"] * len(too_far)


def _room(rooms: list[tuple[float, float]]) -> float:
    room = inf
    for put_in, most in rooms:
        room = min(max(room - put_in, 0), most)
    return room


def _reason(
    fill: Fact,
    last: Fact | None,
    tank: list[Fact],
    good: bool,
    topped_up: bool,
    limits: dict[str, Any],
) -> str | None:
    if not fill.odometer_km:
        return "odometer_missing"
    if last is None:
        return "first_fill"
    if fill.odometer_km < _km(last):
        return "odometer_rollback"
    if not good or not _agree(last, fill, limits):
        return "distance_implausible"
    if fill.odometer_km == last.odometer_km:
        return "odometer_repeated"
    if topped_up:
        return "topup_merged"
    if any(not part.litres for part in tank):
        return "litres_missing"
    if any(_litres_implausible(part, limits) for part in tank):
        return "litres_implausible"
    return None


def _litres_implausible(part: Fact, limits: dict[str, Any]) -> bool:
    assert part.litres is not None
    if part.litres > limits["max_litres_per_fill"]:
        return True
    if part.amount_kes is None or part.fuel_type == "electric":
        return False
    price = part.amount_kes / part.litres
    return not limits["min_price_kes_per_litre"] <= price <= limits["max_price_kes_per_litre"]


def _is_sample(fill: Fact, limits: dict[str, Any]) -> bool:
    """Whether a fill's litres can be believed."""
    return bool(fill.litres) and not _litres_implausible(fill, limits)
