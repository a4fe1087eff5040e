"""Figures and headings in plain English: grouped, rounded to what a reader needs, and never more precise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

UNITS = {"kes": "KES", "id": "id", "csv": "CSV"}


def label(column: str) -> str:
    """A column's name as a heading: `at_risk_kes` is `At risk KES`."""
    words = " ".join(UNITS.get(word, word) for word in column.split("_"))
    return words[:1].upper() + words[1:]


def cells(values: Sequence[Any]) -> list[str]:
    """A column as a table shows it, all of its numbers with the same places, so that they stand in line."""
    places = 0
    for value in values:
        if isinstance(value, Decimal):
            scale = -int(value.normalize().as_tuple().exponent)
            # Cents come in twos: 1,200.50.
            places = max(places, 2 if scale == 1 and value.as_tuple().exponent == -2 else scale)
    return [_cell(value, places) for value in values]


def _cell(value: Any, places: int) -> str:
    if value is None:
        return ""
    if is_number(value):
        return f"{value:,.{places}f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


def is_number(value: Any) -> bool:
    """Whether a value is aligned to the right."""
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def short(value: Any) -> str:
    """An amount in three or four characters for the end of a bar: 712, 34 k, 3.5 m."""
    amount = float(value or 0)
    for limit, unit in ((999_500, "m"), (999.5, "k")):
        if abs(amount) >= limit:
            scaled = amount / (1_000_000 if unit == "m" else 1_000)
            return f"{scaled:,.{1 if abs(scaled) < 9.95 or unit == 'm' else 0}f} {unit}"
    return f"{amount:,.0f}"


def kes(value: Any) -> str:
    """An amount in a sentence: KES 712, KES 34,200, KES 3.51 million."""
    amount = float(value or 0)
    if abs(amount) >= 999_950:
        return f"KES\u00a0{amount / 1_000_000:,.2f} million"
    if abs(amount) >= 10_000:
        return f"KES\u00a0{round(amount, -2):,.0f}"
    return f"KES\u00a0{amount:,.0f}"


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 fill, 2 fills, no fill."""
    return f"no {one}" if number == 0 else f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"


def difference(now: Any, before: Any) -> str:
    """How much more or less `now` is than `before`: `4 % less than`, `about as much as`."""
    share = 100 * (float(now) / float(before) - 1)
    if abs(share) < 0.5:
        return "about as much as"
    if share > 300:
        return "more than four times as much as"
    return f"{abs(share):.0f}\u00a0% {'more' if share > 0 else 'less'} than"


def signed(percent: Any) -> str:
    """A difference: `+5 %`, or with a real minus sign; `0 %` has none."""
    whole = round(float(percent))
    return f"{whole:+d} %".replace("-", "\u2212") if whole else "0 %"


def on(day: date) -> str:
    """`28 November 2026`."""
    return f"{day.day} {day:%B %Y}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """`Sales`, `Sales and Security`, `Sales, Security, Logistics and 2 others`."""
    shown = list(names) if len(names) <= most else [*names[:most], count(len(names) - most, "other")]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def cut(text: str, most: int) -> str:
    """The text, shortened with an ellipsis to `most` letters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def sentence(text: str) -> str:
    """With a capital at its head."""
    return text[:1].upper() + text[1:]
