"""How fast the loader lands a snapshot, and how much memory it takes."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import msgspec

from bench import feed
from bench.harness import REPEAT, SNAPSHOT, Bench, Run, in_turn


def landing(bench: Bench, records: list[dict[str, Any]]) -> tuple[Run, Run]:
    """First load, unchanged and slightly changed snapshots, the same ETag; gives the first two."""
    count = len(records)
    for name in ("fuel", "fuel-unchanged", "fuel-changed"):
        bench.bucket(name)
    bench.put("fuel", SNAPSHOT, feed.envelope(records))
    bench.put("fuel-unchanged", SNAPSHOT, feed.envelope(records, hour=1))
    some = [feed.edited(r) if r["id"] % 100 == 0 else r for r in records]
    bench.put("fuel-changed", SNAPSHOT, feed.envelope(some, hour=1))
    rows_file = bench.work / "rows.tsv"
    with rows_file.open("wb") as output:
        for record in records:
            raw = msgspec.json.encode(record).replace(b"\\", b"\\\\")
            output.write(b"%d\t%b\n" % (record["id"], raw))

    def copy() -> Run:
        database = bench.create("bench_copy")
        with bench.pg.connect(database, autocommit=True) as conn:
            conn.execute("create table rows (id text primary key, raw jsonb not null)")
        copy = [str(bench.pg.bindir / "psql"), "-qc", f"\\copy rows from '{rows_file}'"]
        return bench.run(copy, bench.env(database))

    def again(bucket: str) -> Run:
        return bench.loader(bench.create("bench_again", "landed"), bucket, "--snapshot")

    copied, first = in_turn(copy, lambda: bench.loader(bench.create("landed"), "fuel", "--snapshot"))
    bench.add("psql \\copy of pre-made (id, raw) rows", copied, count)
    bench.add("first load of the snapshot", first, count, ("psql \\copy", copied.seconds, 2.2))
    bench.settle("landed")
    unchanged, changed = in_turn(partial(again, "fuel-unchanged"), partial(again, "fuel-changed"))
    against = ("first load", first.seconds)
    bench.add("snapshot, new ETag, nothing changed", unchanged, count, (*against, 0.45))
    bench.add("snapshot, new ETag, 1 % changed", changed, count, (*against, 0.5))
    usage, same = in_turn(
        lambda: bench.run([sys.executable, "-m", "loader", "--help"], bench.env("landed")),
        lambda: bench.loader("landed", "fuel", "--snapshot"),
        times=3 * REPEAT,  # half a second each: more often, for the ratio's sake
    )
    bench.add("snapshot, same ETag", same, None, ("loader --help", usage.seconds, 1.5))
    memory(bench, records)
    return first, unchanged


def memory(bench: Bench, records: list[dict[str, Any]]) -> None:
    """The memory of a load above the same command with nothing to load, against the bytes of the object."""
    peak = bench.peak_bytes(bench.create("bench_memory"), "fuel")
    start = bench.peak_bytes("bench_memory", "fuel")
    object_bytes = len(feed.envelope(records))
    against = ("the object, bytes", object_bytes, 2.5)
    bench.add("peak memory of a load, less the loader's start", 0.0, None, against, peak - start)
    bench.add("peak memory of a load, all of it", 0.0, None, (*against[:2], None), peak)
