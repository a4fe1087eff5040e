"""Fleet histories with planted, labelled anomalies over messy but honest fills.

The physics are simple: a tank, a true odometer, an economy that varies by trip and season. The drivers'
reports are messy in the ways that are honest: top-ups, partial fills, missing odometers and litres, rounded
readings, odd prices within the band, fills nobody reported, seasonal use, new vehicles. One fill in
`PLANT_EVERY` of each kind is then made an anomaly and labelled with the rule that should find it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from .prices import cap_on, price_caps

PLANT_EVERY = 200
# Fills of the vehicle before the first plant: rules that compare with the vehicle's own past need one.
SETTLED_AFTER = 12
PLANTS = (
    "duplicate_submission",
    "odometer_rollback",
    "implausible_distance",
    "litres_over_usual_maximum",
    "price_out_of_band",
    "litres_amount_swapped",
    "fuel_type_unusual",
    "refill_too_soon",
    "economy_below_baseline",
    "plate_unknown",
    "implausible_time",
    "negative_quantity",
)
# Their litres go beyond a full tank, so the tank is full afterwards.
NEEDS_FULL_TANK = ("litres_over_usual_maximum", "refill_too_soon", "economy_below_baseline")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class Fill:
    """One reported fill; `plant` names the rule that should find it, None for an honest one."""

    id: str
    plate: str
    filled_at: datetime
    fuel_type: str | None
    litres: float | None
    amount_kes: float | None
    odometer_km: float | None
    department: str
    plant: str | None = None
    # The time as typed, where that cannot be right.
    typed_at: datetime | None = None


@dataclass(frozen=True)
class Vehicle:
    """The traits of a vehicle: tank in litres, economy in km per litre, use in km per day."""

    plate: str
    department: str
    fuel_type: str
    tank: float
    economy: float
    km_per_day: float
    partial_share: float
    since: datetime
    # Share of the trips with a load that takes 2.2 times the fuel.
    loaded_share: float = 0.0
    # The sum the driver always buys for, in KES; 0 for one who fills up or buys for any sum.
    fixed_sum_kes: float = 0.0


def vehicles(rng: random.Random, number: int, since: datetime, until: datetime) -> list[Vehicle]:
    """A mixed fleet: motorcycles, cars, pick-ups and lorries; a fifth of them join later."""
    fleet = []
    for n in range(number):
        fuel_type, tank, economy, km_per_day = rng.choices(
            [
                ("petrol", 11, 38.0, 60.0),
                ("petrol", 45, 13.0, 90.0),
                ("diesel", 80, 9.5, 140.0),
                ("diesel", 300, 3.2, 220.0),
            ],
            weights=[1, 3, 4, 2],
        )[0]
        digits = f"{n % 1000:03}"
        plate = f"K{LETTERS[n // 24000 % 24]}{LETTERS[n // 1000 % 24]}{digits}{rng.choice(LETTERS)}"
        joined = since + (until - since) * (rng.uniform(0, 0.6) if rng.random() < 0.2 else 0)
        fleet.append(
            Vehicle(
                plate,
                rng.choice(["Logistics", "Sales", "Service", "Administration"]),
                fuel_type,
                tank * rng.uniform(0.9, 1.2),
                economy * rng.uniform(0.8, 1.25),
                km_per_day * rng.uniform(0.5, 1.5),
                rng.choice([0.05, 0.1, 0.3]),
                joined,
            )
        )
    return fleet


def history(
    rng: random.Random, vehicle: Vehicle, until: datetime, ids: Iterator[int], *, plants: bool = True
) -> Iterator[Fill]:
    """The fills of one vehicle in order of time, honest ones and (unless `plants` is false) planted ones."""
    caps = price_caps()
    at = vehicle.since + timedelta(days=rng.uniform(0, 10))
    odometer = float(rng.randrange(1_000, 250_000))
    level = vehicle.tank * rng.uniform(0.05, 0.3)
    reported = 0
    plant = None
    while at < until:
        room = vehicle.tank - level
        price = cap_on(caps, vehicle.fuel_type, at) * rng.triangular(0.93, 1.05, 0.995)
        if vehicle.fixed_sum_kes:
            # At one station, where the price is the same for weeks.
            price = cap_on(caps, vehicle.fuel_type, at)
            litres = min(room, vehicle.fixed_sum_kes / price)
        elif rng.random() < vehicle.partial_share and plant not in NEEDS_FULL_TANK:
            # So much money, not a full tank.
            litres = min(room, max(500, round(room * price * rng.uniform(0.3, 0.8), -2)) / price)
        else:
            litres = room * rng.uniform(0.97, 1.0)
        level += litres
        honest = Fill(
            id=str(next(ids)),
            plate=vehicle.plate,
            filled_at=at,
            fuel_type=vehicle.fuel_type if rng.random() > 0.01 else None,
            litres=round(litres, 2) if rng.random() > 0.01 else None,
            amount_kes=round(litres * price, -1) if rng.random() > 0.01 else None,
            odometer_km=_reading(rng, odometer),
            department=vehicle.department,
        )
        is_reported = plant is not None or rng.random() > 0.01
        was_filled_up = (
            is_reported and not plant and honest.litres is not None and level > 0.95 * vehicle.tank
        )
        if plant:
            yield from _planted(rng, vehicle, honest, plant, price, odometer, ids)
        elif is_reported:
            yield honest
        reported += is_reported

        if rng.random() < 0.03:
            # A top-up on the same trip: little km, little litres.
            km = rng.uniform(5, 60) * min(1, vehicle.tank * vehicle.economy / 800)
            burnt = km / vehicle.economy
            at += timedelta(hours=rng.uniform(1, 20))
            odometer += km
            level -= burnt
            litres = (vehicle.tank - level) * rng.uniform(0.9, 1.0)
            if vehicle.fixed_sum_kes:
                litres = min(litres, vehicle.fixed_sum_kes / price)
            level += litres
            yield Fill(
                str(next(ids)), vehicle.plate, at, vehicle.fuel_type, round(litres, 2),
                round(litres * price, -1), _reading(rng, odometer), vehicle.department,
            )  # fmt: skip

        plant = None
        if plants and reported >= SETTLED_AFTER and rng.random() < len(PLANTS) / PLANT_EVERY:
            plant = rng.choice(PLANTS)
            if plant == "economy_below_baseline" and not was_filled_up:
                # After a partial or unknown fill nobody can tell what was in the tank.
                plant = None

        season = 1.3 if at.month in (4, 8, 12) else 1.0
        burn = level - vehicle.tank * rng.betavariate(2, 6)
        if burn <= 0:
            burn = level * 0.5
        if plant == "economy_below_baseline":
            burn = vehicle.tank * rng.uniform(0.3, 0.45)
        km = burn * vehicle.economy * rng.gauss(1, 0.07) * (0.95 if season > 1 else 1.0)
        if vehicle.loaded_share and rng.random() < vehicle.loaded_share:
            km /= 2.2
        km = max(km, 1)
        level -= burn
        odometer += km
        days = km / (vehicle.km_per_day * season * rng.lognormvariate(0, 0.4))
        if rng.random() < 0.01:
            days += rng.uniform(14, 60)
        at += timedelta(days=max(days, 0.1))


def _reading(rng: random.Random, odometer: float) -> float | None:
    """The driver's entry for a true odometer: missing, rounded, or right."""
    draw = rng.random()
    if draw < 0.05:
        return None
    if draw < 0.15:
        return float(round(odometer, -1))
    return float(round(odometer))


