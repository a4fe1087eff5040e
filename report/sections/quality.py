"""How readable the reports are, and the spellings that wait for a line in a list."""

from __future__ import annotations

import altair as alt

from report import words
from report.figures import Table
from report.section import Section, chart
from report.style import Bars, Rows, Size


def section(tables: dict[str, Table]) -> Section:
    """The heading says which share can be read."""
    health, columns = tables["headline"].rows[0], tables["readable"]
    share = health["readable_share_30d"]
    heading = "No fill was reported in 30 days"
    if share is not None:
        heading = f"{100 * share:.1f}\u00a0% of the fills of 30 days are readable in every column"
    spellings = health["unmapped_spellings"]
    lead = f"{words.sentence(words.count(spellings, 'spelling'))} {'waits' if spellings < 2 else 'wait'} "
    lead += "for a line in an alias list. Refused in 24 hours: "
    lead += f"{words.count(health['rejects_24h'], 'record')}, "
    lead += f"{words.count(health['refused_objects_24h'], 'file')}."
    says = "The share of fills whose report left a column empty or unreadable."
    title = "Fills of 30 days without a readable …"
    return Section(
        "quality",
        heading,
        lead,
        (chart(says, lambda size: draw(columns.rows, size), title),) if columns.rows else (),
        {
            "Fills of 30 days without a readable value": columns,
            "Spellings that wait, the costliest of each list": tables["unmapped"],
        },
    )


def draw(rows: Rows, size: Size) -> alt.LayerChart:
    """The share of fills without each column, the largest first."""
    values = [{**row, "text": f"{row['percent_without']} %"} for row in rows]
    return Bars(values, "column", "percent_without", 100).draw(size)
