"""Open findings: by rule, severity and KES, and the ten to look at first."""

from __future__ import annotations

import altair as alt

from report import words
from report.figures import Table
from report.section import Section, chart
from report.style import BLUE, ORANGE, PALE, Bars, Rows, Size

COLOURS = {"high": ("orange", ORANGE), "medium": ("blue", BLUE), "low": ("pale", PALE)}


def section(tables: dict[str, Table]) -> Section:
    """The heading counts the open findings; the ten cards say in words what was found."""
    rules, first = tables["findings_by_rule"], tables["findings_first"]
    shown = {"Open findings of 90 days by rule": rules, "The ten to look at first": first}
    number = sum(row["findings"] for row in rules.rows)
    if not number:
        return Section("findings", "No finding of the last 90 days is open", tables=shown)
    high = sum(row["findings"] for row in rules.rows if row["severity"] == "high")
    money = words.kes(sum(row["at_risk_kes"] or 0 for row in rules.rows))
    severities = [name for name in COLOURS if any(row["severity"] == name for row in rules.rows)]
    bars = chart(
        "The money that each rule's open findings put in question.",
        lambda size: draw(rules.rows, size),
        "KES in question and number of findings, by rule",
        tuple((f"bar {COLOURS[name][0]}", f"{name} severity") for name in severities),
    )
    return Section(
        "findings",
        f"{words.sentence(words.count(number, 'finding'))} of the last 90 days "
        f"{'is' if number == 1 else 'are'} open, {high:,} of high severity",
        f"{money} are in question: money to ask about, for most findings have a harmless cause. "
        "To close one, complete its line and add it to seeds/reviewed_findings.csv.",
        (bars,),
        shown,
        first.rows,
    )


def draw(rows: Rows, size: Size) -> alt.LayerChart:
    """A bar of KES for each rule, the weightiest severity first."""
    values = [
        {
            **row,
            "name": row["rule"].replace("_", " "),
            "at_risk_kes": row["at_risk_kes"] or 0,
            "text": f"{words.short(row['at_risk_kes'])} · {row['findings']:,}",
        }
        for row in rows
    ]
    colours = alt.Scale(domain=list(COLOURS), range=[variable for _, variable in COLOURS.values()])
    bars = Bars(values, "name", "at_risk_kes", 184)
    return bars.draw(size, alt.Color("severity:N", legend=None, scale=colours))
