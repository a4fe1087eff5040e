"""The hourly job writes the report page, and a page that fails is told and fails nothing."""

from __future__ import annotations

from pathlib import Path

from tests.deploy.conftest import AFTER_THE_FIRST_HOUR, Job

pytestmark = AFTER_THE_FIRST_HOUR


def test_the_page_is_written_after_the_build(job: Job, tmp_path: Path) -> None:
    code, outcome, errors = job(FUEL_REPORT_DIR=str(tmp_path))
    assert (code, outcome["problems"], errors) == (0, [], "")
    assert outcome["seconds"]["report"] > 0
    page = tmp_path / "report.html"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert page.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [page]


def test_a_page_that_fails_is_told_in_one_line_and_fails_nothing(job: Job, tmp_path: Path) -> None:
    done = job.raw(FUEL_REPORT_DIR=str(tmp_path / "nowhere"))
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert "hourly: report not written: " in line
    assert "nowhere" in line
    assert done.stdout.count("\n") == 1

    # A page that lacks a view fails nothing, either.
    job.database.query("alter view reporting.v_unmapped_values rename column csv_line to line")
    code, outcome, _ = job(FUEL_REPORT_DIR=str(tmp_path))
    assert code == 0, "the build has put the view right before"
    assert outcome["problems"] == []
