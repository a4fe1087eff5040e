"""The cost of an hour: with a delta, and with nothing to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from bench import feed
from bench.empty_project import write_empty_project
from bench.harness import BIN, IN_SECONDS, SNAPSHOT, Bench, Run, in_turn

SMALL = 10_000
HOURS: Iterator[int] = iter(range(1, 48))  # after the feed's end, and before now


def delta(bench: Bench, database: str, bucket: str, history: list[dict[str, Any]], edits: int = 100) -> Run:
    """An hour in which some fills spread over the whole history were edited."""
    number = next(HOURS)
    step = max(len(history) // edits, 1) | 1  # odd: else it could meet each second fill alone, or none
    items = [feed.edited(r, number) for r in history[number % step :: step]][:edits]
    stamp = f"{feed.END + timedelta(hours=number):%Y-%m-%dT%H-%M-%SZ}"
    bench.put(bucket, f"fuel_records/changes/{stamp}.json", feed.envelope(items, hour=number))
    return bench.hourly(database, bucket)


def age_loads(bench: Bench, database: str) -> None:
    """Let what is loaded be two days old: a build's tests look at the last day."""
    with bench.pg.connect(database, autocommit=True) as conn:
        conn.execute("update fuel.loads set started_at = started_at - interval '2 days'")
        conn.execute("update fuel.records set loaded_at = loaded_at - interval '2 days'")
        conn.execute("vacuum full analyze fuel.records")


def hourly(bench: Bench, records: list[dict[str, Any]]) -> None:
    """An hour with a delta of 100, on the whole history and on 10,000; an hour with nothing to do."""
    small = list(feed.records(SMALL))
    bench.put(bench.bucket("fuel-small"), SNAPSHOT, feed.envelope(small))
    bench.hourly(bench.create("small"), "fuel-small")
    bench.create("large", "built")
    for database in ("small", "large"):
        age_loads(bench, database)
    deltas = (
        partial(delta, bench, "small", "fuel-small", small),
        partial(delta, bench, "large", "fuel", records),
    )
    in_turn(*deltas, times=1)  # which has dbt parse the project for each of the two
    on_small, on_large = in_turn(*deltas)
    name = "hour with a delta of 100, loader + dbt"
    bench.add(name, on_large, 100, ("on 10,000", on_small.seconds, 1.3))
    bench.add(name, on_large.seconds, 100, (IN_SECONDS, 4.5, 1.0))
    bench.dbt("large", "parse")  # the hourly job writes no manifest.json
    nodes = write_empty_project(bench.state("large") / "target", bench.work / "empty")
    empty = partial(bench.dbt, bench.create("bench_empty"), "build", cwd=bench.work / "empty")
    empty()  # it parses, and makes what it builds
    start, idle = in_turn(empty, lambda: bench.hourly("large", "fuel"))
    bench.add(f"dbt build of an empty project of {nodes} nodes", start)
    bench.add("hour with nothing to do", idle, None, ("empty dbt project", start.seconds, 1.3))
    bench.add("dbt --version", bench.run([BIN / "dbt", "--version"], bench.env("large")))
