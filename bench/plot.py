"""The bench's picture: each ratio to its bar, on a logarithmic scale, as an SVG without any library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Protocol


class Measured(Protocol):
    """The fields of a row that the plot needs."""

    phase: str
    reference: str | None
    bar: float | None

    @property
    def ratio(self) -> float | None: ...


WIDTH, LEFT, RIGHT, STEP, TOP = 1080, 350, 300, 26, 64


def plot(count: int, rows: Sequence[Measured]) -> str:
    """One line per row that has a bar: ratio / bar, so that left of 1 is within the bar."""
    shown = [(row, row.ratio / row.bar) for row in rows if row.ratio is not None and row.bar]
    height = TOP + STEP * len(shown) + 40
    low, high = math.log10(0.05), math.log10(5)

    def x(value: float) -> float:
        share = (math.log10(min(max(value, 0.05), 5)) - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="26" font-size="16" font-weight="600">{count:,} fills: measured ratio, '
        "as a share of its bar (left of the line is within)</text>",
    ]
    for tick in (0.1, 0.25, 0.5, 1, 2, 4):
        strong = tick == 1
        parts.append(
            f'<line x1="{x(tick):.0f}" y1="{TOP - 10}" x2="{x(tick):.0f}" y2="{height - 30}" '
            f'stroke="{"#333" if strong else "#ddd"}"/>'
            f'<text x="{x(tick):.0f}" y="{height - 12}" text-anchor="middle" fill="#555">{tick:g}</text>'
        )
    for number, (row, share) in enumerate(shown):
        y = TOP + STEP * number
        colour = "#2a7f62" if share <= 1 else "#c2571a"
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 12}" text-anchor="end">{escape(row.phase.strip())}</text>'
            f'<rect x="{LEFT}" y="{y}" width="{max(x(share) - LEFT, 2):.0f}" height="16" fill="{colour}"/>'
            f'<text x="{x(share) + 6:.0f}" y="{y + 12}" fill="#333">'
            f"{row.ratio:.3g} &#215; {escape(row.reference or '')}, bar {row.bar:g}</text>"
        )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
