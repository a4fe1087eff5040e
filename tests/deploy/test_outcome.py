"""The words of an outcome."""

from __future__ import annotations

import psycopg
import pytest

from deploy.outcome import Outcome, one_line

pytestmark = pytest.mark.pure


def test_what_dbt_says_without_the_trail_of_macros() -> None:
    said = "Database Error in model x\n  no such column\n  > in macro upsert (macros/x.sql)\n  > called by …"
    assert one_line(said) == "Database Error in model x no such column"
    raised = psycopg.errors.RaiseException("not so\nCONTEXT:  PL/pgSQL function inline_code_block line 195")
    assert one_line(raised) == "not so"


def test_the_first_failure_gives_the_code_and_every_problem_is_told() -> None:
    outcome = Outcome()
    outcome.fail(69, "first")
    outcome.fail(1, "second")
    assert (outcome.exit_code, outcome.status, outcome.problems) == (69, "failed", ["first", "second"])


def test_a_run_that_is_turned_away_fails_only_with_a_code() -> None:
    quiet, late = Outcome(), Outcome()
    quiet.turned_away(0, "the last run is still at work")
    late.turned_away(75, "the last run hangs")
    assert (quiet.exit_code, quiet.skipped, quiet.problems) == (0, True, [])
    assert (late.exit_code, late.skipped, late.problems) == (75, False, ["the last run hangs"])
