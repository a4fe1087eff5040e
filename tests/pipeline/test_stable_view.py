"""The materialization `stable_view`: a view that is left alone, or replaced in place."""

from __future__ import annotations

import json
import threading
import time

import pytest

from tests.pipeline.small_view import SELECT_A, A, Small


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
