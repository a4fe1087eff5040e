"""Which readings are believed, and who takes two fuels, by docs/economy.md in plain Python."""

from __future__ import annotations

from typing import Any

from .economy_reports import Fact, agree, order


def good_readings(readings: list[Fact], limits: dict[str, Any]) -> list[Fact]:
    def support(n: int) -> int:
        others = [*readings[max(n - 3, 0) : n], *readings[n + 1 : n + 4]]
        return sum(
            1 if agree(*sorted((other, readings[n]), key=order), limits) else -1  # type: ignore
            for other in others
        )

    supports = [support(n) for n in range(len(readings))]
    wrong = {n for n, sum_ in enumerate(supports) if sum_ <= -2}
    for n in range(1, len(readings)):
        earlier, later = readings[n - 1], readings[n]
        if agree(earlier, later, limits):
            continue
        if supports[n - 1] < supports[n]:
            wrong.add(n - 1)
        elif (
            supports[n - 1] > supports[n] or n + 1 == len(readings) or agree(earlier, readings[n + 1], limits)
        ):
            wrong.add(n)
    return [reading for n, reading in enumerate(readings) if n not in wrong]


def takes_two_fuels(counted: list[Fact], limits: dict[str, Any]) -> dict[str, bool]:
    """Whether the vehicle takes two fuels in turn, by the 30 fills before and the 30 after each."""
    changes = [
        n > 0 and None not in (a := (counted[n - 1].fuel_type, fill.fuel_type)) and a[0] != a[1]
        for n, fill in enumerate(counted)
    ]
    takes_two = {}
    for n, fill in enumerate(counted):
        around = slice(max(n - limits["baseline_fills"], 0), n + limits["baseline_fills"] + 1)
        fuels = [other.fuel_type for other in counted[around] if other.fuel_type]
        electric = sum(fuel == "electric" for fuel in fuels)
        takes_two[fill.id] = (
            sum(changes[around])
            >= max(
                limits["mixed_fuels_min_changes"],
                limits["mixed_fuels_min_share_of_changes"] * len(counted[around]),
            )
            or min(electric, len(fuels) - electric) >= limits["mixed_fuels_min_electric_fills"]
        )
    return takes_two
