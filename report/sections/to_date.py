"""Spend of the running month, against the same days of last month and the budget."""

from __future__ import annotations

from typing import Any

import altair as alt

from report import words
from report.figures import Table
from report.section import Section, chart
from report.style import INK, ORANGE, Bars, Rows, Size

NOW, BEFORE, BUDGET = "month_to_date_kes", "same_days_last_month_kes", "budget_kes"


def section(tables: dict[str, Table]) -> Section:
    """The heading compares the month; the lead says where it may end."""
    table = tables["spend_to_date"]
    rows = [row for row in table.rows if row[NOW] or row[BEFORE] or row[BUDGET]]
    month = f"{tables['headline'].rows[0]['today']:%B}"
    heading = f"{words.kes(total(rows, NOW))} so far in {month}"
    if total(rows, BEFORE) > 0:
        compared = words.difference(total(rows, NOW), total(rows, BEFORE))
        heading += f", {compared} on the same days of last month"
    key = [("bar blue", "this month so far"), ("tick", "same days of last month")]
    key += [("diamond", "budget of the whole month")] if any(row[BUDGET] for row in rows) else []
    says = "Spend of each department this month so far, beside the same days of last month and its budget."
    return Section(
        "to-date",
        heading,
        outlook(rows, month),
        (chart(says, lambda size: draw(rows, size), key=tuple(key)),) if rows else (),
        {"Spend by department this month so far": table},
    )


def outlook(rows: Rows, month: str) -> str:
    """Where the month may end, and which budgets that exceeds."""
    forecast = total(rows, "forecast_kes")
    said = f"At this pace {month} ends at {words.kes(forecast)}. " if forecast else ""
    budgeted = [row for row in rows if row[BUDGET]]
    if not budgeted:
        return f"{said}No department has a budget: seeds/department_budgets.csv has no line for this month."
    said += f"{words.count(len(budgeted), 'department')} with a budget may spend "
    said += f"{words.kes(total(budgeted, BUDGET))} and are on the way to "
    said += f"{words.kes(total(budgeted, 'forecast_kes'))}; "
    over = [row["department"] for row in budgeted if (row["forecast_kes"] or 0) > row[BUDGET]]
    return said + (f"{words.listed(over)} may exceed the budget." if over else "none may exceed its own.")


def total(rows: Rows, column: str) -> Any:
    """The sum of a column; empty values add nothing."""
    return sum(row[column] or 0 for row in rows)


def draw(rows: Rows, size: Size) -> alt.LayerChart:
    """The month as a bar, the same days of last month as a tick, the budget as a diamond."""
    values = []
    for row in rows:
        now, before, budget = (row[name] or 0 for name in (NOW, BEFORE, BUDGET))
        text = words.short(now)
        if before > 0:
            text += f"  {words.signed(100 * (now / before - 1))}"
        values.append({**row, "end": max(now, before, budget), "text": text})
    bars = Bars(values, "department", NOW, 112 if size.is_narrow else 156, pixels=30)
    before_ticks = (
        bars.base()
        .transform_filter(f"datum.{BEFORE} > 0")
        .mark_tick(thickness=2, height=22, color=INK)
        .encode(x=bars.x(BEFORE, size))
    )
    diamonds = bars.base().transform_filter(f"datum.{BUDGET} != null")
    diamonds = diamonds.mark_point(shape="diamond", filled=True, size=70, color=ORANGE, opacity=1)
    return bars.draw(size, marks=[before_ticks, diamonds.encode(x=bars.x(BUDGET, size))])
