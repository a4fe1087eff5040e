"""A wrong CSV is refused with a message an analyst understands."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import yaml

from demo import servers
from tests.conftest import Database, Dbt, copy_project, fresh_database
from tests.pipeline.seed_project import DEPARTMENTS, TYPED, TYPED_HEADER, seed_config

# An edit of the file -> what the build must say (each also names the file).
WRONG_DEPARTMENTS = {
    "contradiction": (
        DEPARTMENTS + "Logis-tics,Sales\nLOGIS  TICS.,Logistics\n",
        "line 6: LOGIS  TICS. -> Logistics contradicts line 5: Logis-tics -> Sales",
    ),
    "empty cell": (DEPARTMENTS + "yard,\n", "line 5: department is empty"),
    "blank cell": (DEPARTMENTS + '"  ",Sales\n', "line 5: alias is empty"),
    "null cell": (DEPARTMENTS + "null,Sales\n", "line 5: alias is empty"),
    "blank lines alone": ("alias,department\n\n , \n", "line 2: the file has no line below its header"),
    "below a blank line": ("alias,department\n\nyard,\n", "line 3: department is empty"),
    "one semicolon": (
        DEPARTMENTS + "yard;Sales\n",
        "line 5: department is empty: a comma belongs where the semicolon is",
    ),
    "one cell": (DEPARTMENTS + "yard\n", "line 5: department is empty"),
    "unknown department": (
        DEPARTMENTS + "yard,Yards\n",
        "line 5: 'Yards' is not in the list of values for department. "
        "If it is a new one, add the line Yards,Yards",
    ),
    "chain": (
        DEPARTMENTS + "yard,logistcs\n",
        "line 5: department 'logistcs' stands on line 3 as a spelling of 'Logistics': write 'Logistics' here",
    ),
    "other case": (
        DEPARTMENTS + "yard,LOGISTICS\n",
        "line 5: department 'LOGISTICS' stands on line 2 as a spelling of 'Logistics': write 'Logistics'",
    ),
    "punctuation only": (DEPARTMENTS + "?!,Sales\n", "line 5: '?!' holds no letter or digit"),
    "open quote": (
        'alias,department\nsales,Sales\n"yard,Sales\nlogistics,Logistics\n',
        'line 3: a quotation mark (") is opened here and not closed on the same line',
    ),
    "lone quote": (DEPARTMENTS + 'ya"rd,Sales\n', 'line 5: alias holds a lone quotation mark (")'),
    "semicolons": (
        DEPARTMENTS.replace(",", ";"),
        "line 1: the cells are separated by semicolons, not by commas. Save it from Excel as",
    ),
    "semicolons and BOM": (
        "\ufeff" + DEPARTMENTS.replace(",", ";").replace("\n", "\r\n"),
        "line 1: the cells are separated by semicolons",
    ),
    "tabs": (DEPARTMENTS.replace(",", "\t"), "line 1: the cells are separated by tabs"),
    "header": (
        DEPARTMENTS.replace("alias", "spelling", 1),
        "line 1: the header must be alias,department but is spelling,department",
    ),
    "blanks in the header": (
        DEPARTMENTS.replace("alias,department", " alias, department", 1),
        "line 1: the header must be alias,department but is  alias, department, with blanks around a name",
    ),
    "no header": (
        "logistics,Logistics\nsales,Sales\n",
        "line 1: the header must be alias,department but is logistics,Logistics",
    ),
    "third column": (
        DEPARTMENTS.replace("department", "department,note", 1),
        "line 1: the header must be alias,department but is alias,department,note",
    ),
    "many": (
        DEPARTMENTS + "".join(f"yard {n},\n" for n in range(25)),
        "line 24: department is empty; and 5 more",
    ),
    "empty file": ("", "line 1: the file is empty"),
    "only a header": ("alias,department\n", "line 2: the file has no line below its header"),
    # A case that dbt's own reader refuses before the checks see it: it counts from 0 below the header.
    "too many cells": (
        DEPARTMENTS + "spares, tools,Sales\n",
        "Row 3 has 3 values, but Table only has 2 columns",
    ),
}
WRONG_FUELS = {
    "unknown fuel": (
        "alias,fuel_type\ndiesel,diesel\nD,disel\n",
        "line 3: fuel_type 'disel' must be one of diesel, petrol, kerosene, lpg, electric, not_fuel",
    ),
}
WRONG_TYPED = {
    "number": (TYPED_HEADER + 'a,2026-01-01,"1,5",1,true\n', "line 2: limit '1,5' must be a number"),
    "integer": (TYPED_HEADER + "a,2026-01-01,1.5,1.5,true\n", "line 2: days '1.5' must be a whole number"),
    "date": (TYPED_HEADER + "a,01/02/2026,1,,true\n", "line 2: valid_from '01/02/2026' must be a date"),
    "unfinished number": (TYPED_HEADER + "a,2026-01-01,1.,,true\n", "line 2: limit '1.' must be a number"),
    "month": (TYPED_HEADER + "a,2026-13-01,1,,true\n", "line 2: valid_from '2026-13-01' must be a date"),
    **{
        name: (TYPED_HEADER + f"a,{day},1,,true\n", f"line 2: valid_from '{day}' must be a date")
        for name, day in (
            ("30 february", "2026-02-30"), ("29 february", "2026-02-29"), ("31 november", "2026-11-31"),
        )
    },
    "needed": (TYPED_HEADER + "speed,2026-01-01,1,,true\n", "line 2: days is empty, and speed needs it"),
    "too low": (
        TYPED_HEADER + "a,2024-02-29,1,,true\nspeed,2026-01-01,1,0,true\n",
        "line 3: days '0' must be from 1 to 30 for speed",
    ),
    "too high": (
        TYPED_HEADER + "speed,2026-01-01,1,31,true\n",
        "line 2: days '31' must be from 1 to 30 for speed",
    ),
    "boolean": (TYPED_HEADER + "a,2026-01-01,1,,ja\n", "line 2: on 'ja' must be true or false"),
    "missing": (TYPED_HEADER + "a,2026-01-01,,,true\n", "line 2: limit is empty"),
    "same key": (
        TYPED_HEADER + "a,2026-01-01,1,,true\na,2026-01-02,1,,true\nA,2026-01-02,2,,true\n",
        "line 4: A, 2026-01-02 -> 2.00, t contradicts line 3: a, 2026-01-02 -> 1.00, t",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def server_database(pg_server: servers.Postgres) -> Iterator[Database]:
    with fresh_database(pg_server) as db:
        yield db


@pytest.fixture(scope="module")
def refusals(server_database: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every wrong file as a seed under the real seed's config; one `dbt seed`; its message by seed."""
    folder = tmp_path_factory.mktemp("refusals")
    project = copy_project(folder / "project")
    declared = []
    for kind, config, cases in (
        ("department", seed_config("department_aliases"), WRONG_DEPARTMENTS),
        ("fuel", seed_config("fuel_type_aliases"), WRONG_FUELS),
        ("typed", TYPED, WRONG_TYPED),
    ):
        for case, (content, _) in cases.items():
            name = f"wrong_{kind}_{case}".replace(" ", "_")
            (project / "seeds" / f"{name}.csv").write_bytes(content.encode())
            declared.append({"name": name, "config": config})
    (project / "seeds" / "wrong.yml").write_text(yaml.safe_dump({"seeds": declared}))
    done = Dbt(project, server_database, folder / "target")("seed", "--select", "wrong_*", check=False)
    assert done.returncode == 1
    found = re.split(r"(?:Compilation|Database) Error in seed (\w+)", done.stdout)
    messages: dict[str, str] = dict(zip(found[1::2], found[2::2], strict=True))
    return messages


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        pytest.param(f"wrong_{kind}_{case}".replace(" ", "_"), message, id=f"{kind}: {case}")
        for kind, cases in (("department", WRONG_DEPARTMENTS), ("fuel", WRONG_FUELS), ("typed", WRONG_TYPED))
        for case, (_, message) in cases.items()
    ],
)
def test_a_wrong_file_is_refused_in_words(
    refusals: dict[str, str], server_database: Database, seed: str, message: str
) -> None:
    assert f"seeds/{seed}.csv" in refusals[seed]
    assert message in refusals[seed]
    assert server_database.query("select to_regclass(%s)", [f"fuel.{seed}"]) == [(None,)]
