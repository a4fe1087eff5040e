"""`fuel-report` where something is missing: one line that says what, and nothing half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Database
from tests.report.conftest import Report


def told(report: Report, exit_code: int, *args: str, code: str = "", **env: str) -> str:
    """The one line that a failing run says."""
    done = report.run(*(args or ("--out", "failed.html")), code=code, **env)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert not list(report.folder.glob("*failed.html*"))
    return done.stderr


@pytest.mark.parametrize("missing", ["altair", "vl_convert", "jinja2"])
def test_a_missing_extra_is_named(report: Report, missing: str) -> None:
    line = told(report, 2, code=f"sys.modules[{missing!r}] = None")
    assert missing in line
    assert "-r requirements-report.lock" in line


def test_no_database(report: Report) -> None:
    assert "unreachable" in told(report, 69, PGPORT="1")
    assert "PGDATABASE" in told(report, 2, PGDATABASE="nowhere")


def test_no_views_no_rights(report: Report, database: Database) -> None:
    assert "run dbt build" in told(report, 2, PGDATABASE=database.name)
    database.query(
        "create schema reporting; create view reporting.v_fuel_fills as select now() as filled_at;"
        "create view reporting.v_pipeline_health as select 1 as a"
    )
    assert "may not read" in told(report, 2, PGDATABASE=database.name)


def test_no_folder_no_place(report: Report, tmp_path: Path) -> None:
    assert "No such file" in told(report, 2, "--out", str(tmp_path / "nowhere" / "failed.html"))


def test_wrong_prefix(report: Report) -> None:
    assert "FUEL_SCHEMA_PREFIX" in told(report, 2, FUEL_SCHEMA_PREFIX="North;--")


def test_one_fleet_of_several(report: Report) -> None:
    """The views of a second fleet, which are the first one's under another name."""
    query = report.database.query
    query(f"create schema north_reporting; grant usage on schema north_reporting to {report.reader}")
    for (view,) in query("select relname from pg_class where relnamespace = 'reporting'::regnamespace"):
        query(f"create view north_reporting.{view} as select * from reporting.{view}")
    query(f"grant select on all tables in schema north_reporting to {report.reader}")
    done = report.run("--out", "north.html", FUEL_SCHEMA_PREFIX="north_")
    assert done.returncode == 0, done.stderr
    page = (report.folder / "north.html").read_text(encoding="utf-8")
    assert "from north_reporting.v_fuel_fills" in page
    assert "from reporting." not in page


def test_env_file_and_url(report: Report) -> None:
    server = report.database.server
    url = (
        f"postgresql://{report.reader}@{server.host.replace('/', '%2F')}:{server.port}/{report.database.name}"
    )
    file = report.folder / "fleet.env"
    file.write_text(f"DATABASE_URL={url}\n")
    done = report.run("--env-file", str(file), "--out", "by_url.html", bare=True)
    assert done.returncode == 0, done.stderr
    assert (report.folder / "by_url.html").stat().st_size > 50_000
    assert "nowhere.env" in told(report, 2, "--env-file", "nowhere.env", "--out", "failed.html")


def test_the_page_before_stays_where_the_new_one_fails(report: Report, page: str) -> None:
    before = (report.folder / "report.html").read_text(encoding="utf-8")
    done = report.run("--out", "report.html", PGPORT="1")
    assert done.returncode == 69
    assert (report.folder / "report.html").read_text(encoding="utf-8") == before
