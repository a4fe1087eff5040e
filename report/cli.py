"""`fuel-report --out report.html`: connect as a reader of the views, read them once, write one file."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg

from deploy import settings
from deploy.health import ACT
from deploy.hourly import explain
from loader import __version__

# All queries see one moment, nothing can be written, and no name of another schema is taken for ours.
SESSION = """
set default_transaction_isolation = 'repeatable read';
set default_transaction_read_only = on;
set search_path = pg_catalog, pg_temp;
set timezone = 'Africa/Nairobi';
set jit = off
"""


class Unreadable(Exception):
    """A reason why there is no report, told in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report; exit code 0, or 2 (usage, configuration) or 69 (database unreachable)."""
    parser = argparse.ArgumentParser(
        prog="fuel-report",
        description="Write the fuel report as one HTML file, made from the reporting views alone.",
        epilog="It needs a login that may read the views, such as one in fuel_reader.",
    )
    parser.add_argument("--out", type=Path, required=True, help="the file to write, e.g. report.html")
    parser.add_argument(
        "--env-file", type=Path, metavar="PATH", help="settings in place of the project's .env"
    )
    parser.add_argument("--version", action="version", version=f"fleetfuel {__version__}")
    options = parser.parse_args(argv)
    try:
        settings.read_settings(options.env_file)
        write(options.out)
    except (settings.Unusable, Unreadable, OSError) as error:
        print(f"fuel-report: {error}", file=sys.stderr)
        return 2
    except psycopg.OperationalError as error:
        code, words = explain(error)
        print(f"fuel-report: {words}", file=sys.stderr)
        return code
    print(options.out)
    return 0


def write(out: Path) -> None:
    """Read the views and replace `out` by the new page in one step: a reader never sees half of it."""
    try:
        from report import figures, page
    except ImportError as error:
        raise Unreadable(
            f"the charts need more packages ({error.name}): "
            "pip install --no-deps --require-hashes -r requirements-report.lock"
        ) from None
    prefix = settings.schema_prefix()
    reporting = f"{prefix}reporting"
    with settings.connect() as conn:
        conn.execute(SESSION)
        conn.execute(ACT, [f"{prefix}fuel_dbt", reporting])
        conn.commit()
        try:
            tables = figures.read(conn, reporting)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise Unreadable(
                f"a view is missing or older than this program; run dbt build ({_first_line(error)})"
            ) from None
        except psycopg.errors.InsufficientPrivilege as error:
            raise Unreadable(
                f"this login may not read the views ({_first_line(error)}); see reader_roles"
            ) from None
    html = page.render(tables)
    handle, name = tempfile.mkstemp(dir=out.parent or ".", prefix=f".{out.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(html)
        os.chmod(name, 0o644)
        os.replace(name, out)
    except BaseException:
        os.unlink(name)
        raise


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
