"""The materialization `stable_view`, tested like dbt tests its own: in a small project of its own."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NEWEST_AND_OLDEST, Database
from tests.pipeline.warehouse import InProcess, small_project

pytestmark = pytest.mark.filterwarnings("default", "ignore::ResourceWarning")

PROJECT = """
name: small
profile: fleetfuel
models:
  small:
    +schema: app
    +persist_docs: {relation: true, columns: true}
"""
MODEL = "{{{{ config(materialized='stable_view'{config}) }}}}\n{sql}"
YML = """
models:
  - name: v
    description: {description}
    config: {{contract: {{enforced: true}}}}
    columns:
{columns}
unit_tests:
  - name: v_adds_nothing
    model: v
    given: [{{input: ref('base'), format: sql, rows: "select 1 as a, 'x' as b"}}]
    expect: {{rows: [{{a: 1}}]}}
"""
BASE = "{{ config(materialized='ephemeral') }}\nselect a, b from app.source_rows"


class Small:
    """A project with one stable_view `app.v` over the table `app.source_rows`."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.database = database
        self.project = small_project(folder, PROJECT)
        (self.project / "models").mkdir()
        (self.project / "models/base.sql").write_text(BASE)
        database.query(
            "create schema app; create table app.source_rows (a int, b text);"
            "insert into app.source_rows values (1, 'x')"
        )
        self.dbt = InProcess(self.project, database, folder / "target")

    def run(
        self,
        sql: str,
        columns: dict[str, str],
        *,
        config: str = "",
        description: str = "One",
        command: str = "run",
    ) -> str:
        """Write the model and run it; what went wrong, or an empty text."""
        (self.project / "models/v.sql").write_text(MODEL.format(sql=sql, config=config))
        lines = [
            f"      - {{name: {n}, data_type: {t}, description: Column {n}}}" for n, t in columns.items()
        ]
        (self.project / "models/v.yml").write_text(
            YML.format(columns="\n".join(lines), description=description)
        )
        self.success, said = self.dbt(command, *(["--full-refresh"] if command == "run" else []))
        return "" if self.success else said

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.database.query(sql)

    def state(self) -> list[tuple[Any, ...]]:
        """Everything that changes when anything about a view of schema app is written."""
        return self.query(
            "select c.relname, c.oid, c.xmin::text, r.xmin::text, c.relacl::text, pg_get_viewdef(c.oid), "
            "(select array_agg(d.description order by objsubid) from pg_description d "
            "where objoid = c.oid) "
            "from pg_class c join pg_rewrite r on r.ev_class = c.oid "
            "where c.relnamespace = 'app'::regnamespace order by 1"
        )


@pytest.fixture
def small(tmp_path: Path, database: Database) -> Small:
    return Small(tmp_path, database)


@pytest.fixture
def roles(database: Database) -> Iterator[tuple[str, str]]:
    """Two roles for this test alone."""
    names = (f"{database.name}_x", f"{database.name}_y")
    for name in names:
        database.query(f"create role {name} nologin")
    yield names
    for name in names:
        database.query(f"drop owned by {name} cascade; drop role {name}")


A = {"a": "integer"}
SELECT_A = "select a from {{ ref('base') }}"


def test_create_unchanged_and_replace(small: Small, roles: tuple[str, str]) -> None:
    reader, other = roles
    grants = f", grants={{'select': ['{reader}']}}"

    # Created, with contract, grants and comments; the unit test and the catalogue know it.
    assert small.run(SELECT_A, A, config=grants, command="build") == ""
    assert small.query(
        "select obj_description('app.v'::regclass), col_description('app.v'::regclass, 1)"
    ) == [("One", "Column a")]
    assert small.dbt("docs", "generate")[0]
    assert "model.small.v" in json.loads((small.dbt.target / "catalog.json").read_text())["nodes"]

    # Unchanged: nothing is written, although --full-refresh is given. Views built on it are not our business.
    small.query(
        "create view app.foreign_view as select a + 1 as b from app.v;"
        f"grant select on app.foreign_view to {other}"
    )
    before = small.state()
    assert small.run(SELECT_A, A, config=grants) == ""
    assert small.state() == before

    # Changed by hand: brought back in place.
    small.query("create or replace view app.v as select a * 2 as a from app.source_rows")
    assert small.run(SELECT_A, A, config=grants) == ""
    after = small.state()
    assert [row[1] for row in after] == [row[1] for row in before]
    assert [row[4:] for row in after] == [row[4:] for row in before]

    # Another SQL, one more column, another comment, other grantees: in place.
    two = {"a": "integer", "b": "text"}
    assert (
        small.run(
            "select a, b from app.source_rows where a > 0",
            two,
            description="Two",
            config=grants.replace(reader, other),
        )
        == ""
    )
    changed = {row[0]: row for row in small.state()}
    assert [row[1] for row in changed.values()] == [row[1] for row in before]
    assert changed["foreign_view"] == after[0]
    assert f"{other}=r" in changed["v"][4]
    assert reader not in changed["v"][4]
    assert small.query("select obj_description('app.v'::regclass)") == [("Two",)]

    # No grantees configured: what was granted by hand stays.
    small.query(f"grant select on app.v to {reader}")
    assert small.run("select a, b from app.source_rows", two, config=", grants={'select': []}") == ""
    assert small.query(f"select has_table_privilege('{reader}', 'app.v', 'select')") == [(True,)]


