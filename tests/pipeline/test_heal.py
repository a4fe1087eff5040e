"""fuel.records heals: after any edit and one `dbt build` it equals a build from nothing."""

from __future__ import annotations

import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from tests.conftest import Database, Dbt, fresh_database
from tests.pipeline.warehouse import from_nothing, warehouse

DERIVED = ("fuel.records", "fuel.fill_intervals", "fuel.tracker_devices")
VIEWS = ("reporting.v_fuel_fills", "reporting.v_fuel_efficiency")
DEPARTMENTS = "seeds/department_aliases.csv"
FUEL_TYPES = "seeds/fuel_type_aliases.csv"
OIDS = "select relname, oid from pg_class where oid in ({}) order by 1".format(
    ", ".join(f"'{name}'::regclass" for name in (*DERIVED, *VIEWS))
)
# By name, since a column that was added later stands last.
COLUMN_TYPES = """
select attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = %s::regclass and attnum > 0 order by attname
"""
INDEXES = """
select regexp_replace(indexdef, '^.* USING ', '') from pg_indexes
where format('%%s.%%s', schemaname, tablename) = %s order by 1
"""
# It gives up its turn and tries again later.
RESTING = "select 1 from pg_stat_activity where wait_event = 'PgSleep' and query like '%add column%'"
WAITING = """
select count(*) from pg_locks
where not granted and database = (select oid from pg_database where datname = current_database())
"""


def test_a_sequence_of_edits_heals(database: Database, tmp_path: Path) -> None:
    house = warehouse(database, tmp_path)
    house.device("1", "kca 542q", cost_centre="CC1", is_active=True)
    house.land({str(i): {"department": "Logistcs", "odometer": 1000 + i, "quantity": 7} for i in range(50)})
    house.land({str(i): {"department": "Acounts"} for i in range(50, 60)})
    house.land({str(i): {"department": "Sales", "fuel_type": "DSL9"} for i in range(60, 70)})
    house.build()
    oids = house.query(OIDS)
    # Statistics are not left to autovacuum, which comes round a minute after the first reader.
    analyzed = "select min(analyze_count) from pg_stat_user_tables where relname = any(%s)"
    assert house.value(analyzed, (["records", "fill_intervals", "tracker_devices"],)) == 1
    everything = {str(i) for i in range(70)}

    def changed(*edit_and_build: str) -> set[str]:
        """Build, and give the ids of the rows of fuel.records that were written."""
        before = house.versions()
        house.build(*edit_and_build)
        after = house.versions()
        return {id_ for id_ in after if after[id_] != before.get(id_)}

    def column(name: str, id_: str) -> object:
        return house.value(f"select {name} from fuel.records where id = %s", (id_,))

    # Nothing to do: nothing is written, not even with --full-refresh.
    assert changed("--full-refresh") == set()
    assert house.value(analyzed, (["records"],)) == 1

    # Views without rows would be the reports from then on.
    done = house.dbt("run", "--empty", check=False)
    assert done.returncode
    assert "--empty is refused" in done.stdout
    assert house.value("select count(*) from reporting.v_fuel_fills") == 70
    assert house.query(OIDS) == oids

    # A load (an edit, a deletion, a record gone absent, a new one) and a new alias line: exactly their rows.
    house.land({"1": {"litres": "9"}, "2": {"deleted_at": "2026-11-02T00:00:00Z"}, "70": {}}, absent=("3",))
    everything.add("70")
    assert column("department", "55") == "Acounts"
    house.append(DEPARTMENTS, "accounts,Accounts\nacounts,Accounts\nfinance,Finance\n")
    assert changed() == {"1", "2", "3", "70"} | {str(i) for i in range(50, 60)}
    assert house.value(analyzed, (["records"],)) == 2, "more than a tenth of the rows"
    assert column("department", "55") == "Accounts"
    assert house.value("select count(*) from reporting.v_fuel_fills") == 69

    # An alias line changes, another seed gets one.
    house.edit(DEPARTMENTS, "acounts,Accounts", "acounts,Finance")
    house.append(FUEL_TYPES, "dsl9,diesel\n")
    assert changed() == {str(i) for i in range(50, 70)}
    assert (column("department", "55"), column("fuel_type", "65")) == ("Finance", "diesel")

    # An alias line goes, and a load concerns one of its rows.
    house.edit(DEPARTMENTS, "acounts,Finance\n", "")
    house.land({"55": {"department": "Acounts", "litres": "11"}})
    assert changed() == {str(i) for i in range(50, 60)}
    assert column("department", "55") == "Acounts"

    # A value changed by hand, whether it now sorts before the right value or after it.
    house.query("update fuel.records set department = 'A' where id = '10'")
    house.query("update fuel.records set department = 'z' where id = '61'")
    assert changed() == {"10", "61"}
    assert (column("department", "10"), column("department", "61")) == ("Logistics", "Sales")

    # The field map, then the code: another normaliser, a new column, an index. Every row, in place.
    house.edit("dbt_project.yml", "litres: [litres, liters, quantity]", "litres: [quantity, litres, liters]")
    assert changed() == everything
    assert column("litres", "5") == 7
    house.edit(
        "macros/normalisers/read_records.sql", "'odometer_number', 8, 1", "'(odometer_number + 0.5)', 8, 1"
    )
    house.edit(
        "models/fuel/records.sql",
        "    '{{ fingerprint }}'::text",
        "    upper(plates.car) as shouted, priced.litres / 3 as third,\n    '{{ fingerprint }}'::text",
    )
    house.edit("models/fuel/records.sql", "indexes=[", "indexes=[{'columns': ['third', 'shouted']},")
    house.add_column(
        "models/fuel/records.yml",
        "      - {name: shouted, data_type: text, description: The car in capitals.}\n"
        "      - {name: third, data_type: 'numeric(12, 3)', description: A third of the litres.}\n",
    )
    # A reader who takes his time delays the new column, and nobody else.
    with ThreadPoolExecutor() as pool, database.connect() as reader, database.connect() as others:
        reader.execute("select from fuel.records")
        building = pool.submit(changed, "--full-refresh")
        others.execute("set statement_timeout = '5s'")
        while not building.done() and not others.execute(RESTING).fetchone():
            others.execute("select from fuel.records")
            others.commit()
            time.sleep(0.02)
        assert not building.done()
        reader.rollback()
    assert building.result() == everything
    assert column("shouted", "5") == "KCA 542Q"
    assert column("third", "5") == Decimal("2.333")
    assert column("odometer_km", "5") == Decimal("1005.5")

    # The landing's backup comes back, and the next load gets a number that was given out before.
    house.query("create table backup as table fuel.records_raw")
    house.land({"5": {"litres": "1"}, "71": {}}, absent=("6",))
    house.land({"72": {}})
    assert changed() == {"5", "6", "71", "72"}
    house.query("truncate fuel.records_raw; insert into fuel.records_raw table backup")
    house.load_id -= 2
    house.land({"7": {"litres": "2"}})
    assert changed() == {"5", "6", "7"}
    assert house.versions().keys() == everything

    # Readers still have the same objects, and the rows are what a build from nothing gives.
    assert house.query(OIDS) == oids
    with fresh_database(database.server) as empty:
        scratch = from_nothing(house, empty, tmp_path / "scratch")
        for table in DERIVED:
            assert house.rows(table) == scratch.rows(table), table
            for query in (COLUMN_TYPES, INDEXES):
                assert house.query(query, (table,)) == scratch.query(query, (table,)), table
        assert ("btree (third, shouted)",) in house.query(INDEXES, ("fuel.records",))