def _planted(
    rng: random.Random,
    vehicle: Vehicle,
    honest: Fill,
    plant: str,
    price: float,
    odometer: float,
    ids: Iterator[int],
) -> Iterator[Fill]:
    """The honest fill and its anomaly, or the anomaly in its place."""
    whole = replace(
        honest,
        fuel_type=vehicle.fuel_type,
        litres=honest.litres or round(vehicle.tank * 0.6, 2),
        odometer_km=honest.odometer_km or float(round(odometer)),
    )
    assert whole.litres is not None
    whole = replace(whole, amount_kes=round(whole.litres * price, -1))
    bad = replace(whole, plant=plant)
    reading = int(whole.odometer_km or 0)
    match plant:
        case "implausible_time":
            yield replace(bad, typed_at=whole.filled_at + timedelta(days=365 * rng.choice([-10, -2, 1])))
        case "negative_quantity":
            yield replace(bad, litres=-whole.litres, amount_kes=-(whole.amount_kes or 0))
        case "duplicate_submission" if rng.random() < 0.5:
            # One figure is wrong, and the report after it has it right.
            wrong = rng.choice(
                [
                    {"litres": whole.litres + rng.choice([-1, 10])},
                    {"amount_kes": (whole.amount_kes or 0) + rng.choice([-90, 900])},
                    {"odometer_km": (whole.odometer_km or 0) + rng.choice([10_000, -5_000])},
                ]
            )
            yield replace(bad, **wrong)  # type: ignore[arg-type]
            again = whole.filled_at + timedelta(minutes=rng.choice([1, 4, 25]))
            yield replace(whole, id=str(next(ids)), filled_at=again)
        case "duplicate_submission":
            yield whole
            again = whole.filled_at + timedelta(minutes=rng.choice([0, 1, 4, 25, 180]))
            yield replace(bad, id=str(next(ids)), filled_at=again)
        case "odometer_rollback":
            wrong = rng.choice(
                [reading // 10, max(reading - rng.choice([1_000, 10_000, 50_000]), 1), int(str(reading)[1:])]
            )
            yield replace(bad, odometer_km=float(wrong))
        case "implausible_distance":
            wrong = rng.choice(
                [reading * 10 + rng.randrange(10), reading + rng.choice([10_000, 30_000, 90_000])]
            )
            yield replace(bad, odometer_km=float(wrong))
        case "litres_over_usual_maximum":
            litres = round(vehicle.tank * rng.uniform(1.4, 3), 2)
            yield replace(bad, litres=litres, amount_kes=round(litres * price, -1))
        case "price_out_of_band":
            factor = rng.choice([rng.uniform(0.35, 0.7), rng.uniform(1.2, 2)])
            yield replace(bad, amount_kes=round(whole.litres * price * factor, -1))
        case "litres_amount_swapped":
            yield replace(bad, litres=whole.amount_kes, amount_kes=whole.litres)
        case "fuel_type_unusual":
            yield replace(bad, fuel_type="petrol" if vehicle.fuel_type == "diesel" else "diesel")
        case "refill_too_soon":
            yield whole
            litres = round(vehicle.tank * rng.uniform(0.6, 0.95), 2)
            yield replace(
                bad,
                id=str(next(ids)),
                filled_at=whole.filled_at + timedelta(hours=rng.uniform(1, 8)),
                litres=litres,
                amount_kes=round(litres * price, -1),
                odometer_km=reading + float(rng.randrange(0, 15)),
            )
        case "economy_below_baseline":
            # A full tank is bought although the vehicle needs less than half of one.
            litres = round(vehicle.tank * rng.uniform(0.9, 1.0), 2)
            yield replace(bad, litres=litres, amount_kes=round(litres * price, -1))
        case "plate_unknown":
            # Another one each time: a plate is one finding, however often it is reported.
            letters = rng.choice("YZ") + rng.choice(LETTERS)
            yield replace(bad, plate=f"K{letters}{int(next(ids)) % 1000:03}{rng.choice(LETTERS)}")


def fleet_fills(
    seed: int, number: int, since: datetime, until: datetime, *, plants: bool = True
) -> tuple[list[Vehicle], list[Fill]]:
    """A fleet of `number` vehicles and all their fills; the same for the same arguments."""
    rng = random.Random(seed)
    ids = count(1)
    fleet = vehicles(rng, number, since, until)
    return fleet, [fill for vehicle in fleet for fill in history(rng, vehicle, until, ids, plants=plants)]
