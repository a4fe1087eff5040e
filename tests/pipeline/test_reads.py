"""Readers notice nothing of a build, and a build with nothing to do reads nothing of history."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import Database
from tests.pipeline.warehouse import InProcess, Warehouse, warehouse

# The last column is how long PostgreSQL was busy with the read, its waiting for locks included.
READS = (
    "select count(*), sum(amount_kes), sum(odometer_km), array_agg(distinct department), {duration}"
    " from reporting.v_fuel_fills",
    "select count(*), count(is_valid or null), sum(amount_kes), sum(odometer_km), sum(distance_km),"
    " sum(rolling_km_per_litre), {duration} from reporting.v_fuel_efficiency",
    "select count(*), sum(double), {duration} from public.foreign_view",
)
DURATION = "extract(epoch from clock_timestamp() - statement_timestamp())"
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


@dataclass
class Seen:
    """The answers to the reads since one moment: states by read, and the slowest read in seconds."""

    states: list[set[str]] = field(default_factory=lambda: [set() for _ in READS])
    reads: int = 0
    slowest: float = 0


class Readers:
    """Four connections that read without pause; what they saw, and what went wrong."""

    def __init__(self, database: Database) -> None:
        self.errors: list[str] = []
        self.seen = Seen()
        self._database = database
        self._stop = threading.Event()

    def look(self, conn: psycopg.Connection[Any], which: int, seen: Seen) -> None:
        """One read."""
        (*state, duration) = conn.execute(READS[which].format(duration=DURATION)).fetchone() or ()
        seen.states[which].add(repr(state))
        seen.slowest = max(seen.slowest, float(duration))
        seen.reads += 1

    def _read(self, number: int) -> None:
        try:
            with self._database.connect(autocommit=True, options="-c statement_timeout=30s") as conn:
                while not self._stop.wait(0.005):
                    self.look(conn, number % len(READS), self.seen)
                    number += 1
        except psycopg.Error as error:
            self.errors.append(str(error))

    def now(self) -> list[set[str]]:
        """The state that a read of this moment sees."""
        seen = Seen()
        with self._database.connect(autocommit=True) as conn:
            for which in range(len(READS)):
                self.look(conn, which, seen)
        return seen.states

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


def test_readers_notice_nothing_of_ten_builds(database: Database, tmp_path: Path) -> None:
    house = warehouse(database, tmp_path)
    run = InProcess(house.project, database, tmp_path / "target")
    reader = f"{database.name}_reader"
    house.query(f"create role {reader} nologin")
    house.land(
        {
            str(i): {
                "department": "Acounts" if i % 3 else "Sales",
                "car": f"KCA {100 + i % 20}A",
                "odometer": 1000 + 10 * i,
                "datetime": f"2026-10-{1 + i // 20:02}T07:42:00Z",
            }
            for i in range(400)
        }
    )

    def build(*arguments: str) -> None:
        # Unit tests touch nothing that a reader sees, and take most of the time.
        succeeded, said = run(
            "build", "--indirect-selection=cautious", "--exclude-resource-type=unit_test",
            "--select", "+v_fuel_fills", "+v_fuel_efficiency", *arguments,
        )  # fmt: skip
        assert succeeded, said

    def nothing() -> None:
        pass

    def load() -> None:
        house.land(
            {"7": {"amount": "1"}, "400": {}, "401": {"deleted_at": "2026-01-01T00:00:00Z"}},
            absent=(str(house.load_id),),
        )

    def alias_edit_and_load() -> None:
        house.append("seeds/department_aliases.csv", "accounts,Accounts\nacounts,Accounts\n")
        load()

    def alias_edit() -> None:
        house.edit("seeds/department_aliases.csv", "acounts,Accounts", "acounts,Sales")

    def normaliser_edit_and_new_column() -> None:
        house.edit(
            "macros/normalisers/read_records.sql", "'odometer_number', 8, 1", "'(odometer_number + 1)', 8, 1"
        )
        house.edit(
            "models/fuel/records.sql",
            "    '{{ fingerprint }}'::text",
            "    1 as one,\n    '{{ fingerprint }}'::text",
        )
        house.add_column(
            "models/fuel/records.yml", "      - {name: one, data_type: integer, description: One.}\n"
        )

    def normaliser_edit() -> None:
        house.edit("macros/normalisers/parse_number.sql", "999999999.5", "899999999.5")
        house.edit("macros/normalisers/read_records.sql", "(odometer_number + 1)", "(odometer_number + 2)")

    def view_edit() -> None:
        house.edit(
            "models/reporting/v_fuel_fills.sql",
            "\nfrom {{ ref('records') }}",
            ",\n    1 as one\nfrom {{ ref('records') }}",
        )
        house.add_column(
            "models/reporting/v_fuel_fills.yml",
            "      - {name: one, data_type: integer, description: One.}\n",
        )

    def views_condition_edit() -> None:
        house.edit("models/reporting/v_fuel_fills.sql", "records.absent_since is null",
                   "records.absent_since is null and records.id <> '9'")  # fmt: skip

    def incompatible_view_edit() -> None:
        house.edit("models/reporting/v_fuel_fills.sql", ",\n    1 as one\n", "\n")
        house.edit(
            "models/reporting/v_fuel_fills.yml",
            "      - {name: one, data_type: integer, description: One.}\n",
            "",
        )

    standing = (
        "select relname, relacl::text, oid from pg_class where oid in ('public.foreign_view'::regclass, "
        "'reporting.v_fuel_fills'::regclass, 'reporting.v_fuel_efficiency'::regclass, "
        "'fuel.records'::regclass, 'fuel.fill_intervals'::regclass) order by 1"
    )
    build()
    house.query(
        "create view public.foreign_view as select id, amount_kes * 2 as double from reporting.v_fuel_fills;"
        f"grant select on public.foreign_view, reporting.v_fuel_fills to {reader}"
    )
    before = house.query(standing)
    slowest: dict[bool, float] = {True: 0, False: 0}
    try:
        readers = Readers(database)
        with readers.reading():
            for edit, arguments in (
                (nothing, ()),
                (alias_edit_and_load, ()),
                (normaliser_edit_and_new_column, ()),
                (nothing, ()),
                (view_edit, ("--full-refresh",)),
                (load, ()),
                (alias_edit, ("--full-refresh",)),
                (views_condition_edit, ()),
                (normaliser_edit, ()),
                (nothing, ()),
            ):
                state = readers.now()
                edit()
                seen = readers.seen = Seen()
                build(*arguments)
                after = readers.now()
                assert readers.errors == [], edit.__name__
                assert seen.reads > 20
                for which in range(len(READS)):
                    assert seen.states[which] <= state[which] | after[which], (
                        f"a half state during {edit.__name__}"
                    )
                assert (state == after) == (edit in (nothing, view_edit)), edit.__name__
                slowest[edit is nothing] = max(slowest[edit is nothing], seen.slowest)
            assert house.query(standing) == before
            # The only figure in seconds: what "a reader notices nothing" means, beside its own measure.
            print(f"slowest read: {slowest[True]} s with nothing to do, {slowest[False]} s with edits")
            assert slowest[False] <= slowest[True] + 0.5

            # A column goes, which cannot be done in place: no reader sees an error, the foreign view stays.
            incompatible_view_edit()
            build()
        assert readers.errors == []
        assert [row[:2] for row in house.query(standing)] == [row[:2] for row in before]
    finally:
        house.query(f"drop owned by {reader}; drop role {reader}")


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
        house.query(f"alter table {table} set (autovacuum_enabled = off)")  # else its pages count, too
        house.query(f"vacuum analyze {table}")
    small = work(house)
    for table in ("fuel.records", "fuel.records_raw"):
        house.query(GROW.format(table=table))
        house.query(f"vacuum analyze {table}")
    large = work(house)
    assert small[:2] == large[:2] == (0, 0)
    # Twenty times the rows: an index may have grown by one level, one page more for each probe.
    assert 0 < large[2] <= 1.3 * small[2], (small, large)
