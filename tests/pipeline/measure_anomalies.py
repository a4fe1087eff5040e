"""Precision and recall of the anomaly rules on generated histories: the table of docs/anomalies.md.

Run it on a private database: `python -m demo.servers python -m tests.pipeline.measure_anomalies`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from .histories import NAIROBI, PLANTS, Fill, fleet_fills, honest_mess, insert_all


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
FINDINGS = "select id, rule from reporting.v_fuel_anomalies"


def score(fills: list[Fill], findings: set[tuple[str, str]]) -> tuple[dict[str, Score], float]:
    """Per rule its score, and the findings per honest fill; `findings` are (id, rule).

    A finding of another rule on a planted fill counts against that rule's precision.
    """
    ids = {fill.id for fill in fills}
    findings = {(id_, rule) for id_, rule in findings if id_ in ids}
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


def noise(mess: dict[str, list[Fill]], findings: set[tuple[str, str]]) -> dict[str, float]:
    """Per fault of a fleet the findings per 100 fills that nobody typed wrong; `findings` are (id, rule)."""
    per_fill = Counter(id_ for id_, _ in findings)
    honest = {name: [fill.id for fill in fills if not fill.plant] for name, fills in mess.items()}
    return {name: 100 * sum(per_fill[id_] for id_ in ids) / len(ids) for name, ids in honest.items()}


def main() -> int:
    """Build on the database of the PG* variables, fill it with a generated fleet, and print the table."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--vehicles", type=int, default=300)
    options.add_argument("--seed", type=int, default=2)
    chosen = options.parse_args()
    dbt = Path(sys.executable).parent / "dbt"
    build = [dbt, "build", "--quiet", "--exclude-resource-type", "test", "unit_test", "--select"]
    subprocess.run([*build, "+v_fuel_anomalies"], check=True)
    fleet, fills = fleet_fills(chosen.seed, chosen.vehicles, SINCE, UNTIL)
    mess = honest_mess(chosen.seed, chosen.vehicles // 5, SINCE, UNTIL)
    with psycopg.connect(autocommit=True) as conn:
        insert_all(conn, fleet, fills, mess)
        subprocess.run([*build, "tracker_devices", "fill_intervals"], check=True)
        findings = set(conn.execute(FINDINGS).fetchall())
    scores, per_honest_fill = score(fills, findings)
    print(f"{len(fills):,} fills of {len(fleet):,} vehicles, seed {chosen.seed}\n\n{table(scores)}")
    print(
        f"\nFindings per 100 honest fills: {100 * per_honest_fill:.2f}; where every vehicle has the fault:\n"
    )
    print("\n".join(f"{per_100:6.2f}  {fault}" for fault, per_100 in noise(mess, findings).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