def test_of_two_builds_at_once_the_one_that_read_less_does_not_write_last(
    database: Database, tmp_path: Path
) -> None:
    house = warehouse(database, tmp_path)
    house.land({"1": {}, "2": {}})
    house.build("--indirect-selection=cautious", "--select", "+records")
    # The same project, but its build stands still between reading and writing.
    slow = Dbt(shutil.copytree(house.project, tmp_path / "slow"), database, tmp_path / "slow_target")
    upsert = slow.project / "macros" / "postgres" / "upsert.sql"
    stand_still = "{%- do run_query('select pg_advisory_xact_lock(42)') -%}\n    insert into"
    upsert.write_text(upsert.read_text().replace("insert into", stand_still))
    builds: list[subprocess.Popen[str]] = []

    def start(dbt: Dbt) -> None:
        """Start a build, and come back when it waits for a lock or has ended."""
        builds.append(dbt.start("run", "--select", "records"))
        while builds[-1].poll() is None and house.value(WAITING) < len(builds):
            time.sleep(0.05)

    # A limit that the database sets for others does not end the wait.
    house.query(f"alter database {database.name} set lock_timeout = '300ms'")
    with database.connect() as conn:
        conn.execute("select pg_advisory_xact_lock(42)")
        house.land({"1": {"litres": "9"}})
        start(slow)
        assert builds[0].poll() is None, builds[0].communicate()
        house.land({"1": {"litres": "11"}, "2": {}})
        start(house.dbt)
        time.sleep(0.6)
    for build in builds:
        said = build.communicate(timeout=300)
        assert build.returncode == 0, said
    assert house.query("select litres, load_id from fuel.records where id = '1'") == [(11, house.load_id)]


def test_what_is_stale_may_take_its_time(database: Database, tmp_path: Path) -> None:
    """Some spellings more than usual, and it takes seconds; a limit is set for readers, not for that."""
    house = warehouse(database, tmp_path)
    house.land({"1": {}})
    house.build("--indirect-selection=cautious", "--select", "+records")
    found = "max(load_id)::text as value from {{ relation }}"
    house.edit("macros/derivation.sql", found, f"{found} cross join pg_sleep(3)")
    house.query(f"alter database {database.name} set statement_timeout = '2s'")
    house.land({"1": {"litres": "11"}, "2": {}})
    assert "INSERT 0 2" in house.dbt("run", "--select", "records").stdout
