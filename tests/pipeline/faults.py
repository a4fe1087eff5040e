"""Fleets without anomalies whose drivers or vehicles have one fault each."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

from .histories import LETTERS, Fill, history, vehicles


def honest_mess(seed: int, number: int, since: datetime, until: datetime) -> dict[str, list[Fill]]:
    """Fleets of `number` vehicles without plants whose drivers or vehicles have one fault each.

    The name of the fault and all fills of its fleet; no plate stands in two fleets. A fill that was typed
    wrong is labelled `typing error`; the others are as honest as ever.
    """
    rng = random.Random(seed)
    ids = count(1)
    fleets = iter(LETTERS[1:])

    def fills(loaded_share: float = 0.0, tanks_at_a_time: float = 0.0) -> list[Fill]:
        letter = next(fleets)
        return [
            replace(fill, id=f"mess {fill.id}")
            for vehicle in vehicles(rng, number, since, until)
            for fill in history(
                rng,
                replace(
                    vehicle,
                    plate=f"K{letter}{vehicle.plate[2:]}",
                    loaded_share=loaded_share,
                    fixed_sum_kes=round(vehicle.tank * tanks_at_a_time * 180, -2),
                ),
                until,
                ids,
                plants=False,
            )
        ]

    def typed(fills: list[Fill], **wrong: Any) -> list[Fill]:
        return [replace(fill, **wrong) for fill in fills]

    def one_in_20(fills: list[Fill], slip: Callable[[Fill], Fill]) -> list[Fill]:
        return [slip(replace(fill, plant="typing error")) if rng.random() < 0.05 else fill for fill in fills]

    def too_far(fill: Fill) -> Fill:
        return replace(fill, odometer_km=fill.odometer_km and fill.odometer_km + rng.randrange(100, 600))

    def wrong_point(fill: Fill) -> Fill:
        return replace(fill, litres=fill.litres and round(fill.litres * rng.choice([0.1, 10]), 2))

    return {
        "odometer always 0": typed(fills(), odometer_km=0),
        "odometer stuck": typed(fills(), odometer_km=100_000),
        "always the same sum, a third of a tank": fills(tanks_at_a_time=0.35),
        "the same sum, odometer stuck": typed(fills(tanks_at_a_time=0.35), odometer_km=100_000),
        "a reading in 20 is 100 to 600 km too high": one_in_20(fills(), too_far),
        "litres in 20 times ten, or a tenth": one_in_20(fills(), wrong_point),
        "a trip in 4 is loaded, 2.2 times the fuel": fills(loaded_share=0.25),
    }
