"""A fleet manager's first questions, answered on the terminal from the figures of the report page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from report import figures, words
from report.figures import Table
from report.sections import by_month

WIDTH = 96
SPEND = ("department", "month_to_date_kes", "same_days_last_month_kes", "forecast_kes", "budget_kes")
ECONOMY = ("plate", "usual_km_per_litre", "rolling_km_per_litre", "difference_percent", "lost_kes")


def print_report(conn: Any) -> None:
    """Print spend so far, what to look into first, vehicles below their usual, and spellings that wait."""
    tables = figures.read(conn, "reporting")
    today = tables["headline"].rows[0]["today"]
    heading(f"Fuel of {today:%B} up to the {today.day}., against the same days of last month")
    print_table(with_total(tables["spend_to_date"]), SPEND)
    print_findings(tables["findings_by_rule"], tables["findings_first"])
    heading("Vehicles furthest below their own usual km per litre (never compared with one another)")
    print_table(tables["vehicles"], ECONOMY, most=5)
    heading("Spellings waiting for a line in seeds/*_aliases.csv")
    print_table(tables["unmapped"])


def with_total(table: Table) -> Table:
    """The table and a row that adds it up; no budget is no figure."""
    total: dict[str, Any] = {"department": by_month.ALL}
    for column in table.columns[1:]:
        known = [row[column] for row in table.rows if row[column] is not None]
        total[column] = sum(known) if known else None
    return Table(table.query, table.columns, (*table.rows, total))


def print_findings(rules: Table, first: Table) -> None:
    """The open findings by severity and KES, then the first of them with all one needs to ask about it."""
    heading(f"To look into: {sum(row['findings'] for row in rules.rows):,} open findings of the last 90 days")
    print_table(rules)
    for row in first.rows[:5]:
        facts = (row["plate"], f"{row['filled_at']:%Y-%m-%d %H:%M}", row["driver"], f"fill {row['id']}")
        print(f"\n  {row['severity']}: {row['rule'].replace('_', ' ')}, {words.kes(row['at_risk_kes'])}")
        print(f"      {' · '.join(filter(None, facts))}")
        print(textwrap.fill(row["explanation"], WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6))


def heading(text: str) -> None:
    """A title with a rule under it."""
    print(f"\n{text}\n{'─' * WIDTH}")


def print_table(table: Table, columns: Sequence[str] = (), most: int | None = None) -> None:
    """Print the first rows in aligned columns, numbers to the right."""
    if columns:
        table = Table(table.query, tuple(columns), table.rows)
    lines = table.lines(most)
    if not lines:
        print("  nothing")
        return
    header = [(words.label(column), table.is_numeric(column)) for column in table.columns]
    widths = [max(len(text) for text, _ in column) for column in zip(header, *lines, strict=True)]
    for line in (header, *lines):
        print(f"  {'   '.join(aligned(line, widths))}".rstrip()[:WIDTH])


def aligned(line: Sequence[tuple[str, bool]], widths: Sequence[int]) -> list[str]:
    """The cells of a line, each as wide as its column."""
    return [
        text.rjust(width) if numeric else text.ljust(width)
        for (text, numeric), width in zip(line, widths, strict=True)
    ]
