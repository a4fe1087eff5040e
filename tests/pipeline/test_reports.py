"""One messy feed, built once: unmapped values, monthly spend, typed quality, and what must not be shown."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from demo import servers
from tests.conftest import Database, Dbt, copy_project, fresh_database
from tests.pipeline.landing import land
from tests.pipeline.messy_feed import A_WHOLE_PAGE, MESSAGE, PHONES, messy_feed

DEPARTMENTS = "alias,department\nsales,Sales\nlogistics,Logistics\nlogistcs,Logistics\n"


@dataclass(frozen=True)
class Built:
    dbt: Dbt
    db: Database
    output: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def built(pg_server: servers.Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("reports")
    with fresh_database(pg_server) as db:
        servers.empty_landing(pg_server, db.name)
        db.query("insert into tracksolid.devices values ('1', 'KCA 101Q', 'CC1', 'Nairobi', true, now())")
        land(db, [{"id": 2006, "litres": "many"}])
        db.query("update fuel.records_raw set loaded_at = now() - interval '25 hours'")
        land(db, messy_feed())
        db.query("update fuel.records_raw set absent_since = now() where id = '2005'")
        dbt = Dbt(copy_project(folder / "project"), db, folder / "target")
        (dbt.project / "seeds" / "department_aliases.csv").write_text(DEPARTMENTS)
        yield Built(dbt, db, dbt.build())


def test_monthly_spend_adds_up_to_the_fills(built: Built) -> None:
    [(fills, litres, amount)] = built.db.query(
        "select count(*), sum(litres), sum(amount_kes) from reporting.v_fuel_fills where counts_as_spend"
    )
    assert built.db.query(
        "select sum(fills), sum(litres), sum(amount_kes) from reporting.v_fuel_spend_monthly"
    ) == [(fills, litres, amount)]
    # The same again by a plain loop over the fills.
    expected: dict[Any, list[Any]] = {}
    for month, department, centre, city, fuel, plate, amount_kes in built.db.query(
        "select date_trunc('month', filled_at at time zone 'Africa/Nairobi')::date, department, cost_centre,"
        " assigned_city, fuel_type, plate, amount_kes from reporting.v_fuel_fills"
    ):
        row = expected.setdefault((month, department, centre, city, fuel), [0, set(), Decimal(0)])
        row[0] += 1
        row[1] |= {plate} - {None}
        row[2] += amount_kes or 0
    shown = built.db.query(
        "select month, department, cost_centre, assigned_city, fuel_type, fills, vehicles, amount_kes"
        " from reporting.v_fuel_spend_monthly"
    )
    assert {row[:5]: row[5:] for row in shown} == {
        key: (fills, len(plates), amount) for key, (fills, plates, amount) in expected.items()
    }
    assert len(shown) == len(expected) > 20


def test_monthly_economy_is_a_ratio_of_sums(built: Built) -> None:
    # Summed over a month, whatever the other columns: km and the litres burnt on them.
    [(km, weighted)] = built.db.query(
        "select sum(km), sum(km / km_per_litre) from reporting.v_fuel_spend_monthly where km > 0"
    )
    [(expected_km, expected_litres)] = built.db.query(
        "select sum(distance_km), sum(interval_litres) from reporting.v_fuel_efficiency where is_valid"
    )
    assert km == expected_km > 0
    assert abs(weighted - expected_litres) < expected_litres / 100


# The columns of version 0.1. It takes newer ones away, and cannot where another view reads them.
COLUMNS_OF_0_1 = {
    "v_fuel_anomalies": "id rule severity plate department filled_at observed expected kes_at_risk"
    " explanation",
    "v_fuel_efficiency": "id plate filled_at department cost_centre fuel_type litres amount_kes odometer_km"
    " previous_odometer_km distance_km days_since_previous interval_litres interval_amount_kes km_per_litre"
    " litres_per_100km kes_per_km rolling_km_per_litre rolling_intervals is_valid exclusion_reason",
    "v_fuel_fills": "id plate car driver department department_raw fuel_type fuel_type_raw litres amount_kes"
    " price_per_litre_kes odometer_km filled_at cost_centre assigned_city imei",
}


def test_the_version_before_can_take_its_views_back(built: Built) -> None:
    read = built.db.query(
        """
        select reader.relname, view.relname, attribute.attname
        from pg_depend
        join pg_rewrite on pg_depend.objid = pg_rewrite.oid
        join pg_class as reader on pg_rewrite.ev_class = reader.oid
        join pg_class as view on pg_depend.refobjid = view.oid and view.relkind = 'v'
        join pg_attribute as attribute on view.oid = attribute.attrelid and refobjsubid = attribute.attnum
        where view.relnamespace = 'reporting'::regnamespace and view.oid <> reader.oid
        """
    )
    assert ("v_reviewed_findings", "v_fuel_anomalies", "rule") in read
    assert [row for row in read if row[2] not in COLUMNS_OF_0_1.get(row[1], "").split()] == []


def test_unreadable_values_warn(built: Built) -> None:
    """The test looks at live fills that the last day brought, not at 2006; the view at all live ones."""
    assert built.output.returncode == 0
    found = built.db.query(
        "select id, field, typed, reason from reporting.v_unreadable_values where id > '2000' order by 1, 2"
    )
    assert ("2001", "amount_kes", "free", "it is no amount of money") in found
    assert ("2002", "litres", "many", "it is no number of litres") in found
    assert ("2002", "plate", None, "nothing was typed") in found
    assert ("2006", "litres", "many", "it is no number of litres") in found
    assert {row[0] for row in found} == {"2001", "2002", "2006"}
    assert re.search(r"WARN \d+ unreadable_values", built.output.stdout)
    assert built.db.query("select warned, status from fuel.builds") == [(1, "success")]


def test_spellings_longer_than_an_index_holds_are_cut(built: Built) -> None:
    assert built.db.query("select department_raw, fuel_type_raw from fuel.records where id = '2003'") == [
        (A_WHOLE_PAGE[:200], A_WHOLE_PAGE[::-1][:200])
    ]


def test_no_message_or_phone_number_in_reporting(built: Built) -> None:
    columns = built.db.query(
        "select attrelid::regclass::text, attname from pg_attribute where attnum > 0 and attrelid in"
        " (select oid from pg_class where relnamespace = 'reporting'::regnamespace and relkind in ('v', 'm'))"
    )
    views = {view for view, _ in columns}
    assert {"reporting.v_fuel_fills", "reporting.v_unmapped_values", "reporting.v_fuel_efficiency"} <= views
    secrets = [MESSAGE.replace(" ", ""), *("".join(filter(str.isdigit, phone))[-8:] for phone in PHONES)]
    for view, column in columns:
        # Blanks and punctuation taken out, so that a number spaced otherwise is found too.
        found = built.db.query(
            f'select "{column}" from {view}'
            f""" where regexp_replace("{column}"::text, '[^[:alnum:]]', '', 'g') ~ any(%s)""",
            [secrets],
        )
        assert not found, f"{view}.{column}"
    # The same scan does find them where they are: in the landing table.
    assert built.db.query(
        "select count(*) from fuel.records_raw"
        " where regexp_replace(raw::text, '[^[:alnum:]]', '', 'g') ~ any(%s)",
        [secrets],
    ) == [(204,)]


@pytest.mark.parametrize("view", ["v_fuel_fills", "v_fuel_efficiency"])
def test_one_vehicles_last_days_are_read_through_an_index(built: Built, view: str) -> None:
    with built.db.connect() as conn:
        conn.execute("set local enable_seqscan = off")  # with so few rows it would be the better plan
        plan = conn.execute(
            f"explain select * from reporting.{view}"
            " where plate = 'KCA101Q' and filled_at >= timestamptz '2026-02-01'"
        ).fetchall()
    lines = [line for (line,) in plan]
    # Lists that people keep are short.
    scanned = [line for line in lines if "Seq Scan" in line]
    assert not [line for line in scanned if "fuel_price_caps" not in line and "reviewed" not in line]
    assert [line for line in lines if "Index Cond" in line and "plate" in line and "filled_at" in line], lines


@pytest.mark.parametrize("view", ["v_fuel_fills", "v_fuel_efficiency"])
def test_the_newest_fills_are_not_sorted_out_of_all(built: Built, view: str) -> None:
    with built.db.connect() as conn:
        # With so few rows to read and to sort all of them is the better plan.
        conn.execute("set local enable_seqscan = off; set local enable_hashjoin = off")
        query = f"select * from reporting.{view} order by filled_at desc limit 5"
        plan = [line for (line,) in conn.execute(f"explain {query}").fetchall()]
    assert [line for line in plan if "Index Scan Backward" in line], plan
    assert not [line for line in plan if "Sort Key" in line and "filled_at" in line], plan


@pytest.mark.parametrize(
    ("column", "comparison", "order"),
    [("filled_at", "<", "filled_at desc nulls last, id desc"), ("loaded_at", ">", "loaded_at, id")],
)
def test_pages_are_read_through_an_index(built: Built, column: str, comparison: str, order: str) -> None:
    page = f"select id, {column} from reporting.v_fuel_fills where {{}} order by {order} limit 7"
    next_page = page.format(f"({column}, id) {comparison} (%s, %s)")
    with built.db.connect() as conn:
        conn.execute("set local enable_seqscan = off; set local enable_hashjoin = off")
        last = conn.execute(page.format("true")).fetchall()[-1]
        plan = [line for (line,) in conn.execute(f"explain {next_page}", last[::-1]).fetchall()]
        assert [line for line in plan if f"Index Cond: (ROW({column}, id) {comparison} ROW(" in line], plan
        assert not [line for line in plan if "Sort Key" in line and column in line], plan
        # One page after the other they are all, but for those without a time.
        seen = conn.execute(page.format("true")).fetchall()
        while following := conn.execute(next_page, seen[-1][::-1]).fetchall():
            seen += following
    assert seen == built.db.query(
        f"select id, {column} from reporting.v_fuel_fills where {column} is not null order by {order}"
    )
    assert len(seen) > 100


def test_one_vehicles_findings_look_the_tracker_up_by_its_plate(built: Built) -> None:
    with built.db.connect() as conn:
        conn.execute("set local enable_seqscan = off")
        plan = conn.execute(
            "explain select * from reporting.v_fuel_anomalies where plate = 'KCA101Q'"
        ).fetchall()
    assert [line for (line,) in plan if "using tracker_devices_pkey" in line], plan


def test_one_departments_months_alone_are_summed_up(built: Built) -> None:
    query = "select * from reporting.v_fuel_spend_monthly where department = 'Sales'"
    plan = [line for (line,) in built.db.query(f"explain {query}")]
    [condition] = [number for number, line in enumerate(plan) if "'Sales'" in line]
    node = next(line for line in reversed(plan[:condition]) if "cost=" in line)
    assert " on " in node, plan  # of a step, not of the sums


def test_pipeline_health_reads_history_through_indexes_only(built: Built) -> None:
    with built.db.connect() as conn:
        conn.execute("set local enable_seqscan = off")
        plan = conn.execute("explain select * from reporting.v_pipeline_health").fetchall()
    for table in ("records", "records_raw", "fill_intervals"):
        assert not [line for (line,) in plan if f"Seq Scan on {table} " in line], plan


def test_a_rule_switched_off_in_the_csv_is_silent_after_the_next_build(built: Built) -> None:
    count = "select rule, count(*) from reporting.v_fuel_anomalies group by rule"
    before = dict(built.db.query(count))
    assert before.keys() > {"plate_unknown"}
    path = built.dbt.project / "seeds" / "anomaly_rules.csv"
    rules = path.read_text()
    for switch in ("false", "true"):
        path.write_text(rules.replace("plate_unknown,true", f"plate_unknown,{switch}"))
        built.dbt.build()
        silent = {"plate_unknown"} if switch == "false" else set()
        assert dict(built.db.query(count)) == {
            rule: fills for rule, fills in before.items() if rule not in silent
        }


def test_pasting_the_lines_heals_history(built: Built) -> None:
    db, dbt = built.db, built.dbt
    waiting = db.query(
        "select field, spelling, occurrences, amount_kes, suggested_value, csv_line"
        " from reporting.v_unmapped_values"
    )
    by_spelling = {(field, spelling): rest for field, spelling, *rest in waiting}
    amounts = [row[3] for row in waiting]
    assert amounts == sorted(amounts, reverse=True)
    occurrences, amount, suggested, line = by_spelling["department", "Slaes"]
    assert (suggested, line) == ("Sales", "slaes,Sales")
    assert db.query(
        "select count(*), sum(amount_kes) from reporting.v_fuel_fills"
        " where lower(department_raw) in ('slaes', 'slaes!')"
    ) == [(occurrences, amount)]
    assert by_spelling["department", "?!"][3] is None
    before = dict(db.query("select id, xmin::text from fuel.records"))
    concerned = {
        row[0]
        for row in db.query(
            "select id from fuel.records where (department_raw is not null and department_raw <> '?!'"
            " and lower(department_raw) <> 'sales') or (fuel_type_raw is not null and fuel_type is null)"
            " or driver <> 'Other'"
        )
    }

    # Where nothing is alike the value is blank: the analyst fills it in.
    for field, blank in (("department", "Other"), ("fuel_type", "kerosene"), ("driver", "Other")):
        path = dbt.project / "seeds" / f"{field}_aliases.csv"
        lines = [row[5] for row in waiting if row[0] == field and row[5]]
        lines = [line + blank if line.endswith(",") else line for line in lines]
        assert all(len(row) == 2 for row in csv.reader(io.StringIO("\n".join(lines))))
        own = ["other,Other"] if blank == "Other" else []
        path.write_text(path.read_text().rstrip("\n") + "\n" + "\n".join(lines + own) + "\n")
    dbt.build()

    assert db.query("select field, spelling from reporting.v_unmapped_values") == [("department", "?!")]
    assert db.query(
        "select distinct department from reporting.v_fuel_fills"
        " where lower(department_raw) in ('slaes', 'slaes!')"
    ) == [("Sales",)]
    after = dict(db.query("select id, xmin::text from fuel.records"))
    changed = {id for id in after if after[id] != before[id]}
    assert changed
    assert changed <= concerned
