"""A project folder that a test may edit, its database, and dbt as cron runs it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from demo import servers
from tests.conftest import ROOT, Database, Dbt, copy_project, keep_parsed, reuse_parsed

RECORD = {
    "car": "KCA 542Q",
    "driver": "J. Mwangi",
    "department": "Logistics",
    "fuel_type": "Diesel",
    "litres": "45.5L",
    "amount": "KES 8,190",
    "odometer": "182,440 km",
    "datetime": "2026-11-01T07:42:00.000Z",
    "created_at": "2026-11-01T07:45:10.000Z",
    "updated_at": "2026-11-01T07:45:10.000Z",
    "deleted_at": None,
}
# Few lines, so that the tests know what is in them.
ALIASES = {
    "department_aliases.csv": "alias,department\nlogistics,Logistics\nlogistcs,Logistics\nsales,Sales\n",
    "fuel_type_aliases.csv": "alias,fuel_type\ndiesel,diesel\npetrol,petrol\n",
}
# Everything of a table but where its rows lie.
ROWS = "select to_jsonb(t) from {} as t order by to_jsonb(t)::text"
VERSIONS = "select {key}, xmin::text, ctid::text from {table}"


def small_project(folder: Path, settings: str) -> Path:
    """A project that has nothing of ours but the profile and the overrides of dbt."""
    project = folder / "project"
    no_yml = shutil.ignore_patterns("*.yml")
    shutil.copytree(ROOT / "macros" / "postgres", project / "macros", ignore=no_yml)
    shutil.copy(ROOT / "macros" / "sql_literal.sql", project / "macros")
    shutil.copy(ROOT / "profiles.yml", project)
    (project / "dbt_project.yml").write_text(settings)
    return project


@dataclass
class Warehouse:
    """One project, one database; `build` is the cron line."""

    project: Path
    database: Database
    dbt: Dbt
    load_id: int = field(default=0)

    def build(self, *args: str, check: bool = True) -> str:
        """The output of `Dbt.build`."""
        done = self.dbt.build(*args, check=check)
        return done.stdout + done.stderr

    def query(self, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
        return self.database.query(sql, params)

    def value(self, sql: str, params: Any = None) -> Any:
        return self.query(sql, params)[0][0]

    def rows(self, table: str) -> list[Any]:
        """Every row of a table, as JSON, in a fixed order."""
        return [row for (row,) in self.query(ROWS.format(table))]

    def versions(self, table: str = "fuel.records", key: str = "id") -> dict[str, tuple[str, str]]:
        """By key, the row version (xmin, ctid): it changes exactly when the row is written."""
        return {k: (xmin, ctid) for k, xmin, ctid in self.query(VERSIONS.format(key=key, table=table))}

    def land(self, records: dict[str, dict[str, Any] | None], *, absent: tuple[str, ...] = ()) -> None:
        """One load, as the loader does it: by id, what differs from RECORD; `absent` ids go absent."""
        self.load_id += 1
        with self.database.connect() as conn:
            for id_, raw in records.items():
                conn.execute(
                    "insert into fuel.records_raw (id, raw, raw_digest, load_id) values (%s, %s, '', %s) "
                    "on conflict (id) do update set raw = excluded.raw, load_id = excluded.load_id, "
                    "absent_since = null, loaded_at = now()",
                    (id_, json.dumps({"id": id_, **RECORD, **(raw or {})}), self.load_id),
                )
            conn.execute(
                "update fuel.records_raw set absent_since = now(), load_id = %s where id = any(%s)",
                (self.load_id, list(absent)),
            )

    def device(self, imei: str, vehicle_number: str | None, **columns: Any) -> None:
        """One row of the tracker's table."""
        names = ["imei", "vehicle_number", *columns]
        self.query(
            f"insert into tracksolid.devices ({', '.join(names)}) values ({', '.join(['%s'] * len(names))})",
            [imei, vehicle_number, *columns.values()],
        )

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace `old`, which must be there, by `new` in a file of the project."""
        file = self.project / path
        text = file.read_text()
        assert old in text, f"{old!r} is not in {path}"
        file.write_text(text.replace(old, new, 1))

    def add_column(self, path: str, column: str) -> None:
        """Add a column at the end of those in a model's yml, before its unit tests."""
        self.edit(path, "\nunit_tests:", f"{column}\nunit_tests:")

    def append(self, path: str, text: str) -> None:
        """Add lines at the end of a file of the project."""
        file = self.project / path
        file.write_text(file.read_text().rstrip("\n") + "\n" + text)


def warehouse(database: Database, folder: Path) -> Warehouse:
    """A fresh copy of the project on `database`, which gets empty landing tables."""
    project = copy_project(folder / "project")
    for name, lines in ALIASES.items():
        (project / "seeds" / name).write_text(lines)
    servers.empty_landing(database.server, database.name)
    return Warehouse(project, database, Dbt(project, database, folder / "target"))


def from_nothing(original: Warehouse, database: Database, folder: Path) -> Warehouse:
    """The same landing data and the same project on an empty database, built once."""
    other = Warehouse(original.project, database, Dbt(original.project, database, folder / "target"))
    servers.empty_landing(database.server, database.name)
    with original.database.connect() as source, database.connect() as target:
        for table in ("fuel.records_raw", "tracksolid.devices"):
            with (
                source.cursor().copy(f"copy {table} to stdout") as read,
                target.cursor().copy(f"copy {table} from stdin") as write,
            ):
                for block in read:
                    write.write(block)
    other.build()
    return other


@dataclass
class InProcess:
    """dbt on one project and one database in this process: quicker than `Dbt` by its start-up."""

    project: Path
    database: Database
    target: Path
    manifest: Any = None

    def __call__(self, *args: str) -> tuple[bool, str]:
        """Run `dbt ARGS`; whether it succeeded, and what the failed nodes or dbt itself had to say."""
        done = self.invoke(*args)
        results = getattr(done.result, "results", None) or []
        said = [str(done.exception or ""), *(f"{r.status} {r.message}" for r in results)]
        return done.success, "\n".join(said)

    def invoke(self, *args: str) -> Any:
        """Run `dbt ARGS`; dbt's own result."""
        options = ["--project-dir", self.project, "--profiles-dir", self.project]
        options += ["--target-path", self.target, "--log-path", self.target]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.database.env, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}.items():
                patch.setenv(name, value)
            patch.chdir(self.project)
            runner = dbtRunner(manifest=self.manifest)
            return runner.invoke(["--quiet", "--no-write-json", *args, *map(str, options)])

    def parse(self) -> None:
        """Parse the project once for all later calls."""
        reuse_parsed(self.database, self.target)
        self.manifest = self.invoke("parse").result
        keep_parsed(self.database, self.target)
