"""The figures of the page: each table answers one file of queries/, which the page shows beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from report import words

QUERIES = Path(__file__).parent / "queries"


@dataclass(frozen=True)
class Table:
    """The answer to a query, and the query itself as an analyst can run it."""

    query: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]

    def is_numeric(self, column: str) -> bool:
        """Whether a column holds numbers, which a table aligns to the right."""
        return any(words.is_number(row[column]) for row in self.rows)

    def lines(self, most: int | None = None) -> list[list[tuple[str, bool]]]:
        """The first rows as a table shows them: each cell's text, and whether it is a number."""
        shown = [words.cells([row[column] for row in self.rows[:most]]) for column in self.columns]
        numeric = [self.is_numeric(column) for column in self.columns]
        return [list(zip(line, numeric, strict=True)) for line in zip(*shown, strict=True)]


def read(conn: psycopg.Connection[Any], reporting: str) -> dict[str, Table]:
    """Run every query on the schema `reporting`, by the name of its file."""
    return {path.stem: _table(conn, path, reporting) for path in sorted(QUERIES.glob("*.sql"))}


def _table(conn: psycopg.Connection[Any], path: Path, reporting: str) -> Table:
    query = path.read_text(encoding="utf-8").strip().format(reporting=reporting)
    cursor = conn.execute(query.encode())
    columns = tuple(column.name for column in cursor.description or ())
    return Table(query, columns, tuple(dict(zip(columns, row, strict=True)) for row in cursor))
