"""`make bench`: where the time goes, as ratios to references measured in the same run.

BENCH_N (default 100000) is the number of fills in the history, BENCH_REPEAT (default 3) how often each phase
runs; the median counts. BENCH_BINDIR is the folder of another PostgreSQL's programs, such as one that has
jit. Prints one table and writes bench/results.json and docs/bench.svg.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench import feed
from bench.against_dlt import against_dlt
from bench.against_trigger import hourly_snapshot
from bench.first_time import first_time
from bench.harness import REPEAT, ROOT, Bench, N, table
from bench.hours import hourly
from bench.landing import landing
from bench.plot import plot
from bench.reads import reads
from bench.shapes import bowser, many_spellings
from demo import servers


def unused_indexes(bench: Bench) -> list[str]:
    """Indexes of fuel.* that neither a build nor a read of this run used and that keep nothing unique."""
    with bench.pg.connect("large", autocommit=True) as conn:
        found = conn.execute(
            "select case when indexprs is null then substring(pg_get_indexdef(indexrelid) from ' ON (.*)')"
            " else indexrelname end"
            " from pg_stat_user_indexes as i join pg_index as x using (indexrelid)"
            " where i.idx_scan = 0 and not x.indisunique and i.schemaname = 'fuel' order by 1"
        ).fetchall()
    return [row[0] for row in found]


def main() -> None:
    """Run every phase and write the results."""
    settings = {"listen_addresses": "127.0.0.1", "max_wal_size": "8GB", "shared_buffers": "1GB"}
    bindir = Path(os.environ.get("BENCH_BINDIR") or servers.WHEEL_BINDIR)
    with (
        tempfile.TemporaryDirectory(prefix="fleetfuel-bench-") as folder,
        servers.postgres(bindir=bindir, settings=settings) as pg,
        servers.s3() as s3,
    ):
        bench = Bench(pg, s3, Path(folder))
        print(f"{N:,} fills; every phase {REPEAT} times, the median counts", flush=True)
        records = list(feed.records(N))
        with pg.connect("template1", autocommit=True) as conn:
            conn.execute((ROOT / "demo" / "devices.sql").read_text())  # type: ignore[arg-type]
            conn.cursor().executemany(
                "insert into tracksolid.devices (imei, vehicle_number, cost_centre, assigned_city, is_active)"
                " values (%s, %s, %s, %s, true)",
                feed.devices(records),
            )
        first, unchanged = landing(bench, records)
        against_dlt(bench, N, first, unchanged)
        first_time(bench, N)
        hourly(bench, records)
        plans = reads(bench, records)
        hourly_snapshot(bench, records)
        unused = unused_indexes(bench)
        many_spellings(bench)
        bowser(bench)
        print("\n" + table(bench.rows))
        print(f"\nindexes that nothing used: {', '.join(unused) or 'none'}")
        results = {
            "fills": N,
            "unused_indexes": unused,
            "plans": plans,
            "rows": [asdict(r) | {"ratio": r.ratio} for r in bench.rows],
        }
        (ROOT / "bench" / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        (ROOT / "docs" / "bench.svg").write_text(plot(N, bench.rows))


if __name__ == "__main__":
    main()
