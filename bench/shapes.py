"""Feeds of another shape: 60,000 spellings of departments, and a bowser that has every second fill."""

from __future__ import annotations

from functools import partial
from typing import Any

from bench import feed
from bench.harness import SNAPSHOT, Bench, N, Run, in_turn, middle
from bench.hours import age_loads, delta

SPELLINGS = 60_000
FILLS = 100_000
BOWSER = "KZZ 999Z"


def spelled(count: int, spellings: int) -> list[dict[str, Any]]:
    """Fills whose departments are written in so many ways."""
    return [{**r, "department": f"Depot {r['id'] % spellings}"} for r in feed.records(count)]


def with_bowser(count: int) -> list[dict[str, Any]]:
    """Fills of which every second one is the same vehicle's."""
    history = list(feed.records(count))
    for number, record in enumerate(history):
        if number % 2:
            record.update(car=BOWSER, odometer=100_000 + 90 * number)
    return history


def built(bench: Bench, database: str, history: list[dict[str, Any]]) -> str:
    """A database of this history, as the hour after it finds it, and the bucket of the same name."""
    bucket = bench.bucket(database.replace("_", "-"))
    bench.put(bucket, SNAPSHOT, feed.envelope(history))
    bench.hourly(bench.create(database), bucket)
    bench.settle(database)
    age_loads(bench, database)
    bench.hourly(database, bucket)
    return bucket


def many_spellings(bench: Bench) -> None:
    """A build with nothing to do, with 60,000 spellings and with 60."""
    count = min(N, SPELLINGS)
    few = built(bench, "few_spellings", spelled(count, 60))
    many = built(bench, "many_spellings", spelled(count, count))
    on_few, on_many = in_turn(
        partial(bench.hourly, "few_spellings", few), partial(bench.hourly, "many_spellings", many)
    )
    name = f"hour with nothing to do, {count:,} spellings"
    bench.add(name, on_many, None, ("with 60 spellings", on_few.seconds, 1.3))


def bowser(bench: Bench) -> None:
    """An hour with a delta of 100 where one vehicle has every second fill, and where all are alike."""
    count = min(N, FILLS)
    feeds = {"alike": list(feed.records(count)), "bowser": with_bowser(count)}
    buckets = {name: built(bench, name, history) for name, history in feeds.items()}
    intervals: dict[str, list[float]] = {name: [] for name in feeds}

    def hour(name: str) -> Run:
        run = delta(bench, name, buckets[name], feeds[name])
        intervals[name].append(bench.model_seconds("fill_intervals", name))
        return run

    alike, one = in_turn(partial(hour, "alike"), partial(hour, "bowser"))
    against = ("vehicles alike", alike.seconds, 2.0)
    bench.add(f"hour, a bowser has half of {count:,} fills", one, 100, against)
    of_alike, of_one = middle(intervals["alike"]), middle(intervals["bowser"])
    bench.add("of it, fuel.fill_intervals", of_one, 100, ("vehicles alike", of_alike, None))
