"""The table fuel.records equals what its code gives from nothing, whatever happens between builds."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Database
from tests.pipeline.warehouse import InProcess, warehouse

# Anything may stand in a field: what people type, numbers, other JSON, nothing.
CARS = [
    "KCA 542Q",
    "kca-542q",
    "KCB 111A (Isuzu)",
    "KCB111A/KCA542Q",
    "",
    None,
    7,
    {"plate": "KCA 1A"},
    ["KCA 542Q"],
    True,
]
DEPARTMENTS = [
    "Logistcs",
    "LOGISTICS",
    "sales ",
    "Sales",
    "'; drop--",
    "ops",
    "null",
    "NA",
    "é\u202e",
    "x" * 900,
    None,
    5,
    [],
]
FUELS = ["DISIEL", "diesel", "petrol", "Super'", "", None, 3.5, {"a": 1}]
NUMBERS = [
    "45.5L",
    "1,234.50",
    "KES 8,190",
    "0",
    "-3",
    "9" * 40,
    1e300,
    "1e400",
    "NaN",
    "",
    None,
    {},
    12,
    "0712 345 678",
]
TIMES = [
    "2026-11-01T07:42:00.000Z",
    "2026-02-31",
    "01/02/2026 10:00",
    1767225600,
    "infinity",
    "",
    None,
    {},
    "99999-01-01",
]
DRIVERS = ["J. Mwangi", "Otieno 0712345678", "+254 712 345 678", "", None, 712345678]
FIELDS: dict[str, list[Any]] = {
    "car": CARS, "driver": DRIVERS, "department": DEPARTMENTS, "dept": DEPARTMENTS, "fuel_type": FUELS,
    "litres": NUMBERS,
    "amount": NUMBERS, "odometer": NUMBERS, "quantity": NUMBERS, "datetime": TIMES,
    "created_at": TIMES, "updated_at": TIMES,
    "deleted_at": [None, None, None, *TIMES],
}  # fmt: skip

DIFFERENCE = """
with wanted as ({sql}), stored as (select {columns} from fuel.records)
(table wanted except all table stored) union all (table stored except all table wanted)
"""
COLUMNS = """
select string_agg(attname, ', ' order by attnum) from pg_attribute
where attrelid = 'fuel.records'::regclass and attnum > 0
"""


def test_any_sequence_of_loads_and_edits_heals(database: Database, tmp_path: Path) -> None:
    """Each build heals hundreds of histories at once: every record has its own."""
    house = warehouse(database, tmp_path)
    dice = random.Random(4)
    # Two states of the code, each parsed once; changing over is an edit of a normaliser and of the field map.
    codes = [InProcess(house.project, database, tmp_path / "now")]
    codes[0].parse()
    assert codes[0]("build", "--indirect-selection=cautious", "--select", "+records")[0]
    house.edit("dbt_project.yml", "department: [department, dept]", "department: [dept, department]")
    house.edit("macros/normalisers/read_records.sql", "'odometer_number'", "'odometer_number + 1'")
    codes.append(InProcess(house.project, database, tmp_path / "edited"))
    codes[1].parse()
    full_sql: dict[int, str] = {}
    columns = house.value(COLUMNS)

    def load() -> None:
        ids = dice.sample(range(200), dice.choice([1, 5, 60]))
        records = {str(i): {k: dice.choice(v) for k, v in FIELDS.items() if dice.random() < 0.8} for i in ids}
        house.land(records, absent=tuple(str(i) for i in dice.sample(range(200), dice.choice([0, 3]))))

    def aliases() -> None:
        for table, column, spellings, values in (
            ("department_aliases", "department", DEPARTMENTS, ["Logistics", "Sales", "Operations"]),
            ("fuel_type_aliases", "fuel_type", FUELS, ["diesel", "petrol"]),
            ("driver_aliases", "driver", DRIVERS, ["J. Mwangi", "Otieno"]),
        ):
            alias = (
                dice.choice([s for s in spellings if isinstance(s, str) and s.strip()]).strip().lower()[:200]
            )
            house.query(f"delete from fuel.{table} where lower(alias) = %s", (alias,))
            if dice.random() < 0.7:
                house.query(
                    f"insert into fuel.{table} (alias, {column}) values (%s, %s)",
                    (alias, dice.choice(values)),
                )

    events: list[Callable[[], None]] = [load, load, aliases, aliases]
    now = 0
    load()
    for step in range(24):
        for event in dice.sample(events, dice.choice([0, 1, 1, 2, 3])):
            event()
        if dice.random() < 0.15 or step == 1:
            now = 1 - now
            assert codes[now]("build", "--indirect-selection=cautious", "--select", "resource_type:function")[
                0
            ]
        compiled = (
            house.project.parent / ("edited" if now else "now") / "compiled/fleetfuel/models/fuel/records.sql"
        )
        succeeded, said = codes[now]("run", "--select", "records")
        assert succeeded, said
        sql = compiled.read_text()
        if "as present" not in sql and "load_id >" not in sql:
            full_sql[now] = sql
        if now in full_sql:
            different = house.query(DIFFERENCE.format(sql=full_sql[now], columns=columns))
            assert different == [], f"step {step}: {json.dumps(different[:3], default=str)}"
    assert set(full_sql) == {0, 1}


@pytest.mark.parametrize(
    ("model", "fingerprint"),
    [("records", "records_fingerprint"), ("fill_intervals", "fill_intervals_fingerprint")],
)
def test_the_fingerprint_covers_every_macro_of_the_model(
    database: Database, tmp_path: Path, model: str, fingerprint: str
) -> None:
    """A macro missing in the fingerprint could be edited without old rows noticing."""
    run = InProcess(ROOT, database, tmp_path / "target")
    run.parse()
    manifest = run.manifest

    def ours(names: Any) -> set[str]:
        return {name for name in names if name.startswith("macro.fleetfuel.")}

    def of_steps(node: Any) -> set[str]:
        """The macros and functions of a model, and of the ephemeral ones within its statement."""
        parents = [manifest.nodes[name] for name in node.depends_on.nodes if name in manifest.nodes]
        uses = ours(node.depends_on.macros) | {
            f"macro.fleetfuel.{name.rsplit('.', 1)[1]}"
            for name in node.depends_on.nodes
            # The functions of alias lists are not called: their macro is used.
            if name.startswith("function.") and ".canon_" not in name
        }
        return uses.union(*(of_steps(each) for each in parents if each.config.materialized == "ephemeral"))

    def with_those_it_calls(name: str) -> set[str]:
        calls = ours(manifest.macros[name].depends_on.macros)
        return calls.union(*(with_those_it_calls(each) for each in calls))

    about_which_rows = {
        "records_fingerprint",
        "fill_intervals_fingerprint",
        "staleness",
        "has_gone_back",
        "one_build_at_a_time",
        "delete_what_went_back",
        "stale_spellings_condition",
        "analyze_if_much_changed",
        "add_constraints",
        "get_incremental_upsert_sql",
    }
    used = of_steps(manifest.nodes[f"model.fleetfuel.{model}"])
    covered = with_those_it_calls(f"macro.fleetfuel.{fingerprint}")
    assert used - covered <= {f"macro.fleetfuel.{name}" for name in about_which_rows}
    assert len(used) > len(about_which_rows)


def test_a_step_that_is_edited_makes_the_fills_stale(database: Database, tmp_path: Path) -> None:
    """Fingerprints of two projects that differ in one line of one step."""
    house = warehouse(database, tmp_path)
    operation = '{% macro say_fingerprint() %}{{ print("is " ~ fill_intervals_fingerprint()) }}{% endmacro %}'
    (house.project / "macros" / "say_fingerprint.sql").write_text(operation)
    said = [house.dbt("run-operation", "say_fingerprint").stdout]
    for step in ("vehicle_fills", "month_sums"):
        house.edit(f"models/economy/{step}.sql", "order by plate", "-- As ever.\norder by plate")
        said.append(house.dbt("run-operation", "say_fingerprint").stdout)
    assert len({re.findall("is [0-9a-f]{32}", each)[0] for each in said}) == 3
