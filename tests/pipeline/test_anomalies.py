"""reporting.v_fuel_anomalies on generated fleets with planted anomalies, and its switches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from demo import servers
from tests.conftest import ROOT, Database, Dbt, fresh_database

from .faults import honest_mess
from .histories import Fill, fleet_fills
from .inserted import insert_all, insert_fills
from .measure_anomalies import FINDINGS, SINCE, UNTIL, demo_fills, insert_demo, noise, score
from .prices import NAIROBI, price_caps

# These shares must hold on a small fleet; docs/anomalies.md has the figures of a larger one.
RECALL = 0.9
PRECISION = 0.9

# Findings per 100 honest fills where every vehicle has the fault; for others it is one.
LOUDER = {"a reading in 20 is 100 to 600 km too high": 2, "a trip in 4 is loaded, 2.2 times the fuel": 5}

# A vehicle with a tank of 60 l that burns 10 l on 100 km: litres burnt since the fill before, litres bought,
# the rule that speaks, and km that the reading is too high.
Chapter = tuple[int, int | None, str | None] | tuple[int, int | None, str | None, int]
Story = list[Chapter]
ECONOMY = "economy_below_baseline"
FILLED_UP: Story = [(litres, litres, None) for litres in (50, 40, 55, 45, 58)] * 3
SAME_SUM: Story = [(burnt, 20, None) for burnt in (12, 32, 28, 9, 11, 30, 27, 8, 22, 21, 33, 6)] * 3
STORIES: dict[str, Story] = {
    "room of a half-filled tank long ago": [
        *FILLED_UP, (45, 20, None), *[(30, 30, None)] * 6, (30, 55, None), (25, 57, ECONOMY),
    ],
    "room after a fill without litres": [*FILLED_UP, (40, None, None), (30, 30, None), (20, 45, None)],
    "full again after a fill without litres": [
        *FILLED_UP, (40, None, None), (55, 57, None), (25, 55, ECONOMY),
    ],
    "full again after a fill that was not reported": [
        *FILLED_UP, (80, 45, None), (57, 57, None), (25, 55, ECONOMY),
    ],
    "topped up afterwards": [*FILLED_UP, (25, 57, ECONOMY), (1, 1, None), (50, 50, None)],
    "a second fill for a full tank": [*FILLED_UP, (15, 15, None), (1, 40, "refill_too_soon"), (50, 50, None)],
    "always the same sum": SAME_SUM,
    "always the same sum, twice a day": [*SAME_SUM, (1, 20, None)],
    "a reading far too high": [*FILLED_UP, (48, 48, None, 450), (45, 45, None), (50, 50, None)],
    "a reading too high": [*FILLED_UP, (48, 48, None, 200), (45, 45, None), (50, 50, None)],
    "another odometer, and topped up afterwards": [
        *FILLED_UP, (40, 35, "odometer_rollback", -57_000), (1, 5, "odometer_rollback", -57_000),
        *[(40, 40, None, -57_000)] * 4,
    ],
    "loaded on a trip in three": [
        *FILLED_UP, *[(25, 57, ECONOMY), (50, 50, None), (50, 50, None)] * 3, (25, 57, None), (50, 50, None),
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Fleet:
    """A built database, the dbt that built it, and what was put into it."""

    database: Database
    dbt: Dbt
    fills: list[Fill]
    mess: dict[str, list[Fill]]

    def findings(self) -> set[tuple[str, str]]:
        """All that the rules say, as (id, rule)."""
        return {(id_, rule) for id_, rule in self.database.query(FINDINGS)}


def told(name: str) -> list[Fill]:
    """The fills of a story, three days apart; one that needed only a litre follows after five hours."""
    at, km, fills = SINCE + timedelta(hours=8), 50_000, []
    for number, (burnt, litres, rule, *too_high) in enumerate(STORIES[name]):
        at += timedelta(hours=5 if burnt == 1 else 72)
        km += burnt * 10
        typed = km + sum(too_high)
        fills.append(Fill(f"{name} {number}", name, at, "diesel", litres, None, typed, "Sales", rule))
    return fills


@pytest.fixture(scope="module")
def fleet(pg_server: servers.Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fresh_database(pg_server) as database:
        servers.empty_landing(pg_server, database.name)
        dbt = Dbt(ROOT, database, tmp_path_factory.mktemp("target"))
        dbt("build", "--select", "+v_fuel_anomalies", "--exclude-resource-type", "test", "unit_test")
        vehicles, fills = fleet_fills(11, 60, SINCE, UNTIL)
        mess = honest_mess(11, 15, SINCE, UNTIL)
        with database.connect(autocommit=True) as conn:
            insert_all(conn, vehicles, fills, mess)
            insert_fills(conn, [fill for name in STORIES for fill in told(name)])
        dbt("run", "--select", "tracker_devices", "fill_intervals")
        yield Fleet(database, dbt, fills, mess)


def test_planted_anomalies_are_found_and_honest_fills_left_alone(fleet: Fleet) -> None:
    scores, per_honest_fill = score(fleet.fills, fleet.findings())
    assert {rule: s.recall for rule, s in scores.items() if s.recall < RECALL} == {}
    assert {rule: s.precision for rule, s in scores.items() if s.precision < PRECISION} == {}
    assert per_honest_fill <= 0.01


def test_faults_of_drivers_and_vehicles_are_not_held_against_honest_fills(fleet: Fleet) -> None:
    per_100 = noise(fleet.mess, fleet.findings())
    assert {fault: n for fault, n in per_100.items() if n > LOUDER.get(fault, 1)} == {}


@pytest.mark.parametrize("name", STORIES)
def test_only_what_the_tank_had_no_room_for_is_found(fleet: Fleet, name: str) -> None:
    findings = fleet.database.query(
        "select id, rule from reporting.v_fuel_anomalies where plate = %s and rule <> 'plate_unknown'", [name]
    )
    assert set(findings) == {(fill.id, fill.plant) for fill in told(name) if fill.plant}


def test_a_finding_says_how_often_the_vehicle_was_as_low(fleet: Fleet) -> None:
    explanations = fleet.database.query(
        "select explanation from reporting.v_fuel_anomalies"
        " where plate = 'loaded on a trip in three' and rule = %s order by filled_at", [ECONOMY]
    )  # fmt: skip
    first, second, third = (text.partition("intervals)")[2] for (text,) in explanations)
    assert first == "."
    assert second == ", but was as low at 1 of the 18 fills before."
    assert third == ", but was as low at 2 of the 21 fills before."


def test_every_finding_explains_itself_and_has_a_plausible_sum(fleet: Fleet) -> None:
    incomplete = fleet.database.query(
        "select id, rule, observed, expected, explanation, kes_at_risk from reporting.v_fuel_anomalies"
        " where num_nulls(severity, plate, department, filled_at, observed, expected, explanation) > 0"
        " or explanation !~ '^[A-Z0-9].*[.]$' or explanation like '%%  %%' or kes_at_risk < 0"
    )
    assert incomplete == []


def test_rules_without_a_basis_are_silent(fleet: Fleet) -> None:
    with fleet.database.connect() as conn:
        conn.execute("delete from fuel.tracker_devices")
        conn.execute("delete from fuel.fuel_price_caps")
        conn.execute("update fuel.anomaly_thresholds set value = 1000000 where threshold like 'min%'")
        rules = {
            rule
            for (rule,) in conn.execute("select distinct rule from reporting.v_fuel_anomalies").fetchall()
        }
        conn.rollback()
    assert rules == {
        "duplicate_submission",
        "odometer_rollback",
        "implausible_distance",
        "implausible_time",
        "negative_quantity",
    }


def test_without_a_cap_prices_are_compared_with_the_fleet_of_that_week(fleet: Fleet) -> None:
    with fleet.database.connect() as conn:
        conn.execute("delete from fuel.fuel_price_caps")
        found = {
            id_
            for id_, explanation in conn.execute(
                "select id, explanation from reporting.v_fuel_anomalies where rule = 'price_out_of_band'"
            ).fetchall()
            if "the fleet's median of that week" in explanation
        }
        conn.rollback()
    # In the week in which the price changes its median is that of neither price.
    changes = {(fuel, day.isocalendar()[:2]) for fuel, prices in price_caps().items() for day, _ in prices}
    in_one_price = {
        fill.id
        for fill in fleet.fills
        if (fill.fuel_type, fill.filled_at.astimezone(NAIROBI).isocalendar()[:2]) not in changes
    }
    planted = {fill.id for fill in fleet.fills if fill.plant == "price_out_of_band"} & in_one_price
    found &= in_one_price
    assert len(found & planted) >= 0.8 * len(planted)
    assert len(found - planted) <= 0.1 * len(found)


def test_the_median_price_of_a_week_is_worked_out_once(fleet: Fleet) -> None:
    plan = fleet.database.query("explain select * from reporting.v_fuel_anomalies")
    assert any("Cache Key" in line and "filled_week" in line for (line,) in plan)


@pytest.mark.parametrize("switch", ["off", "gone"])
def test_a_rule_switched_off_is_silent(fleet: Fleet, switch: str) -> None:
    with fleet.database.connect() as conn:
        all_rules = conn.execute(
            "select rule, count(*) from reporting.v_fuel_anomalies group by rule"
        ).fetchall()
        if switch == "off":
            conn.execute("update fuel.anomaly_rules set enabled = false where rule = 'fuel_type_unusual'")
        else:
            conn.execute("delete from fuel.anomaly_rules where rule = 'fuel_type_unusual'")
        rest = conn.execute("select rule, count(*) from reporting.v_fuel_anomalies group by rule").fetchall()
        conn.rollback()
    assert dict(rest).keys() == dict(all_rules).keys() - {"fuel_type_unusual"}


# Last, for it takes the place of what the others look at.
def test_planted_anomalies_of_the_demo_are_found(fleet: Fleet) -> None:
    """A feed of another kind: what is bought is what was driven, and no tank is ever known to be full."""
    fills, plates = demo_fills(20_000, 160, 3)
    with fleet.database.connect(autocommit=True) as conn:
        conn.execute("truncate fuel.records, fuel.fill_intervals, fuel.tracker_devices, tracksolid.devices")
        insert_demo(conn, fills, plates)
    fleet.dbt("run", "--select", "tracker_devices", "fill_intervals")
    scores, per_honest_fill = score(fills, fleet.findings())
    assert {rule: s for rule, s in scores.items() if s.recall < RECALL} == {}
    assert {rule: s for rule, s in scores.items() if s.precision < PRECISION} == {}
    assert per_honest_fill <= 0.005
