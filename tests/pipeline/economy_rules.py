"""The economy rules of docs/economy.md in plain Python: what fill_intervals is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import inf
from typing import Any

from .economy_baselines import Measured, baseline, differ, is_economy, is_sample, litres_implausible
from .economy_readings import good_readings, takes_two_fuels
from .economy_reports import Fact, agree, at, km, order, resolve


@dataclass
class Verdict:
    """The verdict of the rules on one fill."""

    reason: str | None
    distance_km: float | None = None
    interval_litres: float | None = None
    km_per_litre: float | None = None
    rolling_km_per_litre: float | None = None
    rolling_intervals: int | None = None
    last_two_km_per_litre: float | None = None
    unexplained_litres: float | None = None


def judge(facts: list[Fact], limits: dict[str, Any]) -> dict[str, Verdict]:
    """The verdict on every fill, by id; `limits` is var `economy` of dbt_project.yml."""
    verdicts: dict[str, Verdict] = {}
    vehicles: dict[str, list[Fact]] = {}
    for fact in facts:
        if not fact.live:
            verdicts[fact.id] = Verdict("not_live")
        elif fact.fuel_type == "not_fuel":
            verdicts[fact.id] = Verdict("not_fuel")
        elif fact.plate is None:
            verdicts[fact.id] = Verdict("plate_missing")
        elif fact.filled_at is None:
            verdicts[fact.id] = Verdict("time_missing")
        else:
            vehicles.setdefault(fact.plate, []).append(fact)
    for fills in vehicles.values():
        verdicts |= _judge_vehicle(sorted(fills, key=order), limits)
    return verdicts


def _judge_vehicle(fills: list[Fact], limits: dict[str, Any]) -> dict[str, Verdict]:
    counted, reasons = resolve(fills, limits)
    verdicts = {id_: Verdict(reason) for id_, reason in reasons.items()}
    takes_two = takes_two_fuels(counted, limits)

    good = good_readings([fill for fill in counted if fill.odometer_km], limits)
    good_ids = {fill.id for fill in good}
    hops = sorted(km(b) - km(a) for a, b in pairwise(good) if km(b) > km(a))
    usual_hop = hops[(len(hops) - 1) // 2] if hops else None
    day = timedelta(hours=limits["topup_max_hours"])
    topped_up: set[str] = set()
    for a, b in pairwise(good):
        few_km = limits["topup_max_km"]
        if usual_hop is not None:
            few_km = min(few_km, limits["topup_max_share_of_usual_distance"] * usual_hop)
        if at(b) - at(a) <= day and 0 <= km(b) - km(a) <= few_km:
            topped_up.add(a.id)
    complete = [reading for reading in good if reading.id not in topped_up]
    repeated = {b.id for a, b in pairwise(complete) if km(a) == km(b)}

    last: Fact | None = None
    tank: list[Fact] = []
    measured: list[Measured] = []
    for fill in counted:
        tank.append(fill)
        is_good, is_topped_up = fill.id in good_ids, fill.id in topped_up
        ends = is_good and not is_topped_up and fill.id not in repeated
        measured.append(
            Measured(
                fill,
                _reason(fill, last, tank, is_good, is_topped_up, takes_two[fill.id], limits),
                km(fill) - km(last) if last and fill.odometer_km else None,
                sum(part.litres or 0 for part in tank),
                ends,
            )
        )
        if ends:
            last, tank = fill, []
    for n, one in enumerate(measured):
        one.baseline = baseline(measured, n, takes_two[one.fill.id], limits)

    # Far more km than the litres explain: the next interval makes up for it, or a fill was not reported.
    ends_of_intervals = [one for one in measured if one.ends]
    too_far = {one.fill.id for one in ends_of_intervals if _is_too_far(one, limits)}
    too_good = {
        one.fill.id for one in ends_of_intervals if one.reason is None and not is_economy(one, limits)
    }
    too_much = too_far | too_good
    for one, following in pairwise(ends_of_intervals):
        if one.fill.id in too_much and following.reason is None and following.fill.id not in too_much:
            assert one.distance_km is not None
            assert following.distance_km is not None
            if one.baseline.km_per_litre is None or differ(one.fill.fuel_type, following.fill.fuel_type):
                continue
            way, litres = one.distance_km + following.distance_km, one.litres + following.litres
            limit = limits["missed_fill_max_times_usual_km_per_litre_with_next"]
            if way / litres <= limit * one.baseline.km_per_litre:
                one.ends, one.reason = False, "topup_merged"
                following.distance_km, following.litres = way, litres
    for one in ends_of_intervals:
        if one.ends and one.fill.id in too_far:
            one.reason = "missed_fill_suspected"
        elif one.ends and one.fill.id in too_good:
            one.reason = "economy_implausible"

    # The litres that each valid interval left in the tank, and the most room it can have left.
    rooms: list[tuple[float, float]] = []
    since_last_valid = 0.0
    valid: list[tuple[float, float]] = []
    # Litres of two fuels are never added: a converted vehicle begins anew.
    of_fuel: dict[str | None, list[tuple[float, float]]] = {}
    burnt, rolled = (-inf, ""), valid
    for n, one in enumerate(measured):
        fill, distance, usual = one.fill, one.distance_km, one.baseline.km_per_litre
        usual_max = one.baseline.max_litres
        starts_interval = n > 0 and measured[n - 1].ends
        verdict = verdicts[fill.id] = Verdict(one.reason, distance)
        if fill.fuel_type:
            burnt = max(burnt, (at(fill).timestamp(), fill.fuel_type))
        if usual is not None and distance is not None and one.baseline.fills_up:
            unexplained = since_last_valid + one.litres - distance / usual
            if one.reason is None:
                unexplained -= _room(rooms[-limits["tank_level_intervals"] :])
                if not starts_interval and fill.id in good_ids and counted[n - 1].id in good_ids:
                    unexplained = min(unexplained, fill.litres or 0)
                verdict.unexplained_litres = unexplained
            elif one.reason == "topup_merged" and starts_interval and is_sample(fill, limits):
                verdict.unexplained_litres = unexplained - _room(rooms[-limits["tank_level_intervals"] - 1 :])
        if one.reason is None:
            assert distance is not None
            assert fill.litres is not None
            valid.append((distance, one.litres))
            rolled = of_fuel.setdefault(burnt[1], [])
            rolled.append(valid[-1])
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
            window = rolled[-limits["rolling_intervals"] :]
            verdict.rolling_intervals = len(window)
            verdict.rolling_km_per_litre = sum(d for d, _ in window) / sum(v for _, v in window)
    return verdicts


def _is_too_far(one: Measured, limits: dict[str, Any]) -> bool:
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
    takes_two: bool,
    limits: dict[str, Any],
) -> str | None:
    if not fill.odometer_km:
        return "odometer_missing"
    if last is None:
        return "first_fill"
    if fill.odometer_km < km(last):
        return "odometer_rollback"
    if not good or not agree(last, fill, limits):
        return "distance_implausible"
    if takes_two:
        return "mixed_fuels"
    if fill.odometer_km == last.odometer_km:
        return "odometer_repeated"
    if topped_up:
        return "topup_merged"
    if len({part.fuel_type == "electric" for part in tank if part.fuel_type}) == 2:
        return "mixed_fuels"
    if any((part.litres or 0) <= 0 for part in tank):
        return "litres_missing"
    if any(litres_implausible(part, limits) for part in tank):
        return "litres_implausible"
    return None
