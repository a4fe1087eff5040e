"""Plain `dbt build` by a login that has the settings which the head of deploy/roles.sql gives it."""

from __future__ import annotations

import re
from dataclasses import replace

from demo import servers
from tests.conftest import ROOT, Database, Dbt

# By name, arguments that fit a call better than those of PostgreSQL's own function.
CALLS = {
    "date_trunc": "text, timestamptz, text",
    "md5": "varchar",
    "format": "text, text",
    "concat_ws": "text, text, text",
    "starts_with": "varchar, varchar",
    "round": "double precision, integer",
    "upper": "varchar",
    "lower": "varchar",
    "left": "text, bigint",
    "quote_ident": "name",
    "pg_get_viewdef": "bigint",
    "to_regclass": "varchar",
    "set_config": "text, varchar, boolean",
    "obj_description": "oid, text",
}


def test_nobodys_function_runs_in_a_plain_build(database: Database, dbt: Dbt) -> None:
    login = f"{database.name}_job"
    servers.empty_landing(database.server, database.name)
    database.query("create table public.seen (function text)")
    for name, arguments in CALLS.items():
        database.query(
            f"create function public.{name}({arguments}) returns text language plpgsql as"
            f" $$ begin insert into public.seen values ('{name}'); return null; end $$"
        )
    database.query(f"alter database {database.name} set search_path = public, pg_catalog")
    settings = re.findall(r"alter role fuel_job set [^;]+;", (ROOT / "deploy" / "roles.sql").read_text())
    # To build here, it needs no membership.
    database.query(f"create role {login} login superuser")
    try:
        plain = replace(database, server=replace(database.server, user=login))
        plain.query("select upper('x'::varchar)")
        assert database.query("select * from public.seen") == [("upper",)], "the trap does not work"
        database.query("delete from public.seen")
        for setting in settings:
            database.query(setting.replace("fuel_job", login))
        replace(dbt, database=plain).build()
        assert database.query("select * from public.seen") == []
    finally:
        database.query(f"reassign owned by {login} to postgres; drop role {login}")
