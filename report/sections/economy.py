"""Kilometres per litre of each vehicle, against its own usual."""

from __future__ import annotations

from math import floor

import altair as alt

from report import words
from report.figures import Table
from report.section import Section, chart
from report.style import BLUE, ORANGE, Bars, Rows, Size, data, fitted

MOST_VEHICLES = 10
NOTABLE_PERCENT = 10  # this far below its own usual a vehicle is named
WIDEST_PERCENT = 50  # a vehicle that lies further out is counted in the outermost bar
STEP_PERCENT = 5


def section(tables: dict[str, Table]) -> Section:
    """The heading counts the vehicles that are notably below their usual."""
    table = tables["vehicles"]
    rows = table.rows
    shown = {"Each vehicle against its own usual": table}
    if not rows:
        lead = "It takes a few fills with odometer readings."
        return Section("economy", "No vehicle has an economy to compare yet", lead, tables=shown)
    below = sum(row["difference_percent"] <= -NOTABLE_PERCENT for row in rows)
    lost = words.kes(sum(row["lost_kes"] or 0 for row in rows))
    charts = [
        chart(
            "How many vehicles lie how far from their own usual km per litre.",
            lambda size: all_vehicles(rows, size),
            f"{words.count(len(rows), 'vehicle')} by the difference from the usual",
            (("bar orange", f"at least {NOTABLE_PERCENT}\u00a0% below"), ("bar blue", "others")),
        )
    ]
    if rows[0]["difference_percent"] < 0:
        charts.append(
            chart(
                "The vehicles furthest below their own usual km per litre.",
                lambda size: furthest_below(rows, size),
                "Furthest below their usual, km per litre",
            )
        )
    return Section(
        "economy",
        f"{words.sentence(words.count(below, 'vehicle'))} of {len(rows):,} "
        f"{'makes' if below < 2 else 'make'} at least {NOTABLE_PERCENT}\u00a0% fewer km per litre than usual",
        "Each vehicle is compared with its own past only: its last five intervals with its usual. "
        f"Litres beyond the usual cost {lost} in 30 days.",
        tuple(charts),
        shown,
    )


def all_vehicles(rows: Rows, size: Size) -> alt.LayerChart:
    """How many vehicles lie how far from their own usual, in steps of five per cent."""
    bins: dict[int, int] = {}
    for row in rows:
        percent = max(-WIDEST_PERCENT, min(WIDEST_PERCENT - 1, row["difference_percent"]))
        start = STEP_PERCENT * floor(percent / STEP_PERCENT)
        bins[start] = bins.get(start, 0) + 1
    values = [
        {"from": start, "to": start + STEP_PERCENT, "middle": start + STEP_PERCENT / 2, "vehicles": number}
        for start, number in sorted(bins.items())
    ]
    domain = [min(-30, *bins), max(30, *(start + STEP_PERCENT for start in bins))]
    x = alt.Scale(domain=domain, nice=False)
    sign = "(datum.value > 0 ? '+' : '\u2212') + abs(datum.value) + ' %'"
    ticks = [*range(-50, 51, 20 if size.is_narrow else 10)]
    axis = alt.Axis(grid=False, labelExpr=f"datum.value == 0 ? 'usual' : {sign}", values=ticks)
    bars = alt.Chart().mark_bar(binSpacing=2)
    bars = bars.encode(
        x=alt.X("from:Q", scale=x, axis=axis, bin="binned"),
        x2="to:Q",
        y=alt.Y("vehicles:Q", axis=None),
        color=alt.condition(f"datum.to <= {-NOTABLE_PERCENT}", alt.value(ORANGE), alt.value(BLUE)),
    )
    text = alt.Chart().mark_text(dy=-8, aria=False)
    text = text.encode(x=alt.X("middle:Q", scale=x), y="vehicles:Q", text="vehicles:Q")
    return fitted(alt.layer(bars, text, data=data(values)), size, 150)


def furthest_below(rows: Rows, size: Size) -> alt.LayerChart:
    """The vehicles furthest below their own usual, by the per cent that is missing."""
    values = [
        {
            **row,
            "percent_below": -row["difference_percent"],
            "text": f"{words.signed(row['difference_percent'])}: {row['rolling_km_per_litre']:.1f}, "
            f"usual {row['usual_km_per_litre']:.1f}",
        }
        for row in rows[:MOST_VEHICLES]
        if row["difference_percent"] < 0
    ]
    notable = alt.condition(f"datum.percent_below >= {NOTABLE_PERCENT}", alt.value(ORANGE), alt.value(BLUE))
    bars = Bars(values, "plate", "percent_below", 100, pixels=24)
    return bars.draw(size, notable)
