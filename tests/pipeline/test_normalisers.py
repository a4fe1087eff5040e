"""The normalisers, as functions and as macros, over tables of cases and over arbitrary text."""

# Tables of look-alike characters, many to a line.
# ruff: noqa: E501, RUF001

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT, Database, Dbt, fresh_database
from tests.pipeline.typed import names, numbers, plates, times

UNITS = ("litres", "kes", "km")
NAMES = (
    "norm_plate",
    *UNITS,
    "parse_timestamp",
    "alias_key",
    "canon_fuel_type",
    "canon_department",
    "canon_driver",
)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _numbers(cases: Mapping[str, str | None]) -> dict[str, Decimal | None]:
    return {typed: Decimal(number) if number else None for typed, number in cases.items()}


CASES: dict[str, dict[str, Any]] = {
    "norm_plate": plates.PLATES,
    "litres": _numbers(numbers.LITRES),
    "kes": _numbers(numbers.KES),
    "km": _numbers(numbers.KM),
    "parse_timestamp": {typed: _moment(moment) for typed, moment in times.TIMESTAMPS.items()},
    "alias_key": names.KEYS,
    "canon_fuel_type": names.FUELS,
    "canon_department": names.DEPARTMENTS,
    "canon_driver": names.DRIVERS,
}
# The accent joins the plain i that lower-casing makes of the dotted capital one.
DOTTED = ["\u0130\u0300", "0\u0130\u0300A"]
EVERY_TEXT = sorted({typed for cases in CASES.values() for typed in cases} | set(DOTTED))


