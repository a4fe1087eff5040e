"""fuel.fill_intervals against the rules written a second time, and against a build from nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .economy_reports import Fact
from .economy_rules import judge
from .histories import fleet_fills
from .inserted import insert_fills
from .intervals import BUILT, LIMITS, START, Built, insert_facts
from .prices import NAIROBI


def vehicle_history(pick: Callable[[Sequence[Any]], Any], plate: str, first_id: int) -> list[Fact]:
    """A vehicle that mostly behaves, but for typing errors, gaps, top-ups, resends, and what is no fuel."""
    facts: list[Fact] = []
    at, odometer = START, pick([1200, 99_000])
    for _ in range(pick(range(1, 15))):
        kind = pick(["usual"] * 5 + ["topup", "repeat", "again", "gap", "reset"])
        if kind == "topup":
            at, odometer = at + timedelta(hours=pick(range(27))), odometer + pick(range(121))
        elif kind == "gap":
            at, odometer = at + timedelta(days=40), odometer + 4000
        elif kind == "reset":
            at, odometer = at + timedelta(days=3), 50
        elif kind == "usual":
            at, odometer = at + timedelta(days=pick(range(1, 7))), odometer + pick(range(150, 701))
        misread = [None, 0, odometer * 10, odometer // 10, odometer + 60_000, odometer + 450, 99_000]
        typed = pick([odometer] * 12 + misread)
        litres = pick([20, 40, 45, 40, 45, 50, 40.05, 4, None, 0, 450, 7200])
        amount = pick([3600, 7200, 8100, 9000, 7201, 81_000, 40, None])
        fuel_type = pick(["diesel"] * 4 + ["electric", "petrol", "not_fuel", None])
        fact = Fact(
            str(first_id + len(facts)), plate, at, litres, amount, typed, fuel_type, pick(range(20)) > 0
        )
        if kind == "again" and facts:
            at += timedelta(minutes=pick([0, 6, 30, 60, 120, 1200, 1800]))
            fact = replace(facts[-1], id=fact.id, filled_at=at)
            match pick(["odometer", "odometer", "litres", "amount", "nothing"]):
                case "odometer":
                    ways = [None, 0, odometer, odometer + 3, odometer + 60, odometer - 20, odometer + 9000]
                    fact.odometer_km = pick(ways)
                case "litres":
                    fact.litres = litres
                case "amount":
                    fact.amount_kes = amount
        fact.has_time = pick(range(10)) > 0
        fact.created_at = pick([None, at, at, at, at + timedelta(hours=1)])
        facts.append(fact)
    return facts


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """Some vehicles, for one query to judge."""

    def pick(choices: Sequence[Any]) -> Any:
        return draw(st.sampled_from(choices))

    facts: list[Fact] = []
    for n in range(pick(range(1, 9))):
        facts += vehicle_history(pick, f"KCA{n}", 95 + len(facts))
    if pick(range(10)) == 0:
        facts[-1].plate = None
    return facts


def assert_intervals_follow_the_rules(built: Built, facts: list[Fact]) -> None:
    """Whether fill_intervals, computed from nothing, says of each fill what the rules say."""
    with built.database.connect() as conn:
        insert_facts(conn, facts)
        rows = conn.execute(
            "select id, exclusion_reason, distance_km, interval_litres, km_per_litre, rolling_km_per_litre,"
            " rolling_intervals, last_two_km_per_litre, unexplained_litres, is_valid"
            f" from ({built.from_nothing}) as intervals"  # type: ignore[arg-type]
        ).fetchall()
        conn.rollback()
    expected = judge(facts, LIMITS)
    assert {row[0] for row in rows} == set(expected)
    for id_, reason, *figures, is_valid in rows:
        verdict = expected[id_]
        assert (id_, reason, is_valid) == (id_, verdict.reason, verdict.reason is None)
        wanted = [
            verdict.distance_km, verdict.interval_litres, verdict.km_per_litre, verdict.rolling_km_per_litre,
            verdict.rolling_intervals, verdict.last_two_km_per_litre, verdict.unexplained_litres,
        ]  # fmt: skip
        for figure, want in zip(figures, wanted, strict=True):
            assert (figure is None) == (want is None), (id_, reason, figures, wanted)
            assert want is None or float(figure) == pytest.approx(want, abs=0.001)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(facts=histories())
def test_intervals_follow_the_rules(built: Built, facts: list[Fact]) -> None:
    assert_intervals_follow_the_rules(built, facts)


def test_intervals_of_two_thousand_vehicles_follow_the_rules(built: Built) -> None:
    facts: list[Fact] = []
    for n in range(2000):
        facts += vehicle_history(random.Random(n).choice, f"KCA{n}", len(facts))
    assert_intervals_follow_the_rules(built, facts)


def test_intervals_of_a_fleet_follow_the_rules(built: Built) -> None:
    """Long enough for a baseline and room in the tank, with typing errors, and with odometers replaced."""
    _, fills = fleet_fills(5, 12, datetime(2025, 6, 1, tzinfo=NAIROBI), datetime(2026, 10, 1, tzinfo=NAIROBI))
    facts = [
        Fact(
            fill.id, fill.plate, fill.filled_at, fill.litres, fill.amount_kes, fill.odometer_km,
            fill.fuel_type,
        )
        for fill in fills
    ]  # fmt: skip
    rng = random.Random(1)
    more_km = dict.fromkeys((fact.plate for fact in facts), 0)
    for fact in facts:
        if rng.random() < 0.03:
            more_km[fact.plate] = 200_000 - more_km[fact.plate]
        if fact.odometer_km:
            fact.odometer_km += more_km[fact.plate]
        slip = rng.random()
        if slip < 0.04 and fact.odometer_km:
            fact.odometer_km += rng.randrange(100, 900)
        elif slip < 0.05 and fact.litres:
            fact.litres = round(fact.litres * rng.choice([0.1, 10]), 2)
    assert_intervals_follow_the_rules(built, facts)


def test_of_two_intervals_that_go_too_far_the_first_is_not_counted_with_the_second(built: Built) -> None:
    """The usual economy falls from 10 to 4 km per litre between the two, so that both go too far for it."""
    usual = [(500, 50)] * 3 + [(200, 50)] * 5
    too_far = [(900, 56), (370, 50), (200, 50)]
    facts, odometer = [Fact("0", "KCA", START, 50, None, 10_000)], 10_000
    for n, (km, litres) in enumerate(usual + too_far, start=1):
        odometer += km
        facts.append(Fact(str(n), "KCA", START + timedelta(days=3 * n), litres, None, odometer))
    assert [judge(facts, LIMITS)[id_].reason for id_ in ("9", "10")] == ["missed_fill_suspected"] * 2
    assert_intervals_follow_the_rules(built, facts)


def test_recomputing_changed_vehicles_equals_a_build_from_nothing(built: Built) -> None:
    _, fills = fleet_fills(7, 12, datetime(2026, 1, 1, tzinfo=NAIROBI), datetime(2026, 10, 1, tzinfo=NAIROBI))
    late = random.Random(1).sample([fill for fill in fills if fill.plate < "KAA004"], 4)
    with built.database.connect(autocommit=True) as conn:
        insert_fills(conn, [fill for fill in fills if fill not in late])
        built.dbt("run", "--select", BUILT)
        before = dict(conn.execute("select id, xmin::text from fuel.fill_intervals").fetchall())
        assert len(before) == len(fills) - len(late)

        # Late, edited, deleted, and moved to another vehicle; and one that loses its plate.
        insert_fills(conn, late, load_id=2)
        plates = sorted({fill.plate for fill in fills if "KAA004" <= fill.plate < "KAA009"})
        ids = [next(fill.id for fill in fills[20:] if fill.plate == plate) for plate in plates]
        conn.execute(
            "update fuel.records set odometer_km = odometer_km + 40, load_id = 2 where id = %s", [ids[0]]
        )
        conn.execute("update fuel.records set deleted_at = filled_at, load_id = 2 where id = %s", [ids[1]])
        conn.execute("update fuel.records set plate = %s, load_id = 2 where id = %s", [plates[3], ids[2]])
        conn.execute("update fuel.records set plate = null, load_id = 2 where id = %s", [ids[4]])
        built.dbt("run", "--select", BUILT)

        differing = conn.execute(
            f"(select * from fuel.fill_intervals except select * from ({built.from_nothing}) as a)"  # type: ignore[arg-type]
            f" union all (select * from ({built.from_nothing}) as b except select * from fuel.fill_intervals)"
        ).fetchall()
        assert differing == []
        written = {
            plate
            for id_, plate, xmin in conn.execute(
                "select id, plate, xmin::text from fuel.fill_intervals"
            ).fetchall()
            if before.get(id_) != xmin
        }
        touched = {fill.plate for fill in late} | {*plates[:5], None}
        assert written <= touched
        assert {plates[0], plates[1], None} < written

        settled = conn.execute("select id, xmin::text from fuel.fill_intervals order by id").fetchall()
        built.dbt("run", "--select", BUILT)
        assert (
            conn.execute("select id, xmin::text from fuel.fill_intervals order by id").fetchall() == settled
        )
