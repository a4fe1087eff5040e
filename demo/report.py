"""What a fleet manager wants to see, printed from the reporting views."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

WIDTH = 96

# Economy adds up only as Σkm / Σlitres, so a department's figure is not a mean of its rows' figures.
SPEND = """
with months as (
    select date_trunc('month', max(month)) as this_month from reporting.v_fuel_spend_monthly
),

spend as (
    select department, month = this_month::date as is_this_month, fills, litres, amount_kes, km, km_per_litre
    from reporting.v_fuel_spend_monthly, months
    where month >= this_month - interval '1 month'
)

select
    coalesce(department, '(none given)') as "Department",
    sum(fills) filter (where is_this_month) as "Fills",
    round(sum(litres) filter (where is_this_month)) as "Litres",
    round(sum(amount_kes) filter (where is_this_month)) as "KES",
    round(sum(km) filter (where is_this_month)
        / nullif(sum(km / nullif(km_per_litre, 0)) filter (where is_this_month), 0), 1) as "km/l",
    round(sum(amount_kes) filter (where not is_this_month)) as "KES last month"
from spend
group by rollup (department)
order by grouping(department), 4 desc nulls last
"""

MONTH = "select to_char(max(month), 'FMMonth YYYY') from reporting.v_fuel_spend_monthly"

FINDINGS = """
select distinct on (rule)
    rule,
    count(*) over (partition by rule) as findings,
    round(sum(kes_at_risk) over (partition by rule)) as kes_at_risk,
    explanation
from reporting.v_fuel_anomalies
order by rule asc, kes_at_risk desc nulls last, id asc
"""

UNMAPPED = """
select
    field as "Field",
    spelling as "Spelling",
    occurrences as "Fills",
    round(amount_kes) as "KES",
    csv_line as "Line to paste"
from reporting.v_unmapped_values
order by amount_kes desc, spelling asc
limit 8
"""


def print_report(conn: Any) -> None:
    """Print spend and economy by department, the findings, and the spellings that wait for an alias."""
    [(month,)] = conn.execute(MONTH)
    heading(f"Fuel by department, {month} so far")
    cursor = conn.execute(SPEND)
    *departments, total = cursor.fetchall()
    print_table(names(cursor), [*departments, ("All", *total[1:])])

    findings = sorted(conn.execute(FINDINGS), key=lambda row: row[2] or 0, reverse=True)
    heading(f"To look into: {sum(row[1] for row in findings):,} findings, the biggest of each kind")
    for rule, count, kes_at_risk, explanation in findings:
        title = f"{rule.replace('_', ' ')} ({count})"
        at_risk = "" if kes_at_risk is None else f"{kes_at_risk:>20,} KES at risk"
        print(f"  {title:<48}{at_risk}".rstrip())
        print(textwrap.fill(explanation, WIDTH, initial_indent="      ", subsequent_indent="      "))

    heading("Spellings waiting for a line in seeds/*_aliases.csv")
    cursor = conn.execute(UNMAPPED)
    print_table(names(cursor), cursor.fetchall())


def heading(text: str) -> None:
    """A title with a rule under it."""
    print(f"\n{text}\n{'─' * WIDTH}")


def names(cursor: Any) -> list[str]:
    """The column names of a result."""
    return [column.name for column in cursor.description]


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in aligned columns, numbers to the right."""
    cells = [[cell(value) for value in row] for row in rows]
    right = [any(isinstance(row[at], int | Decimal) for row in rows) for at in range(len(header))]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for line in (header, *cells):
        aligned = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, right, strict=True)
        ]
        print(f"  {'   '.join(aligned)}".rstrip()[:WIDTH])


def cell(value: Any) -> str:
    """A value as text; nothing for null."""
    return "" if value is None else f"{value:,}" if isinstance(value, int | Decimal) else str(value)
