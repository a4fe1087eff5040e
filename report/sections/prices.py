"""Prices paid per litre, against the regulated maximum."""

from __future__ import annotations

from typing import Any

import altair as alt

from report import words
from report.figures import Table
from report.section import Section, chart
from report.style import BLUE, MUTED, ORANGE, Rows, Size, data

PAID, MAXIMUM = "paid_kes_per_litre", "maximum_kes_per_litre"


def section(tables: dict[str, Table]) -> Section:
    """The heading says what was paid too much in 30 days."""
    weeks, overpaid = tables["prices"], tables["overpaid"]
    heading, lead = "Nobody paid above the regulated maximum in 30 days", ""
    if overpaid.rows:
        most = overpaid.rows[0]
        money = words.kes(sum(row["overpaid_kes"] for row in overpaid.rows))
        heading = f"{money} paid above the regulated maximum in 30 days"
        fills = words.sentence(words.count(sum(row["fills_above"] for row in overpaid.rows), "fill"))
        lead = f"{fills} cost more than the maximum of their date and town; most of it was paid by "
        lead += f"{most['department']}: {words.kes(most['overpaid_kes'])}."
    key = (
        ("line blue", "median paid, KES per litre"),
        ("line muted", "regulated maximum"),
        ("dot orange", "week with a fill above it"),
    )
    says = "Price paid per litre by week, and the regulated maximum, for each fuel."
    return Section(
        "prices",
        heading,
        lead,
        (chart(says, lambda size: draw(weeks.rows, size), key=key),) if weeks.rows else (),
        {
            "Paid above the maximum in 30 days, by department": overpaid,
            "Price paid by week and fuel": weeks,
        },
    )


def draw(rows: Rows, size: Size) -> Any:
    """For each fuel the maximum as a step, the price paid as a line, and the weeks with fills above it."""
    last = {row["fuel_type"]: row for row in rows}  # the rows of a fuel are in the order of their weeks
    heads = {
        fuel: f"{fuel.capitalize()}: {row[PAID]:.2f} paid, at most {row[MAXIMUM]:.2f}"
        for fuel, row in last.items()
    }
    months = alt.Axis(format="%b", grid=False, tickCount={"interval": "month", "step": 1})
    base = alt.Chart().encode(x=alt.X("week:T", timeUnit="utcyearmonthdate", axis=months))

    def y(column: str) -> alt.Y:
        scale = alt.Scale(zero=False, nice=False, padding=9)
        return alt.Y(f"{column}:Q", scale=scale, axis=alt.Axis(tickCount=4, format=",.0f", minExtent=30))

    maximum = base.mark_line(interpolate="step-after", strokeWidth=2, color=MUTED).encode(y=y(MAXIMUM))
    paid = base.mark_line(strokeWidth=2, color=BLUE).encode(y=y(PAID))
    above = base.transform_filter("datum.fills_above > 0")
    above = above.mark_point(filled=True, size=42, color=ORANGE, opacity=1).encode(y=y(PAID))
    columns = 1 if size.is_narrow else min(2, len(last))
    rows = [{**row, "head": heads[row["fuel_type"]]} for row in rows]
    chart = alt.layer(maximum, paid, above, data=data(rows))
    chart = chart.properties(width=size.width // columns - 58, height=150)
    facets = chart.facet(
        facet=alt.Facet("head:N", title=None), columns=columns, spacing={"row": 18, "column": 44}
    )
    return facets.resolve_scale(y="independent")