@pytest.fixture(scope="module", params=["pg_server", "pg15_server"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database on the newest and on the oldest PostgreSQL."""
    with fresh_database(request.getfixturevalue(request.param)) as db:
        yield db


@pytest.fixture(scope="module")
def macros(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection[Any]]:
    """A connection where temporary view `by_macro` applies each macro to `typed.x`, and feed_text to `typed.raw`."""
    dbt = Dbt(ROOT, database, tmp_path_factory.mktemp("target"))
    dbt("build", "--resource-type", "seed", "--resource-type", "function")
    columns = ", ".join(f"{{{{ {_macro(name)} }}}} as {name}" for name in NAMES)
    select = f"select x, {columns}, {{{{ feed_text('litres') }}}} as feed_text from typed"
    compiled = dbt("--quiet", "compile", "--inline", select).stdout
    with database.connect(autocommit=True) as conn:
        conn.execute("create temporary table typed (x text, raw jsonb)")
        conn.execute(f"create temporary view by_macro as {compiled}".encode())
        yield conn


def _macro(name: str) -> str:
    """The call of the macro that is the body of a function, on column x."""
    field = name.removeprefix("canon_")
    if name in UNITS:
        return f"parse_number('x', '{name}')"
    return f"{name}('x')" if field == name else f"canonical_value('{field}', 'x', ref('{field}_aliases'))"


def _function(name: str, argument: str = "x") -> str:
    """The call of the function."""
    return f"fuel.parse_number({argument}, '{name}')" if name in UNITS else f"fuel.{name}({argument})"


def _by_function(conn: psycopg.Connection[Any], name: str, texts: list[str]) -> dict[str, Any]:
    rows = conn.execute(f"select x, {_function(name)} from unnest(%s::text[]) as x".encode(), [texts])
    return dict(rows.fetchall())


@pytest.mark.parametrize("name", NAMES)
def test_cases(macros: psycopg.Connection[Any], name: str) -> None:
    cases = CASES[name]
    found = _by_function(macros, name, list(cases))
    assert {typed: value for typed, value in found.items() if value != cases[typed]} == {}
    assert len(found) == len(cases)
    assert macros.execute(f"select {_function(name, 'null')}".encode()).fetchone() == (None,)


def _check(conn: psycopg.Connection[Any], texts: list[str]) -> None:
    """Nothing raises, macro and function agree, plates and canonical names stay themselves, numbers fit."""
    functions = ", ".join(map(_function, NAMES))
    conn.execute("truncate typed")
    conn.execute("insert into typed (x) select unnest(%s::text[])", [texts])
    differing = conn.execute(
        f"select x from by_macro where ({', '.join(NAMES)}) is distinct from ({functions})".encode()
    ).fetchall()
    assert differing == []
    for name in ("norm_plate", "canon_fuel_type", "canon_department", "canon_driver", "alias_key"):
        unstable = conn.execute(
            f"select x, {name}, fuel.{name}({name}) from by_macro where {name} <> fuel.{name}({name}) "
            f"or ({name} is not null and fuel.{name}({name}) is null)".encode()
        ).fetchall()
        assert unstable == [], name
    conn.execute(
        "select litres::numeric(12, 3), kes::numeric(12, 3), parse_timestamp::text from by_macro"
    ).fetchall()
    strange = conn.execute(
        "select x from by_macro where norm_plate !~ '^[A-Z0-9]+$' or 'NaN' in (litres, kes, km)"
    ).fetchall()
    assert strange == []


def test_every_text_through_every_normaliser(macros: psycopg.Connection[Any]) -> None:
    _check(macros, EVERY_TEXT)


def test_long_texts(macros: psycopg.Connection[Any]) -> None:
    parts = [
        "9",
        "KCA 542Q ",
        "a",
        "(",
        "1,234 ",
        "ﷺ",
        "\u200b",
        "日",
        "2026-11-01 ",
        "[",
        "e\u0301",
        " ",
        "\n",
    ]
    _check(
        macros, [part * size for part in parts for size in (300, 100_000)] + ["KCA 542Q" + " " * 2_000_000]
    )


CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cn"])
FRAGMENTS = [
    *"KCAQOIZ0159 .,-/:+'eEkKLTZ@()=½²", "KCA", "542Q", "KMDA", "ZC 1234", "KES ", "/=", "km", "1e", "99", "2026", "-02-", "29", "T",
    "07:42", ":00.000Z", "+03:00", " pm", "Nov", "1793518920", "\u200b", "\u00a0", "\ufeff", "５", "٤", "ß", "ı", "İ", "ς", "ﷺ", "ǆ",
    "\u0345", "\u0301", "diesel", "petrol", "ict", "logist", "cs", "\n", "\t", "'", '"', "\\", "%", "$", "{", "日", "🚗",
]  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(
        st.text(CHARACTERS) | st.lists(st.sampled_from(FRAGMENTS)).map("".join), min_size=1, max_size=40
    )
)
def test_any_text(macros: psycopg.Connection[Any], texts: list[str]) -> None:
    _check(macros, texts)


def test_sessions_do_not_matter(macros: psycopg.Connection[Any], database: Database) -> None:
    moments = {
        typed: moment and Decimal(str(moment.timestamp()))
        for typed, moment in CASES["parse_timestamp"].items()
    }
    for options in (
        "-c timezone=America/New_York -c datestyle=SQL,MDY -c standard_conforming_strings=off",
        "-c timezone=Asia/Tokyo -c datestyle=German,DMY -c intervalstyle=sql_standard -c extra_float_digits=-15",
        "-c timezone=Africa/Nairobi -c datestyle=ISO,YMD -c search_path= -c bytea_output=escape",
    ):
        with database.connect(options=f"{options} -c escape_string_warning=off") as conn:
            for name, cases in {**CASES, "parse_timestamp": moments}.items():
                read = f"extract(epoch from {_function(name)})" if cases is moments else _function(name)
                rows = conn.execute(f"select x, {read} from unnest(%s::text[]) as x".encode(), [list(cases)])
                assert {typed: value for typed, value in rows if value != cases[typed]} == {}


def test_feed_text(macros: psycopg.Connection[Any]) -> None:
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"litres": "45.5L"}, "45.5L"), ({"litres": " 45 \n"}, "45"), ({"litres": 45.50}, "45.5"), ({"litres": 0}, "0"),
        ({"litres": True}, "true"), ({"litres": None, "liters": 7}, "7"), ({"litres": "", "quantity": "8"}, "8"),
        ({"litres": "\u200b\u00a0", "liters": "9"}, "9"), ({"litres": [4], "liters": {"a": 5}, "quantity": 6}, "6"),
        ({"litres": "[4]"}, "[4]"), ({"litres": "x" * 600}, "x" * 500), ({"Litres": 4}, None), ({"litres": "  "}, None),
        ({}, None), ({"litres": "日本"}, "日本"), ({"litres": "-", "liters": 3}, "-"),
        ({"litres": "\v vat \v"}, "vat"), ({"litres": "kcy-458v"}, "kcy-458v"),
    ]  # fmt: skip
    macros.execute("truncate typed")
    for number, (raw, _) in enumerate(cases):
        macros.execute("insert into typed values (%s, %s)", [str(number), json.dumps(raw)])
    found = dict(macros.execute("select x, feed_text from by_macro").fetchall())
    assert [found[str(number)] for number in range(len(cases))] == [expected for _, expected in cases]
    macros.execute("truncate typed")
    macros.execute(
        """insert into typed values ('list', '["litres"]'), ('text', '"litres"'), ('null', 'null')"""
    )
    assert macros.execute("select distinct feed_text from by_macro").fetchall() == [(None,)]


def test_field_map(macros: psycopg.Connection[Any], database: Database, tmp_path: Path) -> None:
    """One key need not be a list; a column without a key is refused by name."""
    dbt = Dbt(ROOT, database, tmp_path / "target")
    fields = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]["feed_fields"]

    def compile_with(keys: str | list[str], *, check: bool = True) -> str:
        variables = json.dumps({"feed_fields": {**fields, "litres": keys}})
        inline = "select {{ feed_text('litres') }} as litres from typed"
        return dbt("--quiet", "compile", "--inline", inline, "--vars", variables, check=check).stdout

    macros.execute("truncate typed")
    macros.execute("insert into typed (raw) values (%s)", [json.dumps({"litres": 4, "quantity": 5})])
    assert macros.execute(compile_with("quantity").encode()).fetchall() == [("5",)]
    assert "dbt_project.yml: feed_fields names no key for litres." in compile_with([], check=False)


def test_aliases_of_ones_own(macros: psycopg.Connection[Any]) -> None:
    """A fuel is itself without an alias; near misses want five letters, and to be near to one fuel only."""
    with macros.transaction(force_rollback=True):
        macros.execute("delete from fuel.fuel_type_aliases where alias in ('lpg', 'l p g')")
        macros.execute(
            "insert into fuel.fuel_type_aliases values"
            " ('moto', 'petrol'), ('brown', 'diesel'), ('crown', 'petrol'), ('green', 'diesel'), ('greed', 'diesel')"
        )
        expected = {
            "LPG": "lpg",
            "moto": "petrol",
            "motto": None,
            "brownn": "diesel",
            "rown": None,
            "greex": "diesel",
        }
        assert _by_function(macros, "canon_fuel_type", list(expected)) == expected


def test_parallel_and_volatility(macros: psycopg.Connection[Any]) -> None:
    rows = macros.execute(
        "select proname, provolatile, proparallel, pg_get_function_arguments(oid) from pg_proc "
        "where pronamespace = 'fuel'::regnamespace"
    ).fetchall()
    expected = {name: ["i", "s", "raw_value text"] for name in NAMES if name not in UNITS}
    expected |= {name: ["s", "s", "raw_value text"] for name in NAMES if name.startswith("canon")}
    expected["parse_number"] = ["i", "s", "raw_value text, unit text"]
    assert {name: rest for name, *rest in rows} == expected


def test_inlined_where_promised(macros: psycopg.Connection[Any]) -> None:
    """An inlined function is not to be seen in the plan."""
    for name, inlined in [("kes", True), ("alias_key", True), ("norm_plate", False)]:
        plan = macros.execute(f"explain (verbose) select {_function(name)} from typed".encode()).fetchall()
        assert ("fuel." not in str(plan)) == inlined


def test_another_unit_gives_null(macros: psycopg.Connection[Any]) -> None:
    call = "select fuel.parse_number('45', 'gallons'), fuel.parse_number('45', null)"
    assert macros.execute(call).fetchall() == [(None, None)]
