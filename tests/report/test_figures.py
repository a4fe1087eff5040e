"""Every figure of the page equals a query on `reporting`, asked as the reader and in other words."""

from __future__ import annotations

import html
import re
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from report import words
from tests.report.conftest import HOSTILE, Report, marks, tables

SPEND = "Spend by department this month so far"
MONTHS = "Spend by month and department"
RULES = "Open findings of 90 days by rule"
FIRST = "The ten to look at first"
VEHICLES = "Each vehicle against its own usual"
PRICES = "Price paid by week and fuel"
OVERPAID = "Paid above the maximum in 30 days, by department"
READABLE = "Fills of 30 days without a readable value"
UNMAPPED = "Spellings that wait, the costliest of each list"
HEALTH = "How fresh the figures are"
# The same figures, come by in another way: from the fills and intervals where the page reads sums of them.
TODAY = "(now() at time zone 'Africa/Nairobi')::date"
OTHERWISE = {
    SPEND: f"""
        select coalesce(department, '(none given)'), round(sum(amount_kes))
        from reporting.v_fuel_fills
        where counts_as_spend and filled_on between date_trunc('month', {TODAY})::date and {TODAY}
        group by 1 having sum(amount_kes) > 0
    """,
    MONTHS: f"""
        select to_char(filled_on, 'YYYY-MM'), round(sum(amount_kes))
        from reporting.v_fuel_fills
        where
            counts_as_spend
            and filled_on >= date_trunc('month', {TODAY})::date - interval '12 months'
            and filled_on < date_trunc('month', {TODAY})::date + interval '1 month'
        group by 1
    """,
    RULES: """
        select replace(rule, '_', ' '), coalesce(round(sum(kes_at_risk)), 0)
        from reporting.v_fuel_anomalies
        where status = 'open' and filled_at <= now() and now() - filled_at <= interval '90 days'
        group by 1
    """,
    READABLE: """
        select name, round(100 * avg(missing::int), 1)
        from reporting.v_fuel_fills, lateral unnest(
            array['plate', 'department', 'fuel', 'litres', 'amount', 'odometer'],
            array[plate, department, fuel_type, litres::text, amount_kes::text, odometer_km::text]
        ) as each (name, value), lateral (select value is null as missing) as m
        where filled_at <= now() and now() - filled_at <= interval '30 days'
        group by 1
    """,
}


def test_every_table_is_the_answer_of_the_query_below_it(report: Report, page: str) -> None:
    """Run as the page shows it, and formatted here."""
    found = tables(page)
    assert set(found) == {
        SPEND, MONTHS, RULES, FIRST, VEHICLES, PRICES, OVERPAID, READABLE, UNMAPPED, HEALTH,
    }  # fmt: skip
    for caption, (rows, query) in found.items():
        if caption == HEALTH:  # its figures move on with the clock
            continue
        answer = report.query(query)
        assert answer or caption == OVERPAID, f"nothing to compare in: {caption}"
        shown = [list(column) for column in zip(*map(plain, answer), strict=True)]
        told = [[number(cell) for cell in column] for column in zip(*rows[1:], strict=True)]
        assert told == shown, caption


def plain(row: tuple[Any, ...]) -> list[Any]:
    """Values as a reader of the table takes them."""
    return [
        value if isinstance(value, Decimal)
        else Decimal(value) if isinstance(value, int)
        else "" if value is None
        else f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "hour")
        else number(str(value))
        for value in row
    ]  # fmt: skip


def number(cell: str) -> Any:
    """A cell as a number, where it is one."""
    return Decimal(cell.replace(",", "")) if re.fullmatch(r"-?[\d,]+(\.\d+)?", cell) else cell


def drawn(page: str, section: str, chart: int, name: str, figure: str) -> dict[str, Decimal]:
    """The figures of a chart's marks, by name. Wide and narrow drawings say the same."""
    wide, narrow = (
        [each for each in marks(page, section, size)[chart] if figure in each] for size in ("wide", "narrow")
    )
    assert wide == narrow
    assert len({each[name] for each in wide}) == len(wide)
    return {each[name]: Decimal(each[figure].replace("\u2212", "-")) for each in wide}


@pytest.mark.parametrize(
    ("caption", "section", "name", "figure"),
    [
        (SPEND, "to-date", "department", "month_to_date_kes"),
        (MONTHS, "by-month", "month", "amount_kes"),
        (RULES, "findings", "name", "at_risk_kes"),
        (READABLE, "quality", "column", "percent_without"),
    ],
)
def test_charts_equal_the_fills(
    report: Report, page: str, caption: str, section: str, name: str, figure: str
) -> None:
    answer = {key: value for key, value in report.query(OTHERWISE[caption])}
    assert answer
    shown = drawn(page, section, 0, name, figure)
    assert {key: value for key, value in shown.items() if value or key in answer} == answer


