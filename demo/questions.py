"""docs/questions.md: its statements, and their answers on the demo's feed, which this writes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from demo import servers
from demo.__main__ import ELSEWHERE, put_devices, put_feed
from demo.feed import generate
from demo.fleet import NAIROBI

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "questions.md"
READER = "fuel_reader"
# The day of the answers on the page.
UNTIL = datetime(2026, 11, 16, 6, tzinfo=timezone.utc)
BUDGETS = """
('Logistics', '2026-01-01', 900000), ('Sales', '2026-01-01', 750000), ('Maintenance', '2026-01-01', 600000),
('Field Operations', '2026-01-01', 650000), ('Security', '2026-01-01', 550000)
"""
# As if each export had been loaded when it was made.
LOADED_WHEN_EXPORTED = """
update fuel.records_raw as records set loaded_at = loads.exported_at
from fuel.loads where records.load_id = loads.load_id;
update fuel.record_versions as versions set replaced_at = loads.exported_at
from fuel.loads where versions.replaced_by_load_id = loads.load_id;
"""
MOST_ROWS = 10
QUESTION = re.compile(r"^## (\d+\. .+?)\n(.*?)```sql\n(.*?);\n```\n(.*?)(?=^## |\Z)", re.M | re.S)
TABLE = re.compile(r"\n*^\|.*?\|\n(?!\|)", re.M | re.S)


@dataclass(frozen=True)
class Question:
    """One section of the page: its heading and its one statement."""

    title: str
    statement: str


def questions(page: str) -> list[Question]:
    """The questions of the page, in its order."""
    return [Question(title, statement) for title, _, statement, _ in QUESTION.findall(page)]


def with_answers(page: str, answers: Sequence[str]) -> str:
    """The page with one table below each statement, in place of the one that stood there."""
    waiting = iter(answers)

    def answered(found: re.Match[str]) -> str:
        title, before, statement, after = found.groups()
        rest = TABLE.sub("", "\n" + after, count=1).strip("\n")
        parts = [f"## {title}\n{before}```sql\n{statement};\n```", next(waiting), rest]
        return "\n\n".join(part for part in parts if part) + "\n\n"

    return QUESTION.sub(answered, page).rstrip("\n") + "\n"


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """An answer in Markdown: its first rows, numbers to the right."""
    cells = [[cell(value) for value in row] for row in rows[:MOST_ROWS]]
    right = [any(type(row[at]) in (int, Decimal) for row in rows) for at in range(len(names))]
    rule = ["--:" if number else "---" for number in right]
    return "\n".join(f"| {' | '.join(line)} |" for line in (names, rule, *cells))


def cell(value: Any) -> str:
    """A value as it stands in a table: thousands grouped, times in Nairobi, nothing for null."""
    if isinstance(value, datetime):
        return f"{value.astimezone(NAIROBI):%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else f"{value:,}" if isinstance(value, int | Decimal) else str(value)


def answer(postgres: servers.Postgres, question: Question) -> str:
    """The answer to one question as of `UNTIL`, read as a reader may."""
    with postgres.connect(options=f"-c role={READER} -c timezone=Africa/Nairobi") as conn:
        statement = question.statement.replace("now()", f"timestamptz '{UNTIL.isoformat()}'")
        cursor = conn.execute(statement)
        return table([column.name for column in cursor.description or ()], cursor.fetchall())


def main() -> int:
    """Load and build the demo's feed as of `UNTIL` on private servers, and write the page's answers."""
    feed = generate(5000, until=UNTIL)
    as_of = {"today": f"{UNTIL.astimezone(NAIROBI):%Y-%m-%d}", "reader_roles": [READER]}
    build = ("build", "--exclude-resource-type", "unit_test", "test", "--vars", json.dumps(as_of))
    with servers.postgres() as postgres, servers.s3() as bucket, tempfile.TemporaryDirectory() as target:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(ELSEWHERE)},
            **postgres.env(),
            **bucket.env(),
            "DBT_TARGET_PATH": target,
            "DBT_LOG_PATH": target,
        }
        put_feed(bucket, feed)
        with postgres.connect(autocommit=True) as conn:
            put_devices(conn, feed.devices)
            conn.execute(f"create role {READER} nologin")
            for mode in ("--snapshot", "--changes"):
                run(environment, sys.executable, "-m", "loader", mode, "--apply")
            conn.execute(LOADED_WHEN_EXPORTED)
            run(environment, Path(sys.executable).parent / "dbt", *build)
            conn.execute(f"insert into fuel.department_budgets values {BUDGETS}")
        page = PAGE.read_text()
        PAGE.write_text(with_answers(page, [answer(postgres, each) for each in questions(page)]))
    return 0


def run(environment: dict[str, str], *command: str | Path) -> None:
    """Run a command in the project; any exit code but 0 ends this one."""
    if subprocess.run(command, env=environment, cwd=ROOT, stdout=sys.stderr).returncode:
        raise SystemExit(f"{command[0]} failed")


if __name__ == "__main__":
    sys.exit(main())
