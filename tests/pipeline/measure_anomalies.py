"""Precision and recall of the anomaly rules on generated histories: the table of docs/anomalies.md.

Run it on a private database: `python -m demo.servers python -m tests.pipeline.measure_anomalies`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from demo.feed import generate

from .faults import honest_mess
from .histories import PLANTS, Fill, fleet_fills
from .inserted import insert_all, insert_fills
from .prices import NAIROBI


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


def demo_fills(number: int, vehicles: int, seed: int) -> tuple[list[Fill], list[str]]:
    """The fills of the demo's generator as they are once read, and the plates that the tracker knows."""
    feed = generate(number, until=UNTIL, vehicles=vehicles, seed=seed)
    fills = [
        Fill(
            id=truth.id,
            plate=truth.plate or "",
            filled_at=truth.filled_at,
            fuel_type=truth.fuel_type,
            litres=_figure(truth.litres),
            amount_kes=_figure(truth.amount_kes),
            odometer_km=_figure(truth.odometer_km),
            department=truth.department or "",
            plant=feed.planted.get(truth.id),
            # Which impossible time it was makes no difference here.
            typed_at=UNTIL + timedelta(days=400) if truth.filled_at_source == "reported" else None,
        )
        for truth in feed.truth.values()
        if truth.filled_at and truth.deleted_at is None
    ]
    return fills, sorted(feed.device)


def _figure(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def insert_demo(conn: psycopg.Connection[Any], fills: list[Fill], plates: list[str]) -> None:
    """Put fills of the demo into `fuel.records`, and the plates into the tracker."""
    insert_fills(conn, fills)
    conn.execute("update fuel.records set plate = null where plate = ''")
    conn.cursor().executemany(
        "insert into tracksolid.devices (imei, vehicle_number, is_active) values (%s, %s, true)",
        [(f"imei {plate}", plate) for plate in plates],
    )


def main() -> int:
    """Build on the database of the PG* variables, fill it with generated fills, and print the tables."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("--feed", choices=("histories", "demo"), default="histories")
    options.add_argument("--vehicles", type=int, default=300)
    options.add_argument("--seed", type=int, default=2)
    chosen = options.parse_args()
    dbt = Path(sys.executable).parent / "dbt"
    build = [dbt, "build", "--quiet", "--exclude-resource-type", "test", "unit_test", "--select"]
    subprocess.run([*build, "+v_fuel_anomalies"], check=True)
    mess: dict[str, list[Fill]] = {}
    with psycopg.connect(autocommit=True) as conn:
        if chosen.feed == "demo":
            # A fill every 3.4 days, as 200,000 of 1,600 vehicles.
            fills, plates = demo_fills(chosen.vehicles * 125, chosen.vehicles, chosen.seed)
            insert_demo(conn, fills, plates)
        else:
            fleet, fills = fleet_fills(chosen.seed, chosen.vehicles, SINCE, UNTIL)
            mess = honest_mess(chosen.seed, chosen.vehicles // 5, SINCE, UNTIL)
            insert_all(conn, fleet, fills, mess)
        subprocess.run([*build, "tracker_devices", "fill_intervals"], check=True)
        findings = set(conn.execute(FINDINGS).fetchall())
    scores, per_honest_fill = score(fills, findings)
    print(f"{len(fills):,} fills of {chosen.vehicles:,} vehicles, seed {chosen.seed}\n\n{table(scores)}")
    print(f"\nFindings per 100 honest fills: {100 * per_honest_fill:.2f}")
    if mess:
        print("Where every vehicle has the fault:\n")
    print("\n".join(f"{per_100:6.2f}  {fault}" for fault, per_100 in noise(mess, findings).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
