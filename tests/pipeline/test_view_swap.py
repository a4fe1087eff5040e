"""Where PostgreSQL cannot replace a view in place, `stable_view` makes it anew, and the views on it."""

from __future__ import annotations

import re
import threading
import time

import pytest

from tests.conftest import NEWEST_AND_OLDEST, Database
from tests.pipeline.small_view import AB, ONLY_A, SELECT_AB, A, Small


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


def test_a_swap_leaves_each_view_in_its_schema(small: Small) -> None:
    """A view on the search_path is found without its schema, but would be created in the path's first one."""
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
