"""The parts of a section: charts, each with the words that stand for it, tables, and cards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import altair as alt

from report.figures import Table
from report.style import NARROW, WIDE, Size, svg

Key = tuple[tuple[str, str], ...]  # the signs of a chart: CSS classes, and the meaning


@dataclass(frozen=True)
class Chart:
    """One chart in both sizes; `says` is read out in its place."""

    says: str
    drawings: dict[str, str]
    title: str = ""
    key: Key = ()


def chart(says: str, draw: Callable[[Size], alt.TopLevelMixin], title: str = "", key: Key = ()) -> Chart:
    """Draw a chart for wide screens and for phones."""
    return Chart(says, {size.name: svg(draw(size)) for size in (WIDE, NARROW)}, title, key)


@dataclass(frozen=True)
class Section:
    """One question of a manager: the heading answers it, the tables hold what the charts are drawn from."""

    anchor: str
    heading: str
    lead: str = ""
    charts: tuple[Chart, ...] = ()
    tables: dict[str, Table] = field(default_factory=dict)  # by what they show
    cards: tuple[dict[str, object], ...] = ()  # findings, one after the other
