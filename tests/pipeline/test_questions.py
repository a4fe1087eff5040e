"""docs/questions.md: each statement answers its question for a reader; its figures equal a plain loop's."""

from __future__ import annotations

import calendar
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from demo import servers
from demo.__main__ import put_devices, put_feed
from demo.feed import generate
from demo.fleet import NAIROBI, price_cap
from demo.questions import BUDGETS, PAGE, QUESTION, Question, cell, questions, table, with_answers
from tests.conftest import ROOT, Database, Dbt, fresh_database
from tests.overpaid import put_overpaid

QUESTIONS = questions(PAGE.read_text())
# Live fills as the build derived them; the views are not asked.
FILLS = """
select records.*, fill_intervals.exclusion_reason, cost_centre, assigned_city
from fuel.records left join fuel.fill_intervals using (id)
left join fuel.tracker_devices on records.plate = tracker_devices.plate
where deleted_at is null and absent_since is null
"""


class Asked:
    """The demo's feed, built, with budgets and one confirmed duplicate; and the reader's answers."""

    def __init__(self, database: Database, reader: str) -> None:
        self.database, self.reader = database, reader
        with database.connect() as conn:
            cursor = conn.execute(FILLS)
            names = [column.name for column in cursor.description or ()]
            self.fills = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            self.confirmed = {
                key.removeprefix("duplicate_submission:")
                for (key,) in conn.execute("select finding_key from fuel.reviewed_findings")
            }
            self.now: datetime = conn.execute("select now()").fetchone()[0]  # type: ignore[index]
        self.today = self.now.astimezone(NAIROBI).date()

    def answer(self, number: int) -> list[dict[str, Any]]:
        """The rows that a reader gets for question `number`."""
        question = QUESTIONS[number - 1]
        assert question.title.startswith(f"{number}. ")
        with self.database.connect(options=f"-c role={self.reader}") as conn:
            cursor = conn.execute(question.statement)  # type: ignore[arg-type]
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def spend(
        self, key: Callable[[dict[str, Any]], Any], wanted: Callable[[dict[str, Any]], Any]
    ) -> dict[Any, Decimal]:
        """Money paid by `key` of the `wanted` fills; a confirmed duplicate is none."""
        sums: dict[Any, Decimal] = defaultdict(Decimal)
        for fill in self.fills:
            if fill["id"] not in self.confirmed and fill["filled_at"] and wanted(fill):
                sums[key(fill)] += fill["amount_kes"] or 0
        return dict(sums)


def day(fill: dict[str, Any]) -> date:
    filled: datetime = fill["filled_at"]
    return filled.astimezone(NAIROBI).date()


@pytest.fixture(scope="module")
def asked(
    pg_server: servers.Postgres, s3_server: servers.S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asked]:
    feed = generate(2500, until=datetime.now(timezone.utc))
    with fresh_database(pg_server) as database:
        bucket, reader = database.name.replace("_", "-"), f"{database.name}_reader"
        put_feed(s3_server, feed, bucket)
        database.query(f"create role {reader} nologin")
        try:
            with database.connect(autocommit=True) as conn:
                put_devices(conn, feed.devices)
            for mode in ("--snapshot", "--changes"):
                load = [sys.executable, "-m", "loader", mode, "--apply"]
                subprocess.run(load, cwd=ROOT, env={**database.env, **s3_server.env(bucket)}, check=True)
            put_overpaid(database, 1)
            dbt = Dbt(ROOT, database, tmp_path_factory.mktemp("target"))
            dbt(
                "build",
                "--exclude-resource-type",
                "unit_test",
                "test",
                "--vars",
                f"{{reader_roles: [{reader}]}}",
            )
            database.query(f"insert into fuel.department_budgets values {BUDGETS}")
            database.query(
                "insert into fuel.reviewed_findings (finding_key, verdict) select finding_key, 'confirmed'"
                " from reporting.v_fuel_anomalies where rule = 'duplicate_submission' limit 1"
            )
            yield Asked(database, reader)
        finally:
            database.query(f"drop owned by {reader}; drop role {reader}")


@pytest.mark.parametrize("number", range(1, 15))
def test_every_question_has_an_answer(asked: Asked, number: int) -> None:
    assert asked.answer(number)


def test_spend_to_date(asked: Asked) -> None:
    first = asked.today.replace(day=1)
    before = first - timedelta(days=1)
    last = min(asked.today.day, calendar.monthrange(before.year, before.month)[1])
    so_far = asked.spend(lambda fill: fill["department"], lambda fill: first <= day(fill) <= asked.today)
    same_days = asked.spend(
        lambda fill: fill["department"],
        lambda fill: before.replace(day=1) <= day(fill) <= before.replace(day=last),
    )
    rows = asked.answer(1)
    assert {row["department"]: row["month_to_date_kes"] for row in rows if row["month_to_date_kes"]} == so_far
    assert {
        row["department"]: row["same_days_last_month_kes"] for row in rows if row["same_days_last_month_kes"]
    } == same_days
    for row in asked.answer(8):
        assert row["forecast_kes"] >= row["month_to_date_kes"]
        assert (row["budget_kes"] is None) == (f"'{row['department']}'" not in BUDGETS)