@NEWEST_AND_OLDEST
def test_what_cannot_be_replaced_in_place(small: Small, roles: tuple[str, str]) -> None:
    reader, owner = roles
    assert (
        small.run("select a, b, 1 as c from app.source_rows", {"a": "integer", "b": "text", "c": "integer"})
        == ""
    )
    small.query(
        f"""
        grant select on app.v to {reader}; grant select (a, c) on app.v to {owner};
        create view app.above with (security_barrier=true) as select v.a, 'It''s' as "odd Name" from app.v;
        create view app.further as select above.* from app.above join app.v using (a);
        comment on view app.above is 'It''s somebody''s'; comment on column app.above."odd Name" is 'odd';
        grant select on app.above to {reader} with grant option; grant select on app.further to public;
        grant usage, create on schema app to {owner}; grant select on app.above, app.v to {owner};
        grant select ("odd Name") on app.above to {owner};
        alter view app.further owner to {owner};
        """
    )
    kept = (
        "select relname, relacl::text, reloptions, relowner::regrole::text, obj_description(oid), "
        "col_description(oid, 2), (select array_agg((attname, attacl::text) order by attnum) "
        "from pg_attribute where attrelid = pg_class.oid and attacl is not null) "
        "from pg_class where relname in ('above', 'further') order by 1"
    )
    before = small.query(kept)

    # A column goes, another one is retyped: the views that do not use it are created anew as they were.
    assert (
        small.run("select a, b::varchar(9) as b from app.source_rows", {"a": "integer", "b": "varchar(9)"})
        == ""
    )
    assert small.query(kept) == before
    assert small.query("select * from app.further") == [(1, "It's")]
    assert small.query(f"select has_table_privilege('{reader}', 'app.v', 'select')") == [(True,)]
    # The grant on `c` went with that column.
    on_columns = "select attname from pg_attribute where attrelid = 'app.v'::regclass and attacl is not null"
    assert small.query(on_columns) == [("a",)]

    # The same type, sorted otherwise.
    collated = """select a, b::varchar(9) collate "C" as b from app.source_rows"""
    assert small.run(collated, {"a": "integer", "b": "varchar(9)"}) == ""
    collation = "select attcollation::regcollation::text from pg_attribute where attrelid = 'app.v'::regclass"
    assert small.query(f"{collation} and attname = 'b'") == [('"C"',)]

    # A view that uses the column: refused, named, nothing changed.
    before = small.state()
    said = small.run("select b::varchar(9) as b from app.source_rows", {"b": "varchar(9)"})
    assert "app.above" in said
    assert "app.further" in said
    assert re.search(r'column ("a"|v[.]a) does not exist', said)
    assert small.state() == before

    # Something that is no view: refused, named, nothing changed.
    small.query("create materialized view app.copied as select b from app.v")
    before = small.state()
    said = small.run("select a from app.source_rows", A)
    assert "materialized view app.copied depends on view app.v" in said
    assert small.state() == before


AB = {"a": "integer", "b": "text"}
SELECT_AB = "select a, b from app.source_rows"
ONLY_A = "select a from app.source_rows"


def test_a_swap_leaves_each_view_in_its_schema(small: Small) -> None:
    """Whatever search_path the database has: what is on it is found without a schema, but not created."""
    assert small.run(SELECT_AB, AB) == ""
    small.query(
        """
        create schema first; create schema "Last";
        create view app.above as select a from app.v; create view "Last"."Odd one" as select a from app.above;
        """
    )
    small.query(f"alter database {small.database.name} set search_path = first, app, public")
    assert small.run(ONLY_A, A) == ""
    views = (
        "select schemaname, viewname from pg_views where schemaname in ('first', 'app', 'Last') order by 2"
    )
    assert small.query(views) == [("Last", "Odd one"), ("app", "above"), ("app", "v")]


