"""Histories of the source, exported and delivered in whatever way, against a model of the source."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest
from exports import envelope, record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EVENTS = st.lists(
    st.tuples(st.sampled_from(["insert", "edit", "edit", "delete", "restore", "purge", "delta", "snapshot"]), st.integers(1, 5)),
    min_size=6,
    max_size=20,
)  # fmt: skip


def exports_of(events: list[tuple[str, int]]) -> list[tuple[str, int, dict[int, dict[str, Any]]]]:
    """The exports of the source as this happens: (kind, time, records by id)."""
    source: dict[int, dict[str, Any]] = {}
    changed: dict[int, dict[str, Any]] = {}
    exports = []
    for now, (event, id) in enumerate([*events, ("delta", 0), ("snapshot", 0)], 1):
        if event == "delta":
            exports.append(("delta", now, changed))
            changed = {}
        elif event == "snapshot":
            exports.append(
                ("snapshot", now, {n: each for n, each in source.items() if not each["deleted_at"]})
            )
        elif event == "purge":
            source.pop(id, None)
            changed.pop(id, None)
        elif event == "insert" or id in source:
            deleted_at = record(0, at=now)["updated_at"] if event == "delete" else None
            changed[id] = source[id] = record(id, at=now, deleted_at=deleted_at, v=now)
    return exports


def model(exports: list[tuple[str, int, dict[int, dict[str, Any]]]]) -> dict[str, tuple[Any, bool]]:
    """The newest version of every id that was ever delivered, and whether the last snapshot's word is that it is gone."""
    newest: dict[int, dict[str, Any]] = {}
    seen_at: dict[int, int] = {}
    for _, now, records in exports:
        for id, each in records.items():
            if id not in newest or each["v"] >= newest[id]["v"]:
                newest[id] = each
            seen_at[id] = max(now, seen_at.get(id, 0))
    last = max((now for kind, now, _ in exports if kind == "snapshot"), default=0)
    return {str(id): (each["v"], seen_at[id] < last) for id, each in newest.items()}


@pytest.fixture
def deliver(loader):
    with loader.deliveries() as deliver:
        yield deliver


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, data=st.data())
def test_any_delivery_of_any_history_ends_in_the_newest_state(loader, deliver, events, data):
    """Deltas late, out of order and twice; snapshots out of order, too."""
    exports = exports_of(events)
    order = data.draw(st.permutations(exports + data.draw(st.lists(st.sampled_from(exports), max_size=3))))
    kinds = {"snapshot": "snapshot", "delta": "changes"}
    deliver([(kinds[kind], kind, envelope(list(records.values()), at=now)) for kind, now, records in order])
    assert loader.rows("id, (raw ->> 'v')::int, absent_since is not null") == model(exports)