def test_paid_above_the_regulated_price(asked: Asked) -> None:
    expected: dict[Any, Decimal] = defaultdict(Decimal)
    for fill in asked.fills:
        if fill["filled_at"] and fill["filled_at"] >= asked.now - timedelta(days=90):
            fuel, litres, amount = fill["fuel_type"], fill["litres"], fill["amount_kes"]
            if fuel in ("diesel", "petrol", "kerosene") and litres and amount and litres > 0:
                above = (amount - litres * price_cap(fuel, day(fill))).quantize(
                    Decimal("0.01"), ROUND_HALF_UP
                )
                if above >= 1:
                    expected[fill["department"]] += above
    assert {row["department"]: row["overpaid_kes"] for row in asked.answer(3)} == expected


def test_drivers_nights_and_weekends(asked: Asked) -> None:
    def lately(fill: dict[str, Any]) -> bool:
        return bool(fill["filled_at"] >= asked.now - timedelta(days=30))

    by_driver = asked.spend(lambda fill: fill["driver"], lately)
    assert {row["driver"]: row["amount_kes"] or 0 for row in asked.answer(5)} == by_driver
    weekends = asked.spend(
        lambda fill: fill["department"], lambda fill: lately(fill) and day(fill).weekday() >= 5
    )
    shown = {
        row["department"]: row["weekend_kes"] for row in asked.answer(7) if row["weekend_kes"] is not None
    }
    assert shown == weekends


def test_vehicles_not_fuelled(asked: Asked) -> None:
    last: dict[str, date] = {}
    for fill in asked.fills:
        if fill["plate"] and fill["filled_at"]:
            last[fill["plate"]] = max(day(fill), last.get(fill["plate"], date.min))
    tracked = {plate for (plate,) in asked.database.query("select plate from fuel.tracker_devices")}
    expected = {plate for plate, when in last.items() if (asked.today - when).days >= 14} | tracked - set(
        last
    )
    assert {row["plate"] for row in asked.answer(6)} == expected
    assert asked.database.query("select count(*) from reporting.v_vehicles") == [(len(tracked | set(last)),)]


def test_incomplete_spend_of_last_month(asked: Asked) -> None:
    end = asked.today.replace(day=1)
    start = (end - timedelta(days=1)).replace(day=1)
    wanted = {
        "amount_kes": lambda fill: True,
        "without_department_kes": lambda fill: fill["department"] is None,
        "without_plate_kes": lambda fill: fill["plate"] is None,
        "without_fuel_kes": lambda fill: fill["fuel_type"] is None,
    }
    [row] = asked.answer(12)
    for column, condition in wanted.items():
        sums = asked.spend(lambda _: None, lambda fill, of=condition: start <= day(fill) < end and of(fill))
        assert (row[column] or 0) == sum(sums.values()), column


def test_findings_changes_and_pages(asked: Asked) -> None:
    database = asked.database
    findings = database.query(
        "select status from reporting.v_fuel_anomalies where filled_at >= now() - interval '30 days'"
    )
    assert sum(row["findings"] for row in asked.answer(9)) == [status for (status,) in findings].count("open")
    # A fill's spend now, less its spend as it was first reported.
    assert database.query(
        "select sum(kes_difference) from reporting.v_fuel_corrections"
        " where id in (select id from fuel.read_versions)"
    ) == database.query(
        "select sum(case when records.deleted_at is null then coalesce(records.amount_kes, 0) else 0 end)"
        " - sum(case when first.deleted_at is null then coalesce(first.amount_kes, 0) else 0 end)"
        " from fuel.records inner join (select distinct on (id) * from fuel.read_versions"
        " order by id, replaced_by_load_id) as first using (id)"
    )
    newest = sorted(
        ((fill["filled_at"], fill["id"]) for fill in asked.fills if fill["filled_at"]), reverse=True
    )
    assert [(row["filled_at"], row["id"]) for row in asked.answer(13)] == newest[50:100]
    changed = {row["id"] for row in asked.answer(14) if row["what"] == "new or changed"}
    assert changed == {fill["id"] for fill in asked.fills}  # all were loaded a moment ago


def test_a_confirmed_duplicate_is_no_spend_in_any_view(asked: Asked) -> None:
    [duplicate] = asked.confirmed
    assert asked.database.query("select id from reporting.v_fuel_fills where not counts_as_spend") == [
        (duplicate,)
    ]
    counting = sum(fill["amount_kes"] or 0 for fill in asked.fills if fill["id"] != duplicate)
    assert asked.database.query(
        "select sum(amount_kes), sum(fills) from reporting.v_fuel_spend_monthly"
    ) == [(counting, len(asked.fills) - 1)]  # fmt: skip


def test_the_page_takes_new_answers_in_place_of_the_old() -> None:
    page = PAGE.read_text()
    assert len(QUESTION.findall(page)) == page.count("```sql") == 14
    answers = [table(["n", "what"], [[Decimal(number), f"answer {number}"]]) for number in range(14)]
    once = with_answers(page, answers)
    assert with_answers(once, answers) == once
    assert [Question(each.title, each.statement) for each in questions(once)] == QUESTIONS
    assert all(answer in once for answer in answers)
    assert once.count("\n|") == 3 * 14
    assert cell(Decimal("1234.50")) == "1,234.50"
    assert cell(None) == ""


def test_the_statements_are_plain_sql_on_reporting() -> None:
    for question in QUESTIONS:
        assert "fuel." not in question.statement, question.title
        assert "reporting.v_" in question.statement, question.title
        assert ";" not in question.statement, question.title
