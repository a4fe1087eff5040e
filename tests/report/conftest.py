"""One small fleet, loaded and built as in production, and the report page that its reader makes of it."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import servers
from demo.__main__ import put_devices, put_feed
from demo.feed import generate
from tests.conftest import ROOT, Bucket, Database, Dbt, copy_project, fresh_database
from tests.overpaid import put_overpaid

# A department as somebody may type it who means no good.
HOSTILE = "<img src=x onerror=alert(1)> & </script><b>Söhne"
BUDGETS = "department,valid_from,budget_kes\nLogistics,2020-01-01,100\nSales,2020-01-01,90000000\n"


@dataclass(frozen=True)
class Report:
    """A database whose views a login of fuel_reader's rights may read, and nothing else."""

    database: Database
    reader: str
    folder: Path

    def run(
        self, *args: str, code: str = "", bare: bool = False, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """`fuel-report ARGS` in an empty environment; `code` runs before it in the same process."""
        started = f"import sys; {code or 'pass'}; from report.cli import main; sys.exit(main(sys.argv[1:]))"
        return subprocess.run(
            [sys.executable, "-c", started, *args],
            cwd=self.folder,
            env={"PYTHONPATH": str(ROOT)}
            | ({} if bare else {**self.database.env, "PGUSER": self.reader})
            | env,
            capture_output=True,
            text=True,
        )

    def write(self, name: str = "report.html") -> str:
        """The page."""
        done = self.run("--out", name)
        assert done.returncode == 0, done.stderr
        return (self.folder / name).read_text(encoding="utf-8")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask as the reader."""
        server = self.database.server
        with psycopg.connect(
            host=server.host, port=server.port, dbname=self.database.name, user=self.reader
        ) as conn:
            return conn.execute(sql.encode()).fetchall()


@pytest.fixture(scope="package")
def empty_and_full(
    pg_server: servers.Postgres, s3_server: servers.S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Report]]:
    """The page of a fleet that has not reported yet, and then the fleet with its fills."""
    folder = tmp_path_factory.mktemp("report")
    project = copy_project(folder / "project")
    (project / "seeds" / "department_budgets.csv").write_text(BUDGETS)
    bucket = Bucket(s3_server, f"report-{os.getpid()}-{folder.name}".lower())
    feed = generate(1500, until=datetime.now(timezone.utc))
    put_feed(s3_server, feed, bucket.name)
    with fresh_database(pg_server) as database:
        reader = f"{database.name}_reader"
        report = Report(database, reader, folder)
        database.query(f"create role {reader} login")
        try:
            dbt = Dbt(project, database, folder / "target")
            readers = ("--vars", f"{{reader_roles: [{reader}]}}")
            servers.empty_landing(pg_server, database.name)
            dbt.build(*readers)
            empty = report.write("empty.html")
            with database.connect(autocommit=True) as conn:
                put_devices(conn, feed.devices)
            load(database, bucket, "--snapshot")
            load(database, bucket, "--changes")
            put_overpaid(database, 6)
            rename_a_department(database)
            dbt.build(*readers)
            yield empty, report
        finally:
            database.query(f"drop owned by {reader}; drop role {reader}")


@pytest.fixture(scope="package")
def report(empty_and_full: tuple[str, Report]) -> Report:
    return empty_and_full[1]


@pytest.fixture(scope="package")
def page(report: Report) -> str:
    """The page of the fleet, as it is written."""
    return report.write()


def load(database: Database, bucket: Bucket, *args: str) -> None:
    """`fuel-loader ARGS --apply`; some items of the feed are refused, and that is no failure."""
    done = subprocess.run(
        [sys.executable, "-m", "loader", *args, "--apply"],
        env={**os.environ, **database.env, **bucket.env, "RUSTFS_BUCKET": bucket.name},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr


def rename_a_department(database: Database) -> None:
    """Let the drivers of Security write something else from now on."""
    database.query(
        "update fuel.records_raw set raw = jsonb_set(raw, '{department}', to_jsonb(%s::text)),"
        " load_id = (select max(load_id) from fuel.loads) where raw ->> 'department' ilike 'secur%%'",
        [HOSTILE],
    )


def tables(page: str) -> dict[str, tuple[list[list[str]], str]]:
    """By caption: the texts of a table's cells, its header first, and the query that stands under it."""
    found = {}
    for part in re.findall(r'<details class="figures">(.*?)</details>', page, re.S):
        caption = html.unescape(re.search(r"<summary>(.*?) <span", part, re.S)[1])  # type: ignore[index]
        rows = [
            [html.unescape(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)]
            for row in re.findall(r"<tr>(.*?)</tr>", part, re.S)
        ]
        query = html.unescape(re.search(r"<pre[^>]*><code>(.*?)</code>", part, re.S)[1])  # type: ignore[index]
        found[caption] = (rows, query)
    return found


def marks(page: str, section: str, drawing: str = "wide") -> list[list[dict[str, str]]]:
    """By chart of a section: what each mark of its drawing says of itself, by field."""
    [part] = re.findall(rf'<section id="{section}".*?</section>', page, re.S)
    charts = re.findall(rf'<div class="drawing {drawing}".*?</svg>', part, re.S)
    return [
        [
            dict(each.split(": ", 1) for each in html.unescape(label).split("; "))
            for label in re.findall(r'aria-label="([^"]*: [^"]*)" role="graphics-symbol"', chart)
        ]
        for chart in charts
    ]
