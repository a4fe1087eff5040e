"""How every chart looks: colours are the page's CSS variables, so that one drawing serves light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import altair as alt
import vl_convert

INK, MUTED, GRID = "var(--ink)", "var(--muted)", "var(--grid)"
BLUE, PALE, ORANGE = "var(--blue)", "var(--pale)", "var(--orange)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"


@dataclass(frozen=True)
class Size:
    """Each chart is drawn twice, and the page shows the drawing that fits its reader's screen."""

    name: str
    width: int

    @property
    def is_narrow(self) -> bool:
        """Whether it is the drawing for a phone."""
        return self.width < 500


LETTER = 7.5  # pixels of a letter or figure, in the widest of the fonts
WIDE, NARROW = Size("wide", 1000), Size("narrow", 356)

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "padding": {"left": 0, "top": 0, "right": 0, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "labelFont": FONT,
        "labelFontSize": 12,
        "labelPadding": 6,
        "title": None,
        "domain": False,
        "ticks": False,
        "gridColor": GRID,
    },
    "header": {
        "labelFont": FONT,
        "labelFontSize": 12,
        "labelFontWeight": 600,
        "labelColor": INK,
        "labelAnchor": "start",
        "labelPadding": 2,
        "title": None,
    },
    "text": {"font": FONT, "fontSize": 12, "fill": INK},
    "rule": {"stroke": GRID},
}


def svg(chart: alt.TopLevelMixin) -> str:
    """The drawing as an SVG element for the page."""
    drawing: str = vl_convert.vegalite_to_svg({**chart.to_dict(), "config": CONFIG})
    return drawing.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")


Rows = Sequence[dict[str, Any]]


def data(rows: Rows) -> Any:
    """Rows as Vega takes them: numbers and texts only."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return float(value)
        return value.isoformat() if isinstance(value, date) else value

    values = [{name: plain(value) for name, value in row.items()} for row in rows]
    return alt.InlineData(values=values)


@dataclass(frozen=True)
class Bars:
    """Horizontal bars in the order of their rows: a name at the left, a row's `text` at the end of its bar.

    `names` are the pixels that the names have. Where a row has an `end`, its text stands there, behind other
    marks.
    """

    rows: Rows
    name: str
    figure: str
    names: int
    pixels: int = 26  # the height of a row

    def base(self) -> alt.Chart:
        """The ground that all marks of a row stand on."""
        axis = alt.Axis(
            labelColor=INK,
            labelAlign="left",
            labelPadding=self.names,
            labelLimit=self.names - 8,
            minExtent=self.names,
            maxExtent=self.names,
        )
        order = [row[self.name] for row in self.rows]
        return alt.Chart().encode(y=alt.Y(f"{self.name}:N", sort=order, axis=axis))

    def x(self, figure: str, size: Size) -> alt.X:
        """Where a figure of a row is; behind the longest bar there is room for the longest text."""
        ends = [float(row.get("end", row[self.figure]) or 0) for row in self.rows]
        pixels = size.width - self.names
        room = 14 + LETTER * max(len(row["text"]) for row in self.rows)
        scale = alt.Scale(domain=[min(0, *ends), (max(ends) or 1) * pixels / (pixels - room)], nice=False)
        return alt.X(f"{figure}:Q", scale=scale, axis=None)

    def draw(self, size: Size, color: Any = None, marks: Sequence[alt.Chart] = ()) -> alt.LayerChart:
        """The bars, further marks on them, and the texts."""
        rows = [{"end": row[self.figure] or 0, **row} for row in self.rows]
        bars = (
            self.base()
            .mark_bar(height=14)
            .encode(x=self.x(self.figure, size), color=color or alt.value(BLUE))
        )
        text = (
            self.base().mark_text(align="left", dx=8, aria=False).encode(x=self.x("end", size), text="text:N")
        )
        return fitted(alt.layer(bars, *marks, text, data=data(rows)), size, self.pixels * len(rows))


def fitted(chart: Any, size: Size, height: int) -> alt.LayerChart:
    """The chart exactly as wide as its size."""
    fit = alt.AutoSizeParams(type="fit", contains="padding")
    done: alt.LayerChart = chart.properties(width=size.width, height=max(height, 26), autosize=fit)
    return done
