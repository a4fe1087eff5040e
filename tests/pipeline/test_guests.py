"""Another dbt package beside this project is built as dbt builds it: our overrides are for our own nodes."""

from __future__ import annotations

from pathlib import Path

from demo import servers
from tests.conftest import Database, Dbt, copy_project

GUEST = {
    "dbt_project.yml": """
name: guest
version: "1.0"
function-paths: [functions]
seeds: {guest: {+schema: guest}}
models: {guest: {+schema: guest}}
functions: {guest: {+schema: guest}}
""",
    "seeds/no_lines.csv": "a,b\n",
    # A seed of ours is refused for these, or loaded without them: blank and repeated lines.
    "seeds/odd_lines.csv": "a,b\nx,1\nx,1\n,\n",
    "seeds/guest.yml": """
seeds:
  - {name: odd_lines, config: {column_types: {a: text, b: integer, c: text}}}
""",
    "models/guest_view.sql": "select * from {{ ref('odd_lines') }}",
    "models/guest_table.sql": """
{{ config(materialized='table') }}
select a, count(*) as n from {{ ref('guest_view') }} group by a
""",
    "models/guest_incremental.sql": """
{{ config(materialized='incremental', on_schema_change='append_new_columns', contract={'enforced': true}) }}
select 1 as id {% if is_incremental() %}, 2 as more{% endif %}
""",
    "models/guest.yml": """
models:
  - name: guest_incremental
    columns: [{name: id, data_type: integer, constraints: [{type: not_null}]}]
""",
    "functions/one.sql": "select 1",
    "functions/one.yml": """
functions:
  - {name: one, arguments: [], returns: {data_type: integer}}
""",
}  # fmt: skip


def test_a_package_beside_ours_is_built_as_dbt_builds_it(database: Database, tmp_path: Path) -> None:
    for name, text in GUEST.items():
        file = tmp_path / "guest" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    project = copy_project(tmp_path / "project")
    (project / "packages.yml").write_text("packages:\n  - local: ../guest\n")
    servers.empty_landing(database.server, database.name)
    dbt = Dbt(project, database, tmp_path / "target")
    dbt("deps")
    dbt("build", "--select", "package:guest")
    assert database.query("select count(*) from fuel_guest.no_lines") == [(0,)]
    assert database.query("select count(*), count(a) from fuel_guest.odd_lines") == [(3, 2)]
    assert database.query("select n from fuel_guest.guest_table where a = 'x'") == [(2,)]
    parallel = "select proparallel from pg_proc where pronamespace = 'fuel_guest'::regnamespace"
    assert database.query(parallel) == [("u",)]
    [(oid,)] = database.query("select 'fuel_guest.odd_lines'::regclass::oid")
    # dbt's way, which we would not take: with everything that stands on it.
    dbt("build", "--select", "package:guest", "--full-refresh")
    assert database.query("select 'fuel_guest.odd_lines'::regclass::oid") != [(oid,)]
