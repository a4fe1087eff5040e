"""One stable_view in a small project of its own, as dbt tests its own materializations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import Database
from tests.pipeline.warehouse import InProcess, small_project

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


A = {"a": "integer"}
SELECT_A = "select a from {{ ref('base') }}"
AB = {"a": "integer", "b": "text"}
SELECT_AB = "select a, b from app.source_rows"
ONLY_A = "select a from app.source_rows"
