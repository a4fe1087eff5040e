"""A feed with a mass of odd texts costs little more than one of ordinary ones.

Times are compared with one another, within one run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import servers
from tests.conftest import fresh_database
from tests.pipeline.warehouse import RECORD, InProcess, Warehouse, warehouse

MODELS = ("records", "v_unmapped_values")
# The spelling of record n: letters alone, for long digits would be hidden as a phone number.
WORDS = "'Word ' || translate(md5(n::text), '0123456789', 'ghijklmnop')"
# It was two hundred times; now it is five.
MOST_TIMES_ALL_KEYS = 20
LONG_NUMBERS = ("1e130000", "1e-130000", "9" * 5000 + "e9999", "0." + "0" * 5000 + "1")


@pytest.fixture(scope="module")
def house(pg_server: servers.Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A project whose models can be run."""
    folder = tmp_path_factory.mktemp("house")
    with fresh_database(pg_server) as database:
        made = warehouse(database, folder)
        run = InProcess(made.project, database, folder / "target")
        run.parse()
        select = [f"+{model}" for model in MODELS]
        succeeded, said = run(
            "build", "--exclude-resource-type", "test", "unit_test", "--select", "alias_key", *select
        )
        assert succeeded, said
        yield made


def seconds_of_records(house: Warehouse, target: Path) -> float:
    """How long `dbt run` is busy with fuel.records."""
    done = InProcess(house.project, house.database, target).invoke("run", "--select", "records")
    assert done.success
    [result] = [each for each in done.result.results if each.node.resource_type == "model"]
    return float(result.execution_time)


def seconds_of(house: Warehouse, query: str) -> float:
    started = time.perf_counter()
    with house.database.connect(options="-c statement_timeout=60s") as conn:
        conn.execute(query.encode()).fetchall()
    return time.perf_counter() - started


def land_words(house: Warehouse, field: str, count: int) -> None:
    """One load of so many records, each with a spelling of its own."""
    house.load_id += 1
    house.query(
        "insert into fuel.records_raw (id, raw, raw_digest, load_id)"
        f" select n::text, %s::jsonb || jsonb_build_object('id', n, '{field}', {WORDS}), '', {house.load_id}"
        f" from generate_series(1, {count}) as numbers (n)",
        [json.dumps({"car": "KCA 542Q", "litres": 40, "amount": 7000})],
    )


@pytest.mark.parametrize("field", ["department", "fuel_type"])
def test_sixty_thousand_spellings(house: Warehouse, tmp_path: Path, field: str) -> None:
    """An hour with nothing to do looks each one up, and v_unmapped_values lists them all."""
    house.query("truncate fuel.records_raw, fuel.records")
    land_words(house, field, 60_000)
    seconds_of_records(house, tmp_path)
    house.query("analyze fuel.records")
    idle = seconds_of_records(house, tmp_path)
    read = seconds_of(house, "select * from reporting.v_unmapped_values")
    listed = house.query("select field, count(*) from reporting.v_unmapped_values group by field")
    assert listed == [(field, 60_000)]
    # The least that can be done with them: the key of each.
    key = seconds_of(house, f"select count(fuel.alias_key({field}_raw)) from fuel.records")
    assert idle < MOST_TIMES_ALL_KEYS * key
    assert read < MOST_TIMES_ALL_KEYS * key
    # PostgreSQL with jit on, as many packages have it, would else spend seconds on compiling.
    [(plan,)] = house.query("explain (format json) select * from reporting.v_unmapped_values")
    [(jit_above,)] = house.query("show jit_above_cost")
    assert plan[0]["Plan"]["Total Cost"] < float(jit_above)


def test_five_hundred_long_numbers(house: Warehouse, tmp_path: Path) -> None:
    seconds = {}
    for text in ("45", *LONG_NUMBERS):
        house.query("truncate fuel.records_raw, fuel.records")
        house.land({str(n): dict.fromkeys(RECORD, text) for n in range(500)})
        seconds[text[:10]] = seconds_of_records(house, tmp_path)
        assert house.value("select count(*) from fuel.records") == 500
    ordinary = seconds.pop("45")
    assert max(seconds.values()) < 5 * ordinary, (ordinary, seconds)
