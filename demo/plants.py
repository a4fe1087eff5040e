"""Fills that a rule of v_fuel_anomalies should find: each is labelled with the name of that rule."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from demo.fleet import Fill

# One fill in so many is planted for each rule.
EVERY = 1200
DAY = timedelta(days=1)
# The usual figures of a vehicle are known after its first month, and no sooner than after so many fills.
SETTLED_AFTER_DAYS, SETTLED_AFTER_FILLS = 30, 10
# One vehicle in so many is fuelled beyond its tank at every fifth fill.
THIEVES_EVERY = 100

Change = Callable[[random.Random, Fill], dict[str, Any]]


def plant(rng: random.Random, fills: list[Fill], untracked: set[str]) -> list[Fill]:
    """The fills, some of them changed and some told twice; `untracked` plates are not in the tracker."""
    by_id = {fill.id: fill for fill in fills}
    histories: defaultdict[str, list[Fill]] = defaultdict(list)
    for fill in sorted(fills, key=lambda fill: (fill.filled_at, fill.id)):
        histories[fill.vehicle.plate].append(fill)
    for plate in sorted(untracked & histories.keys()):
        newest = histories[plate][-1]
        by_id[newest.id] = replace(newest, planted="plate_unknown", evidence=True)

    tracked = [fills for plate, fills in sorted(histories.items()) if plate not in untracked]
    thieves = rng.sample(tracked, max(1, len(tracked) // THIEVES_EVERY))
    stealing = {history[0].vehicle.plate for history in thieves}
    for history in thieves:
        for fill in history[SETTLED_AFTER_FILLS + 5 :: 5]:
            if fill.odometer_km and fill.litres and fill.amount_kes:
                by_id[fill.id] = _planted(rng, fill, "litres_over_usual_maximum", _over_tank)

    settled: list[Fill] = []
    full: list[Fill] = []
    young: list[Fill] = []
    honest_ones = [history for history in tracked if history[0].vehicle.plate not in stealing]
    for history in honest_ones:
        for number, (before, fill, after) in enumerate(
            zip(history, history[1:], history[2:], strict=False), 1
        ):
            is_whole = fill.odometer_km and fill.litres and fill.amount_kes
            # A top-up and the fill that it completes are judged together.
            if not is_whole or min(fill.filled_at - before.filled_at, after.filled_at - fill.filled_at) < DAY:
                continue
            if (
                number < SETTLED_AFTER_FILLS
                or fill.filled_at - history[0].filled_at < SETTLED_AFTER_DAYS * DAY
            ):
                young.append(fill)
                continue
            settled.append(fill)
            if before.odometer_km and _share_of_tank(before) >= 0.7 and _share_of_tank(fill) <= 0.5:
                full.append(fill)
    # A small sample has few fills that a rule can judge; it shows each kind all the same.
    rng.shuffle(settled)
    rng.shuffle(full)
    rng.shuffle(young)
    taken: set[int] = set()
    free_id = max(by_id, default=18_000) + 1
    for label, change, is_copy in PLANTS:
        pool = (
            fill
            for fill in [*(full if change is _too_much else []), *settled, *young]
            if fill.id not in taken
        )
        for _, fill in zip(range(max(1, len(fills) // EVERY)), pool, strict=False):
            taken.add(fill.id)
            changed = _planted(rng, fill, label, change)
            if is_copy:
                changed, free_id = replace(changed, id=free_id), free_id + 1
            if change is _corrected:
                # The first report is the wrong one, and the second one has it right.
                by_id[changed.id] = replace(
                    fill, id=changed.id, evidence=True, **_later(fill, rng.randrange(4, 30))
                )
                changed = replace(changed, id=fill.id)
            elif is_copy:
                by_id[fill.id] = replace(fill, evidence=True)
            by_id[changed.id] = changed
    return sorted(by_id.values(), key=lambda fill: fill.id)


def _planted(rng: random.Random, fill: Fill, label: str, change: Change) -> Fill:
    return replace(fill, **change(rng, fill), planted=label, evidence=True)


def _share_of_tank(fill: Fill) -> float:
    return float(fill.litres or 0) / fill.vehicle.tank_litres


def _later(fill: Fill, minutes: int) -> dict[str, Any]:
    """The times of a report that came so much later."""
    delay = timedelta(minutes=minutes)
    return {
        "filled_at": fill.filled_at + delay,
        "created_at": fill.created_at + delay,
        "updated_at": fill.updated_at + delay,
    }


def _bought(fill: Fill, litres: float) -> dict[str, Any]:
    """Other litres, at the price of the fill."""
    assert fill.litres
    assert fill.amount_kes
    bought = Decimal(litres).quantize(Decimal("0.1"))
    return {"litres": bought, "amount_kes": (bought * fill.amount_kes / fill.litres).quantize(Decimal(1))}


def _duplicate(rng: random.Random, fill: Fill) -> dict[str, Any]:
    delay = timedelta(minutes=rng.choice([1, 2, 5, 40]))
    return {"created_at": fill.created_at + delay, "updated_at": fill.updated_at + delay}


def _corrected(rng: random.Random, fill: Fill) -> dict[str, Any]:
    """One of the three figures is typed wrong, and nothing else."""
    assert fill.litres
    assert fill.amount_kes
    assert fill.odometer_km
    return rng.choice(
        [
            {"litres": fill.litres + rng.choice([-1, 1, 10])},
            {"amount_kes": fill.amount_kes + rng.choice([-90, 90, 900])},
            {"odometer_km": fill.odometer_km + rng.choice([-5_000, 10_000, 100_000])},
        ]
    )


def _too_soon(rng: random.Random, fill: Fill) -> dict[str, Any]:
    return {
        **_later(fill, rng.randrange(60, 400)),
        **_bought(fill, fill.vehicle.tank_litres * rng.uniform(0.4, 0.9)),
        "odometer_km": (fill.odometer_km or 0) + rng.randrange(0, 8),
    }


def _too_much(rng: random.Random, fill: Fill) -> dict[str, Any]:
    """More than half a tank is bought beyond what was burnt: it went elsewhere."""
    tank = fill.vehicle.tank_litres
    return _bought(fill, max(float(fill.litres or 0) + 0.45 * tank, tank * rng.uniform(0.85, 0.95)))


def _over_tank(rng: random.Random, fill: Fill) -> dict[str, Any]:
    return _bought(fill, fill.vehicle.tank_litres * rng.uniform(1.35, 2.5))


def _other_price(rng: random.Random, fill: Fill) -> dict[str, Any]:
    factor = Decimal(rng.choice([rng.uniform(0.4, 0.65), rng.uniform(1.25, 1.8)]))
    return {"amount_kes": ((fill.amount_kes or 0) * factor).quantize(Decimal(1))}


def _lower_reading(rng: random.Random, fill: Fill) -> dict[str, Any]:
    reading = int(fill.odometer_km or 0)
    lower = [reading // 10, int(str(reading)[1:] or 0), reading - rng.choice([2_000, 10_000])]
    return {"odometer_km": Decimal(max(rng.choice(lower), 1))}


def _doubled_digit(rng: random.Random, fill: Fill) -> dict[str, Any]:
    digits = str(fill.odometer_km)
    at = rng.randrange(1, len(digits))
    return {"odometer_km": Decimal(digits[:at] + digits[at - 1] + digits[at:])}


def _other_fuel(_: random.Random, fill: Fill) -> dict[str, Any]:
    return {"fuel_type": "petrol" if fill.fuel_type == "diesel" else "diesel"}


def _other_year(rng: random.Random, fill: Fill) -> dict[str, Any]:
    return {"typed_at": fill.filled_at + timedelta(days=365 * rng.choice([-10, -2, 1]))}


PLANTS: list[tuple[str, Change, bool]] = [
    ("economy_below_baseline", _too_much, False),
    ("duplicate_submission", _duplicate, True),
    ("duplicate_submission", _corrected, True),
    ("refill_too_soon", _too_soon, True),
    ("litres_amount_swapped", lambda _, fill: {"litres": fill.amount_kes, "amount_kes": fill.litres}, False),
    ("price_out_of_band", _other_price, False),
    ("odometer_rollback", _lower_reading, False),
    ("implausible_distance", _doubled_digit, False),
    ("fuel_type_unusual", _other_fuel, False),
    ("litres_over_usual_maximum", _over_tank, False),
    ("implausible_time", _other_year, False),
    (
        "negative_quantity",
        lambda _, fill: {"litres": -(fill.litres or 0), "amount_kes": -(fill.amount_kes or 0)},
        False,
    ),
]


LABELS = {label for label, _, _ in PLANTS} | {"plate_unknown"}
