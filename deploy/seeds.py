"""Faults of a CSV that dbt cannot load past, nor tell by file and line: the job leaves such a seed out."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from deploy.settings import ROOT


def unreadable(file: Path) -> str | None:
    """Why dbt cannot read a seed's file, in one line; None if it can."""
    named = f"{file.parent.name}/{file.name}"
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return f'{named} line {line}: this is not UTF-8. Save it from Excel as "CSV UTF-8 (Comma delimited)"'
    rows = csv.reader(io.StringIO(text, newline=""))
    header = next(rows, None)
    if header is None:
        return f"{named}: the file is empty"
    for row in rows:
        if len(row) > len(header):
            return (
                f"{named} line {rows.line_num}: {len(row)} cells, but the header has {len(header)}."
                " A cell that holds a comma needs double quotes around it"
            )
    return None


def unreadable_seeds() -> dict[str, str]:
    """By name, the seeds of the project that dbt cannot read, and why."""
    files = sorted((ROOT / "seeds").glob("*.csv"))
    return {file.stem: problem for file in files if (problem := unreadable(file))}
