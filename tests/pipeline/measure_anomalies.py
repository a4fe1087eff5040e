"""Precision and recall of the anomaly rules on generated histories: `python -m tests.pipeline.measure_anomalies`.

Needs the PG* variables of a database in which `dbt build` has run on an empty landing zone (for instance under
`python -m demo.servers`). Prints the table of docs/anomalies.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from .histories import NAIROBI, PLANTS, Fill


@dataclass(frozen=True)
class Score:
    """How one rule did: `planted` and `found` count plants, `findings` all that the rule said."""

    planted: int
    found: int
    findings: int

    @property
    def recall(self) -> float:
        return self.found / self.planted

    @property
    def precision(self) -> float:
        return self.found / self.findings if self.findings else 0.0


SINCE = datetime(2024, 8, 1, tzinfo=NAIROBI)
UNTIL = datetime(2026, 11, 1, tzinfo=NAIROBI)


def score(fills: list[Fill], findings: set[tuple[str, str]]) -> tuple[dict[str, Score], float]:
    """Per rule its score, and the findings per honest fill; `findings` are (id, rule).

    A finding of another rule on a planted fill counts against that rule's precision.
    """
    labels = {fill.id: fill.plant for fill in fills if fill.plant}
    planted = Counter(labels.values())
    found = Counter(rule for id_, rule in findings if labels.get(id_) == rule)
    said = Counter(rule for _, rule in findings)
    on_honest = sum(id_ not in labels for id_, _ in findings)
    scores = {rule: Score(planted[rule], found[rule], said[rule]) for rule in PLANTS}
    return scores, on_honest / (len(fills) - len(labels))


def table(scores: dict[str, Score]) -> str:
    """The scores as a Markdown table."""
    lines = ["| rule | planted | recall | precision |", "|---|---|---|---|"]
    lines += [
        f"| `{rule}` | {s.planted} | {s.recall:.3f} | {s.precision:.3f} |" for rule, s in scores.items()
    ]
    return "\n".join(lines)
