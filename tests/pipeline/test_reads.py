"""Readers notice nothing of a build, and a build with nothing to do reads nothing of history."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import Database
from tests.pipeline.warehouse import InProcess, Warehouse, warehouse

READS = (
    "select count(*), sum(amount_kes), sum(odometer_km), array_agg(distinct department)"
    " from reporting.v_fuel_fills",
    "select count(*), count(distinct plate) from reporting.v_fuel_efficiency",
    "select count(*), sum(double) from public.foreign_view",
)
WORK = """
select
    sum(seq_scan), sum(n_tup_ins + n_tup_upd + n_tup_del),
    sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read + idx_blks_hit, 0))
from pg_stat_user_tables join pg_statio_user_tables using (relid)
where relid in ('fuel.records'::regclass, 'fuel.records_raw'::regclass)
"""
# Twenty times the history, as if it had been loaded and derived.
GROW = """
do $$
declare columns text := (
    select string_agg(quote_ident(attname), ', ') from pg_attribute
    where attrelid = '{table}'::regclass and attnum > 0 and attname <> 'id'
);
begin
    execute format('insert into {table} (id, %1$s) select id || ''-'' || copy, %1$s '
        'from {table}, generate_series(1, 19) as copy', columns);
end
$$
"""


class Readers:
    """Four connections that read without pause; what they saw, and what went wrong."""

    def __init__(self, database: Database) -> None:
        self.seen: list[set[str]] = [set() for _ in READS]
        self.errors: list[str] = []
        self.reads = 0
        self._database = database
        self._stop = threading.Event()

    def _read(self, number: int) -> None:
        try:
            with self._database.connect(autocommit=True, options="-c statement_timeout=30s") as conn:
                while not self._stop.wait(0.005):
                    which = number % len(READS)
                    self.seen[which].add(repr(conn.execute(READS[which]).fetchone()))
                    self.reads += 1
                    number += 1
        except psycopg.Error as error:
            self.errors.append(str(error))

    @contextmanager
    def reading(self) -> Iterator[Readers]:
        threads = [threading.Thread(target=self._read, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()


def test_readers_notice_nothing(database: Database, tmp_path: Path) -> None:
    house = warehouse(database, tmp_path)
    reader = f"{database.name}_reader"
    house.query(f"create role {reader} nologin")
    house.land(
        {str(i): {"department": "Acounts" if i % 3 else "Sales", "odometer": 1000 + i} for i in range(200)}
    )
    house.build("--indirect-selection=cautious", "--select", "+v_fuel_fills", "+v_fuel_efficiency")
    house.query(
        "create view public.foreign_view as select id, amount_kes * 2 as double from reporting.v_fuel_fills;"
        f"grant select on public.foreign_view, reporting.v_fuel_fills to {reader}"
    )
    standing = (
        "select oid, relname, relacl::text from pg_class where oid in ('public.foreign_view'::regclass, "
        "'reporting.v_fuel_fills'::regclass, 'reporting.v_fuel_efficiency'::regclass, "
        "'fuel.records'::regclass) order by 2"
    )
    before = house.query(standing)

    def alias_edit_and_load() -> None:
        house.append("seeds/department_aliases.csv", "accounts,Accounts\nacounts,Accounts\n")
        house.land(
            {"7": {"amount": "1"}, "200": {}, "201": {"deleted_at": "2026-01-01T00:00:00Z"}}, absent=("8",)
        )

    def normaliser_edit_and_new_column() -> None:
        house.edit("models/fuel/records.sql", "'odometer_number', 12, 1", "'(odometer_number + 1)', 12, 1")
        house.edit(
            "models/fuel/records.sql",
            "    '{{ fingerprint }}'::text",
            "    1 as one,\n    '{{ fingerprint }}'::text",
        )
        house.add_column(
            "models/fuel/records.yml", "      - {name: one, data_type: integer, description: One.}\n"
        )

    def view_edit() -> None:
        house.edit(
            "models/reporting/v_fuel_fills.sql",
            "    tracker_devices.imei\n",
            "    tracker_devices.imei,\n    1 as one\n",
        )
        house.add_column(
            "models/reporting/v_fuel_fills.yml",
            "      - {name: one, data_type: integer, description: One.}\n",
        )

    def incompatible_view_edit() -> None:
        house.edit("models/reporting/v_fuel_fills.sql", ",\n    1 as one\n", "\n")
        house.edit(
            "models/reporting/v_fuel_fills.yml",
            "      - {name: one, data_type: integer, description: One.}\n",
            "",
        )

    try:
        for edit, arguments in (
            (alias_edit_and_load, ()),
            (normaliser_edit_and_new_column, ()),
            (view_edit, ("--full-refresh",)),
        ):
            states: list[list[Any]] = [[repr(house.query(sql)[0])] for sql in READS]
            edit()
            with Readers(database).reading() as readers:
                house.build(
                    "--indirect-selection=cautious",
                    "--select",
                    "+v_fuel_fills",
                    "+v_fuel_efficiency",
                    *arguments,
                )
            assert readers.errors == [], edit.__name__
            assert readers.reads > 20
            for which, sql in enumerate(READS):
                states[which].append(repr(house.query(sql)[0]))
                assert readers.seen[which] <= set(states[which]), f"a half state during {edit.__name__}"
        assert house.query(standing) == before

        # A column goes, which cannot be done in place: no reader sees an error, the foreign view stays.
        incompatible_view_edit()
        with Readers(database).reading() as readers:
            house.build("--indirect-selection=cautious", "--select", "v_fuel_fills")
        assert readers.errors == []
        assert [row[1:] for row in house.query(standing)] == [row[1:] for row in before]
    finally:
        house.query(f"drop owned by {reader}; drop role {reader}")


@pytest.mark.filterwarnings("default", "ignore::ResourceWarning")
def test_nothing_to_do_costs_the_same_whatever_the_history(database: Database, tmp_path: Path) -> None:
    house = warehouse(database, tmp_path)
    run = InProcess(house.project, database, tmp_path / "target")
    house.land({str(i): {"department": f"Dept {i % 30}", "car": f"KCA {100 + i % 40}A"} for i in range(3000)})
    run.parse()
    succeeded, said = run("build", "--indirect-selection=cautious", "--select", "+v_fuel_fills")
    assert succeeded, said

    def work(house: Warehouse) -> tuple[int, int, int]:
        """Sequential scans, rows written and pages touched by one run with nothing to do."""
        before = house.query(WORK)[0]
        assert run("run", "--select", "records", "v_fuel_fills")[0]
        house.query("select pg_stat_force_next_flush()")
        after = house.query(WORK)[0]
        return tuple(int(b - a) for a, b in zip(before, after, strict=True))  # type: ignore[return-value]

    for table in ("fuel.records", "fuel.records_raw"):
        house.query(f"vacuum analyze {table}")
    small = work(house)
    for table in ("fuel.records", "fuel.records_raw"):
        house.query(GROW.format(table=table))
        house.query(f"vacuum analyze {table}")
    large = work(house)
    assert small[:2] == large[:2] == (0, 0)
    # Twenty times the rows: an index may have grown by one level, one page more for each probe.
    assert 0 < large[2] <= 1.3 * small[2], (small, large)