def test_departments_by_month_add_up_to_the_months(page: str) -> None:
    months = drawn(page, "by-month", 0, "month", "amount_kes")
    sums: dict[str, Decimal] = {}
    for mark in marks(page, "by-month")[1]:
        sums[mark["month"]] = sums.get(mark["month"], Decimal()) + Decimal(mark["amount_kes"])
    assert sums.keys() == months.keys()
    # Each department is rounded to whole shillings.
    assert all(abs(sums[month] - total) < 10 for month, total in months.items())


def test_every_vehicle_is_counted_once_where_it_lies(report: Report, page: str) -> None:
    vehicles = report.query(
        "select plate, round(100 * rolling_km_per_litre / usual_km_per_litre - 100, 1)"
        " from reporting.v_vehicles where rolling_km_per_litre > 0 and usual_km_per_litre > 0"
        " and last_filled_at <= now() and days_since_last_fill <= 90"
    )
    bars = marks(page, "economy")[0]
    assert sum(int(bar["vehicles"]) for bar in bars) == len(vehicles) > 20
    percents = [min(49, max(-50, percent)) for _, percent in vehicles]
    for bar in bars:
        start = int(bar["from"].replace("\u2212", "-").split(" ")[0])
        assert int(bar["vehicles"]) == sum(start <= percent < start + 5 for percent in percents)
    notable = sum(percent <= -10 for _, percent in vehicles)
    [heading] = re.findall(r'<h2 id="economy-heading">(.*?)</h2>', page)
    said = words.sentence(words.count(notable, "vehicle"))
    assert html.unescape(heading).startswith(f"{said} of {len(vehicles)} ")


def test_bars_are_as_long_as_their_figures(page: str) -> None:
    """Geometry, not only labels: twice the money, twice the pixels."""
    [part] = re.findall(r'<section id="findings".*?</section>', page, re.S)
    bars = re.findall(r'aria-label="at_risk_kes: ([\d.]+);[^"]*"[^>]* d="M0,[\d.]+h([\d.]+)v', part)
    scales = [float(pixels) / float(kes) for kes, pixels in bars]
    wide, narrow = scales[: len(scales) // 2], scales[len(scales) // 2 :]
    assert len(wide) > 2
    assert max(wide) / min(wide) < 1.01
    assert max(narrow) / min(narrow) < 1.01


def test_headings_say_the_sums(report: Report, page: str) -> None:
    headings = {
        anchor: html.unescape(text) for anchor, text in re.findall(r'<h2 id="(.*?)-heading">(.*?)</h2>', page)
    }
    [(spend,)] = report.query("select sum(month_to_date_kes) from reporting.v_fuel_spend_to_date")
    assert headings["to-date"].startswith(f"{words.kes(spend)} so far in ")
    [(number, high)] = report.query(
        "select count(*), count(*) filter (where severity = 'high') from reporting.v_fuel_anomalies"
        " where status = 'open' and filled_at between now() - interval '90 days' and now()"
    )
    assert headings["findings"].startswith(f"{number:,} findings of the last 90 days are open, {high:,} of")
    [(share,)] = report.query("select readable_share_30d from reporting.v_pipeline_health")
    assert headings["quality"].startswith(f"{100 * share:.1f}\u00a0%")
    [(overpaid,)] = report.query(
        "select sum(overpaid_kes) from reporting.v_fuel_fills"
        " where filled_at between now() - interval '30 days' and now()"
    )
    assert headings["prices"].startswith(words.kes(overpaid) if overpaid else "Nobody paid")
    for text in headings.values():
        assert page.count(html.escape(text, quote=False).replace("'", "&#39;")) >= 2, "also in the summary"


def test_the_ten_to_look_at_have_all_that_one_needs(report: Report, page: str) -> None:
    cards = [
        html.unescape(each)
        for each in re.findall(r"<ol class=\"cards\">(.*?)</ol>", page, re.S)[0].split("<li>")[1:]
    ]
    rows = report.query(
        "select a.severity, a.plate, a.id, a.explanation, a.csv_line, round(a.kes_at_risk)"
        " from reporting.v_fuel_anomalies as a where a.status = 'open'"
        " and a.filled_at between now() - interval '90 days' and now()"
        " order by case a.severity when 'high' then 1 when 'medium' then 2 else 3 end,"
        " round(a.kes_at_risk) desc nulls last, a.id, a.rule limit 10"
    )
    assert len(cards) == len(rows) > 5
    for card, (severity, plate, id_, explanation, line, kes) in zip(cards, rows, strict=True):
        for text in (f">{severity}<", plate, f"fill {id_}", explanation, line, words.kes(kes)):
            assert text in card


def test_the_reader_reads_nothing_but_the_views(report: Report) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        report.query("select count(*) from fuel.records")


def test_texts_of_people_stay_texts(page: str) -> None:
    hostile = re.compile(re.escape(html.escape(HOSTILE)), re.I)
    assert hostile.search(page)
    assert not re.search(r"<img|<script|</script", page, re.I)
    assert "Content-Security-Policy" in page
