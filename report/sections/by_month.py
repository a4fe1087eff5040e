"""Spend of the last thirteen months, in all and by department."""

from __future__ import annotations

from typing import Any

import altair as alt

from report import words
from report.figures import Table
from report.section import Section, chart
from report.style import BLUE, PALE, Rows, Size, data, fitted

ALL = "All departments"
MOST_DEPARTMENTS = 8
BOLD_LETTER = 8.5  # pixels
NAMES = "split('Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec', ',')"
MONTH = f"{NAMES}[toNumber(slice(datum.value, 5, 7)) - 1]"
YEAR = "slice(datum.value, 5, 7) == '01' || datum.index == 0 ? slice(datum.value, 0, 4) : ''"


def section(tables: dict[str, Table]) -> Section:
    """The heading names the dearest full month."""
    table = tables["spend_by_month"]
    shown = {"Spend by month and department": table}
    running = tables["headline"].rows[0]["today"].replace(day=1)
    full = [row for row in table.rows if row["department"] == ALL and row["month"] < running]
    if not full:
        return Section("by-month", "No full month has been reported yet", tables=shown)
    dearest = max(full, key=lambda row: row["amount_kes"])
    average = sum(row["amount_kes"] for row in full) / len(full)
    now = f"{running:%Y-%m}"
    rows = [{**row, "month": f"{row['month']:%Y-%m}"} for row in table.rows]
    return Section(
        "by-month",
        f"{dearest['month']:%B %Y} was the dearest full month: {words.kes(dearest['amount_kes'])}",
        f"The full months shown cost {words.kes(average)} on average.",
        (
            chart(
                "Spend of all departments by month.",
                lambda size: all_departments(rows, now, size),
                "All departments, KES",
                (("bar blue", "full month"), ("bar pale", "this month so far")),
            ),
            chart(
                "Spend of each department by month.",
                lambda size: each_department(rows, now, size),
                "Each department on one scale, this month's KES beside its name",
            ),
        ),
        shown,
    )


def all_departments(rows: Rows, now: str, size: Size) -> alt.LayerChart:
    """A bar for each month's total, the running month paler, with its figure on top."""
    totals = [
        {**row, "text": words.short(row["amount_kes"]).replace(" ", "" if size.is_narrow else " ")}
        for row in rows
        if row["department"] == ALL
    ]
    label = f"[{f'slice({MONTH}, 0, 1)' if size.is_narrow else MONTH}, {YEAR}]"
    axis = alt.Axis(labelAngle=0, labelExpr=label, labelOverlap=False)
    base = alt.Chart().encode(
        x=alt.X("month:O", axis=axis, scale=alt.Scale(paddingInner=0.25)),
        y=alt.Y("amount_kes:Q", axis=None),
    )
    bars = base.mark_bar().encode(color=paler(now))
    text = base.mark_text(dy=-8, fontSize=9 if size.is_narrow else 12, aria=False).encode(text="text:N")
    return fitted(alt.layer(bars, text, data=data(totals)), size, 190)


def each_department(rows: Rows, now: str, size: Size) -> Any:
    """The same for each of the largest departments, all on one scale; the others are added up."""
    sums: dict[str, Any] = {}
    for row in rows:
        if row["department"] != ALL:
            sums[row["department"]] = sums.get(row["department"], 0) + row["amount_kes"]
    order = sorted(sums, key=lambda name: (-sums[name], name))
    shown = order if len(order) <= MOST_DEPARTMENTS else order[: MOST_DEPARTMENTS - 1]
    others = f"{len(order) - len(shown)} others"
    amounts: dict[tuple[str, str], Any] = {}
    for row in rows:
        if row["department"] != ALL:
            key = (row["department"] if row["department"] in shown else others, row["month"])
            amounts[key] = amounts.get(key, 0) + row["amount_kes"]
    columns, gap = (2, 20) if size.is_narrow else (4, 28)
    width = (size.width - gap * (columns - 1)) // columns - 6
    # The figure of the running month stands in the heading, where no bar is in its way.
    heads = {}
    for name in [*shown, others]:
        figure = f"  {words.short(amounts.get((name, now)))}"
        heads[name] = words.cut(name, int(width / BOLD_LETTER) - len(figure)) + figure
    values = [
        {"department": heads[name], "month": month, "amount_kes": amount}
        for (name, month), amount in amounts.items()
    ]
    bars = alt.Chart(data(values)).mark_bar()
    bars = bars.encode(
        x=alt.X("month:O", axis=None, scale=alt.Scale(paddingInner=0.25)),
        y=alt.Y("amount_kes:Q", axis=None),
        color=paler(now),
    )
    facet = alt.Facet("department:N", sort=list(heads.values()), title=None)
    bars = bars.properties(width=width, height=64)
    return bars.facet(facet=facet, columns=columns, spacing={"row": 14, "column": gap})


def paler(now: str) -> Any:
    """Blue, and pale for the month that has not ended."""
    return alt.condition(f"datum.month == '{now}'", alt.value(PALE), alt.value(BLUE))
