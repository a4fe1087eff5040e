"""The reads of dashboards and applications, each until all its rows have arrived, and the report page."""

from __future__ import annotations

import gc
import random
import sys
import time
from datetime import UTC, datetime
from typing import Any

import psycopg

from bench import feed
from bench.harness import IN_SECONDS, Bench, middle
from bench.hours import delta

NEWEST = " order by filled_at desc nulls last, id desc limit 50"
LAST_30_DAYS = "select * from reporting.v_fuel_anomalies where filled_at >= %(end)s - interval '30 days'"
# A name, the statement, its bar in seconds, how often it is read: the 95th percentile of 200 times counts.
READS = (
    ("one vehicle's last 90 days of fills (p95)",
     "select * from reporting.v_fuel_fills where plate = %(plate)s"
     " and filled_at >= %(end)s - interval '90 days'", 0.010, 200),
    ("one vehicle's last 90 days of efficiency (p95)",
     "select * from reporting.v_fuel_efficiency where plate = %(plate)s"
     " and filled_at >= %(end)s - interval '90 days'", 0.010, 200),
    ("the newest 50 fills (p95)", f"select * from reporting.v_fuel_fills{NEWEST}", 0.005, 200),
    ("the next page of 50 fills (p95)",
     f"select * from reporting.v_fuel_fills where (filled_at, id) < (%(filled_at)s, %(id)s){NEWEST}",
     0.005, 200),
    ("one vehicle's anomalies, all history (p95)",
     "select * from reporting.v_fuel_anomalies where plate = %(plate)s", 0.020, 200),
    ("one vehicle of v_vehicles (p95)",
     "select * from reporting.v_vehicles where plate = %(plate)s", 0.010, 200),
    ("one vehicle's corrections (p95)",
     "select * from reporting.v_fuel_corrections where plate = %(plate)s", 0.010, 200),
    ("the fleet's last month of fills",
     "select * from reporting.v_fuel_fills where filled_at >= %(end)s - interval '31 days'", 0.200, 5),
    ("anomalies of the last 30 days, jit off", LAST_30_DAYS, 0.500, 5),
    ("anomalies of the last 30 days, jit on", LAST_30_DAYS, 0.500, 5),
    ("anomalies of all history", "select * from reporting.v_fuel_anomalies", 5.000, 3),
    ("monthly spend of a year",
     "select * from reporting.v_fuel_spend_monthly where month >= %(end)s::date - interval '1 year'",
     1.500, 5),
    ("every vehicle", "select * from reporting.v_vehicles", 0.500, 5),
    ("spend to date", "select * from reporting.v_fuel_spend_to_date", 0.500, 5),
    ("corrections of a month",
     "select * from reporting.v_fuel_corrections where changed_at >= now() - interval '31 days'", 0.500, 5),
)  # fmt: skip


def reads(bench: Bench, records: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Measure them on the history and its hours; gives their plans."""
    delta(
        bench, "large", "fuel", records, edits=len(records) // 100
    )  # one fill in 100, to be found corrected
    bench.settle("large")
    gc.collect()
    gc.freeze()  # a dashboard has no feed of a whole history in memory to look through
    plans = {}
    with bench.pg.connect("large", autocommit=True) as conn:
        conn.execute("set jit = on")  # else the next one says no
        [(jit,)] = conn.execute("select pg_jit_available()").fetchall()
        plates = [
            plate
            for (plate,) in conn.execute("select distinct plate from fuel.records order by plate").fetchall()
        ]
        for name, statement, bar, times in READS:
            wanted = "on" if "jit on" in name else "off"
            if wanted == "on" and not jit:
                print(f"  {name}: left out, this PostgreSQL has no jit", flush=True)
                continue
            conn.execute(f"set jit = {wanted}")  # type: ignore[arg-type]
            plans[name] = read(bench, conn, name, statement, bar, times, plates, records)
    page = bench.work / "report.html"
    run = bench.run([sys.executable, "-m", "report", "--out", page], bench.env("large"))
    bench.add("the report page", run, None, (IN_SECONDS, 10.0, 1.0))
    return plans


def read(
    bench: Bench,
    conn: psycopg.Connection[Any],
    name: str,
    statement: str,
    bar: float,
    times: int,
    plates: list[str],
    records: list[dict[str, Any]],
) -> list[str]:
    """Measure one read, each time of another vehicle or page, and give its plan."""
    rng = random.Random(7)

    def parameters() -> dict[str, Any]:
        last_shown = rng.choice(records)
        return {
            "plate": rng.choice(plates),
            "end": feed.END.replace(tzinfo=UTC),
            "filled_at": datetime.fromisoformat(last_shown["datetime"]),
            "id": str(last_shown["id"]),
        }

    analysed = f"explain (analyze, buffers, costs off) {statement}"
    plan = conn.execute(analysed, parameters()).fetchall()  # type: ignore[arg-type]
    arrived, fetched, count = [], [], 0
    warm_up = 5 if times > 5 else 1
    for _ in range(warm_up + times):
        started = time.perf_counter()
        rows = conn.execute(statement, parameters())  # type: ignore[arg-type]
        arrived.append(time.perf_counter() - started)
        count = len(rows.fetchall())
        fetched.append(time.perf_counter() - started)
    if times > 5:
        bench.add(name, sorted(arrived[warm_up:])[int(times * 0.95)], None, (IN_SECONDS, bar, 1.0))
    else:
        bench.add(f"{name}, {count:,} rows", middle(arrived[1:]), None, (IN_SECONDS, bar, 1.0))
        bench.add(f"{name}, as Python objects", middle(fetched[1:]))
    return [line for (line,) in plan]