@pytest.mark.parametrize(
    ("held", "named"),
    [
        pytest.param(
            "create function app.t() returns trigger language plpgsql as $$ begin return new; end $$;"
            'create trigger "To base" instead of insert on app.above for each row execute function app.t()',
            'trigger "To base" of app.above would be lost',
            id="trigger",
        ),
        pytest.param(
            "create rule quiet as on delete to app.v do instead nothing",
            "rule quiet of app.v would be lost",
            id="rule",
        ),
        pytest.param(
            "alter view app.above alter column a set default 7",
            "default of column a of app.above would be lost",
            id="default",
        ),
    ],
)
def test_a_swap_that_would_lose_something_is_refused(small: Small, held: str, named: str) -> None:
    assert small.run(SELECT_AB, AB) == ""
    small.query(f"create view app.above as select a from app.v; {held}")
    before = small.state()
    said = small.run(ONLY_A, A)
    assert named in said
    assert "Nothing was changed" in said
    assert small.state() == before
    # In place nothing is lost.
    assert small.run(f"{SELECT_AB} where a > 0", AB) == ""


def test_a_swap_names_a_view_of_somebody_else(small: Small, roles: tuple[str, str]) -> None:
    assert small.run(SELECT_AB, AB) == ""
    small.query(
        f"""
        create view app.above as select a from app.v;
        alter role {roles[0]} login; grant all on database {small.database.name} to {roles[0]};
        alter schema app owner to {roles[0]}; alter view app.v owner to {roles[0]};
        grant select on app.source_rows to {roles[0]};
        """
    )
    before = small.state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "env", {**small.database.env, "PGUSER": roles[0]})
        said = small.run(ONLY_A, A)
    assert "cannot follow (app.above): must be owner of view above" in said
    assert small.state() == before


@NEWEST_AND_OLDEST
def test_a_swap_opens_no_view_to_others(small: Small, roles: tuple[str, str]) -> None:
    reader, owner = roles
    assert small.run(SELECT_AB, AB) == ""
    small.query(
        f"""
        create view app.above as select a from app.v; create view app.further as select a from app.v;
        grant usage, create on schema app to {owner}; alter view app.further owner to {owner};
        grant select on app.further to {reader}; grant select (a) on app.above to {owner};
        alter default privileges in schema app grant all on tables to {reader}, public;
        """
    )
    privileges = (
        "select relname, coalesce(nullif(acl.grantee, 0)::regrole::text, 'public'), acl.privilege_type "
        "from pg_class cross join aclexplode(relacl) as acl "
        "where relnamespace = 'app'::regnamespace and relkind = 'v' and acl.grantee <> relowner order by 1, 2"
    )
    assert small.query(privileges) == [("further", reader, "SELECT")]
    assert small.run(ONLY_A, A) == ""
    assert small.query(privileges) == [("further", reader, "SELECT")]
    assert small.query(f"select has_column_privilege('{owner}', 'app.above', 'a', 'select')") == [(True,)]
    small.query(f"alter default privileges in schema app revoke all on tables from {reader}, public")


def test_a_swap_that_waits_keeps_what_changes_meanwhile(small: Small, roles: tuple[str, str]) -> None:
    assert small.run(SELECT_AB, AB) == ""
    small.query("create view app.above as select a from app.v; create view app.gone as select a from app.v")
    said: list[str] = []
    with small.database.connect() as reader:
        reader.execute("select * from app.v")  # and its transaction goes on
        change = threading.Thread(target=lambda: said.append(small.run(ONLY_A, A)))
        change.start()
        resting = "select 1 from pg_stat_activity where wait_event = 'PgSleep' and query like '%dbt_swap%'"
        while not small.query(resting):
            assert change.is_alive()
            time.sleep(0.02)
        small.query(
            f"""
            create or replace view app.above as select a * 10 as a from app.v;
            grant select on app.above to {roles[0]}; drop view app.gone;
            create view app.late as select a + 1 as a from app.above;
            """
        )
        reader.rollback()
        change.join()
    assert said == [""]
    assert small.query("select above.a, late.a, to_regclass('app.gone') from app.above, app.late") == [
        (10, 11, None)
    ]
    assert small.query(f"select has_table_privilege('{roles[0]}', 'app.above', 'select')") == [(True,)]


