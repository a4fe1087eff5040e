"""A copy of the project with a seed to edit, and what the tests of seeds share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT, Database, Dbt, copy_project

DEPARTMENTS = "alias,department\nlogistics,Logistics\nlogistcs,Logistics\nsales,Sales\n"
TYPED = {
    "column_types": {
        "rule": "text", "valid_from": "date", "limit": "numeric(6, 2)", "days": "integer", "on": "boolean",
    },
    "meta": {
        "csv_checks": {
            "required": ["limit"], "key": ["rule", "valid_from"],
            "ranges_by": "rule", "ranges": {"days": {"speed": [1, 30]}},
        },
    },
}  # fmt: skip
TYPED_HEADER = "rule,valid_from,limit,days,on\n"


def seed_config(name: str) -> dict[str, Any]:
    """The `config` that the project's own yml gives to a seed."""
    declared = yaml.safe_load((ROOT / "seeds" / f"{name}.yml").read_text())
    config: dict[str, Any] = declared["seeds"][0]["config"]
    return config


class SeedProject:
    """A copy of the project with one seed `demo_seed` to edit, and the table it becomes."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.project = copy_project(folder / "project")
        self.database = database
        self.dbt = Dbt(self.project, database, folder / "target")

    def load(self, csv: str, *args: str, check: bool = True, **config: Any) -> str:
        (self.project / "seeds" / "demo_seed.csv").write_bytes(csv.encode())
        declared = {"name": "demo_seed", "description": "Demo.", "config": config}
        (self.project / "seeds" / "demo_seed.yml").write_text(yaml.safe_dump({"seeds": [declared]}))
        return self.dbt("seed", "--select", "demo_seed", *args, check=check).stdout

    def rows(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return self.database.query(f"select {columns} from fuel.demo_seed order by 1, 2")

    def versions(self) -> dict[str, tuple[Any, ...]]:
        """Row version by alias: a row that was written again has another one."""
        return {row[0]: row[1:] for row in self.rows("alias, xmin::text, ctid::text")}
