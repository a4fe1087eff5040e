"""The tables of what people typed oddly, fuel.unreadable_litres and the like, tested in a small project."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.pipeline.warehouse import InProcess, small_project

pytestmark = pytest.mark.filterwarnings("default", "ignore::ResourceWarning")

PROJECT = """
name: small
profile: fleetfuel
data_tests:
  small: {+severity: warn, +store_failures: true, +schema: app}
"""
KEPT = "select relname, oid, relacl::text from pg_class where relname in ('odd', 'foreign_view') order by 1"


class Odd:
    """A project with the one test `odd`, which looks at the table `app.source_rows`."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.database = database
        self.project = small_project(folder, PROJECT, "stored_failures", "stable_view", "create_table_as")
        (self.project / "tests").mkdir()
        database.query("create schema app; create table app.source_rows as select 1 as a, 'x'::text as b")
        self.dbt = InProcess(self.project, database, folder / "target")

    def test(self, sql: str) -> tuple[bool, str]:
        """Write the test and run it; whether dbt succeeded, and what it had to say."""
        (self.project / "tests/odd.sql").write_text(sql)
        return self.dbt("test")


@pytest.fixture
def odd(tmp_path: Path, database: Database) -> Odd:
    return Odd(tmp_path, database)


def test_the_table_stays_and_waits_for_no_reader(odd: Odd) -> None:
    query = odd.database.query
    assert "warn Got 1 result" in odd.test("select * from app.source_rows")[1]
    query("create view app.foreign_view as select a from app.odd; grant select on app.odd to pg_monitor")
    before = query(KEPT)
    query("insert into app.source_rows values (2, 'y')")
    said: list[tuple[bool, str]] = []
    with odd.database.connect() as reader:
        reader.execute("select * from app.odd")  # and its transaction goes on
        build = threading.Thread(target=lambda: said.append(odd.test("select * from app.source_rows")))
        build.start()
        build.join(60)
        waits = build.is_alive()
        reader.rollback()
        build.join()
    assert not waits
    assert said[0][0]
    assert "warn Got 2 results" in said[0][1]
    assert query("select * from app.odd order by a") == [(1, "x"), (2, "y")]
    assert query(KEPT) == before

    # None is left: the table is empty, and the test passes.
    query("delete from app.source_rows")
    assert odd.test("select * from app.source_rows") == (True, "\npass None")
    assert query("select * from app.odd") == []


def test_other_columns_replace_the_table_unless_something_is_built_on_it(odd: Odd) -> None:
    query = odd.database.query
    odd.test("select a from app.source_rows")
    query("create view app.foreign_view as select a from app.odd")
    before = query(KEPT)
    succeeded, said = odd.test("select a, b from app.source_rows")
    assert not succeeded
    assert "view app.foreign_view depends on table app.odd" in said
    assert query(KEPT) == before
    query("drop view app.foreign_view")
    assert odd.test("select a, b from app.source_rows")[0]
    assert query("select * from app.odd") == [(1, "x")]
    assert odd.test("select a, b::varchar(3) as b from app.source_rows")[0]
    column = "select format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'app.odd'::regclass"
    assert query(f"{column} and attname = 'b'") == [("character varying(3)",)]