@pytest.mark.parametrize(
    "by_hand",
    [
        pytest.param("grant select on app.v to public", id="everybody"),
        pytest.param("grant select on app.v to {other}", id="a role"),
        pytest.param(
            "grant select on app.v to {reader} with grant option; grant usage on schema app to {reader};"
            "set role {reader}; grant select on app.v to {other}",
            id="handed on",
        ),
    ],
)
def test_exactly_who_is_listed_may_read(small: Small, roles: tuple[str, str], by_hand: str) -> None:
    assert small.run(SELECT_A, A) == ""
    small.query(by_hand.format(reader=roles[0], other=roles[1]))
    may_read = "select has_table_privilege(%s, 'app.v', 'select')"
    everyone = (*roles, "public", "pg_monitor")
    for listed, can_read in (("pg_monitor", {"pg_monitor"}), ("public", set(everyone))):
        assert small.run(SELECT_A, A, config=f", grants={{'select': ['{listed}']}}") == ""
        assert {who for who in everyone if small.database.query(may_read, [who]) == [(True,)]} == can_read


def test_wrong_models_leave_everything_standing(small: Small) -> None:
    # A table of that name.
    small.query("create table app.v (precious int); insert into app.v values (42)")
    assert "is to be a view, but a table of this name exists. Nothing was dropped" in small.run(SELECT_A, A)
    assert small.query("select precious from app.v") == [(42,)]
    small.query("drop table app.v")

    # A contract that the SQL does not keep, on a new view and on an existing one.
    assert "contract" in small.run(SELECT_A, {"a": "text"})
    assert small.query("select to_regclass('app.v')") == [(None,)]
    assert small.run(SELECT_A, A) == ""
    before = small.state()
    assert "contract" in small.run(SELECT_A, {"a": "text"})
    assert "contract" in small.run("select a::text as a from app.source_rows", A)
    assert small.state() == before


def test_hooks_run_in_and_out_of_the_transaction(small: Small) -> None:
    small.query("create table app.hooks (hook text, transaction_id bigint default txid_current())")
    insert = "insert into app.hooks values ('{}')".format
    post_hooks = f"""["{insert("2 in")}", after_commit("{insert("3 out")}")]"""
    hooks = f""", pre_hook="{insert("1 in")}", post_hook={post_hooks}"""
    for _ in ("create", "unchanged"):
        assert small.run(SELECT_A, A, config=hooks) == ""
        ran = small.query("select hook, transaction_id from app.hooks order by hook")
        assert [hook for hook, _ in ran] == ["1 in", "2 in", "3 out"]
        assert ran[0][1] == ran[1][1] < ran[2][1]
        small.query("truncate app.hooks")

    # As with dbt's own materializations, a hook before the transaction leaves the rest without one.
    hooks = f""", pre_hook=[before_begin("{insert("0 out")}"), "{insert("1 in")}"], post_hook={post_hooks}"""
    for sql in (SELECT_A, "select a + 1 as a from {{ ref('base') }}"):
        assert small.run(sql, A, config=hooks) == ""
        ran = small.query("select hook from app.hooks order by transaction_id")
        assert ran == [("0 out",), ("1 in",), ("2 in",), ("3 out",)]
        small.query("truncate app.hooks")


def test_a_long_reader_delays_the_change_and_nobody_else(small: Small) -> None:
    assert small.run(SELECT_A, A) == ""
    # A limit that the database sets for others' statements does not end the one that waits.
    small.query(f"alter database {small.database.name} set statement_timeout = '2s'")
    said: list[str] = []
    with small.database.connect() as reader, small.database.connect(autocommit=True) as others:
        reader.execute("select * from app.v")  # and its transaction goes on
        change = threading.Thread(
            target=lambda: said.append(small.run("select a + 1 as a from app.source_rows", A))
        )
        change.start()
        deadline = time.monotonic() + 60
        attempts, was_resting = 0, False
        others.execute("set statement_timeout = '5s'")
        while attempts < 6 and time.monotonic() < deadline:
            # More often than it tries: in step with its rests, none of them would be seen.
            is_resting = others.execute(
                "select count(*) from pg_stat_activity "
                "where wait_event = 'PgSleep' and query like '%create or replace view%'"
            ).fetchone() == (1,)
            attempts += is_resting and not was_resting
            was_resting = is_resting
            assert others.execute("select a from app.v").fetchall() == [(1,)]
            time.sleep(0.02)
        assert attempts == 6, said
        reader.rollback()
        change.join()
    assert said == [""]
    assert small.query("select a from app.v") == [(2,)]
