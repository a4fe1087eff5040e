"""The page itself: sections, tables and style put into one HTML file that asks for nothing else."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from report import words
from report.figures import Table
from report.sections import ORDER

FOLDER = Path(__file__).parent


def render(tables: dict[str, Table]) -> str:
    """The page of these figures. Every text of the database is escaped by the template."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words)
    return environment.get_template("page.html").render(
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        headline=tables["headline"],
        sections=[module.section(tables) for module in ORDER],
    )
