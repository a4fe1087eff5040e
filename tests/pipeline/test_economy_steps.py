"""The steps of fuel.fill_intervals are one statement that reads only the vehicles that changed."""

from __future__ import annotations

import ast
import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Database, Dbt
from tests.pipeline.warehouse import InProcess, warehouse

from .economy_reports import Fact
from .histories import fleet_fills
from .inserted import insert_fills
from .intervals import BUILT, START, Built, insert_facts

FOLDER = ROOT / "models" / "economy"
MODEL = "model.fleetfuel.fill_intervals"
COLUMNS = """
select attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = %s::regclass and attnum > 0
"""
WAITING = """
select count(*) from pg_locks
where not granted and database = (select oid from pg_database where datname = current_database())
"""


@pytest.fixture(scope="module")
def manifest(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Any:
    run = InProcess(ROOT, built.database, tmp_path_factory.mktemp("parsed"))
    run.parse()
    return run.manifest


@pytest.fixture(scope="module")
def steps(manifest: Any) -> dict[str, Any]:
    """The node of each step by its unique id: the ephemeral ancestors of fill_intervals."""
    found: dict[str, Any] = {}
    left = [MODEL]
    while left:
        for parent in manifest.nodes[left.pop()].depends_on.nodes:
            node = manifest.nodes.get(parent)
            if node and node.config.materialized == "ephemeral" and parent not in found:
                found[parent] = node
                left.append(parent)
    assert {node.name for node in found.values()} == {path.stem for path in FOLDER.glob("*.sql")}
    return found


def test_each_step_is_referenced_once(manifest: Any, steps: dict[str, Any]) -> None:
    """PostgreSQL would work out a step that is referenced twice for all vehicles, and keep a copy of it."""
    models = [node for node in manifest.nodes.values() if node.resource_type == "model"]
    references = Counter(ref.name for node in models for ref in node.refs)
    written = Counter(re.findall(r"\bref\('(\w+)'\)", "\n".join(node.raw_code for node in models)))
    for node in steps.values():
        assert (references[node.name], written[node.name]) == (1, 1), node.name


def test_each_window_is_of_one_vehicle_and_each_step_in_the_order_of_plates(steps: dict[str, Any]) -> None:
    for node in steps.values():
        if node.name == "plateless_fills":
            continue
        windows = re.findall(r"(?:\bover|\bas) \(\s*(partition by \w+|order by|rows|range)", node.raw_code)
        assert set(windows) <= {"partition by plate"}, node.name
        assert re.search(r"\norder by plate\b[^()]*\Z", node.raw_code), node.name


def test_a_step_has_the_columns_that_unit_tests_give(built: Built, steps: dict[str, Any]) -> None:
    """Those of macro step_columns and of the yml files, with these types."""
    built.dbt("compile", "--select", "economy")
    given = _step_columns()
    assert next(iter(given)) == "vehicle_fills"
    assert {node.name for node in steps.values()} == {*given, "plateless_fills"}
    known: dict[str, str] = {}
    compiled = built.dbt.target / "compiled" / "fleetfuel" / "models" / "economy"
    with built.database.connect() as conn:
        for name, adds in given.items():
            node = steps[f"model.fleetfuel.{name}"]
            assert list(node.columns) == list(adds), name
            conn.execute(f"create temp table {name} as {(compiled / f'{name}.sql').read_text()}")  # type: ignore[arg-type]
            real = {
                column: re.sub(r"timestamp with time zone", "timestamptz", data_type.replace(",", ", "))
                for column, data_type in conn.execute(COLUMNS, (name,)).fetchall()
            }
            known |= adds
            assert real.items() <= known.items(), name
            assert adds.keys() <= real.keys(), name


def _step_columns() -> dict[str, dict[str, str]]:
    text = (ROOT / "macros" / "economy" / "step_columns.sql").read_text()
    body = re.search(r"return\((\{.*\})\)", text, re.DOTALL)
    assert body
    return ast.literal_eval(body[1])  # type: ignore[no-any-return]


def test_a_build_reads_the_vehicles_that_changed_by_the_index(built: Built) -> None:
    """And gives their fills and the new ones without a plate, nothing else."""
    _, fills = fleet_fills(7, 12, START.replace(month=1), START.replace(month=6))
    of_vehicle = {fill.id for fill in fills if fill.plate == fills[0].plate}
    with built.database.connect(autocommit=True) as conn:
        insert_fills(conn, fills)
        insert_facts(conn, [Fact("plateless", None, START, 20, 3600, None)])
        built.dbt("run", "--select", BUILT)
        insert_facts(conn, [Fact("new", fills[0].plate, START, 20, 3600, None)])
        insert_facts(conn, [Fact("new, plateless", None, START, 20, 3600, None)])
        conn.execute("update fuel.records set load_id = 9 where id like 'new%'")
        built.dbt("compile", "--select", BUILT)
        compiled = built.dbt.target / "compiled" / "fleetfuel" / "models" / "fuel" / "fill_intervals.sql"
        statement: Any = compiled.read_text()
        # Even a planner that would rather use an index finds no way to once the condition is lost on the way.
        conn.execute("set enable_seqscan = off")
        plan = "\n".join(row for (row,) in conn.execute("explain " + statement).fetchall())
        given = {id_ for id_, *_ in conn.execute(statement).fetchall()}
    assert re.search(r"Index Cond: .*plate = ANY", plan), plan
    assert not re.search(r"Filter: .*plate = ANY", plan), plan
    assert given == of_vehicle | {"new", "new, plateless"}


def test_no_update_is_lost_between_two_builds(database: Database, tmp_path: Path) -> None:
    """A build that waits for another one works out what has changed by then, not what had when it began.

    Its rows carry the newest load: what it left out would never be worked out again.
    """
    house = warehouse(database, tmp_path)
    # Where a build stands still while somebody holds this lock: compiled, but before its statement.
    stand_still = "pre_hook=['select pg_catalog.pg_advisory_xact_lock(42)', "
    house.edit("models/fuel/fill_intervals.sql", "pre_hook=[", stand_still)
    house.land({"1": {"car": "KCA 111A"}, "2": {"car": "KCB 222B"}})
    house.build("--indirect-selection=cautious", "--select", "+fill_intervals")
    house.land({"1": {"car": "KCA 111A", "litres": "9"}})
    house.dbt("run", "--select", "records")
    with database.connect() as conn:
        conn.execute("select pg_advisory_xact_lock(42)")
        build = house.dbt.start("run", "--select", "fill_intervals")
        while build.poll() is None and not house.value(WAITING):
            time.sleep(0.05)
        assert build.poll() is None, build.communicate()
        house.land({"1": {"car": "KCA 111A", "litres": "10"}, "2": {"car": "KCB 222B", "litres": "11"}})
        Dbt(house.project, database, tmp_path / "other_target")("run", "--select", "records")
    said = build.communicate(timeout=300)
    assert build.returncode == 0, said
    house.dbt("run", "--select", "fill_intervals")
    litres = house.query("select id, litres from fuel.fill_intervals order by id")
    assert litres == [("1", 10), ("2", 11)]


@pytest.mark.parametrize("left", [{"max_km_per_day": 1500}, {}, None, 1500])
def test_a_setting_that_is_missing_is_named(database: Database, tmp_path: Path, left: Any) -> None:
    """`--vars` puts a dictionary in place of the whole one."""
    dbt = Dbt(ROOT, database, tmp_path / "target")
    said = dbt("parse", "--vars", json.dumps({"economy": left}), check=False).stdout
    assert re.search(r"vars: economy has no (?!max_km_per_day)[a-z_]+\. .* dbt_project\.yml\.\n", said)
