"""seeds/anomaly_rules.csv and anomaly_thresholds.csv: a wrong line is refused in words."""

from __future__ import annotations

import re

import pytest
import yaml

from demo import servers
from tests.conftest import ROOT, Dbt, copy_project, fresh_database

RULES = (ROOT / "seeds" / "anomaly_rules.csv").read_text()
LAST = RULES.count("\n")  # the line of plate_unknown
THRESHOLDS = (ROOT / "seeds" / "anomaly_thresholds.csv").read_text()
OLD_FORM = (
    "rule,enabled,threshold,second_threshold,third_threshold,fourth_threshold,min_samples,severity,description\n"
    "odometer_rollback,true,10,,,,,medium,The odometer reads less.\n"
)


def without(text: str, start: str) -> str:
    """The CSV without the line that begins so."""
    line = re.search(rf"(?m)^{start}.*\n", text)
    assert line, start
    return text.replace(line[0], "")


def changed(text: str, old: str, new: str) -> str:
    """The CSV with a text that must be there replaced."""
    assert old in text, old
    return text.replace(old, new)


WRONG = {
    "rules": {
        "old form": (OLD_FORM, "Thresholds are lines of seeds/anomaly_thresholds.csv now"),
        "unknown rule": (
            RULES + "theft,true,high,Fuel is gone.\n",
            f"line {LAST + 1}: rule 'theft' must be one of",
        ),
        "no severity": (
            changed(RULES, "plate_unknown,true,low", "plate_unknown,true,"),
            f"line {LAST}: severity is empty",
        ),
        "not a switch": (
            changed(RULES, "plate_unknown,true", "plate_unknown,on"),
            "enabled 'on' must be true or false",
        ),
        "twice": (
            RULES + "plate_unknown,false,low,Off.\n",
            f"line {LAST + 1}: plate_unknown -> f, low, Off. contradicts line {LAST}",
        ),
    },
    "thresholds": {
        "line missing": (
            without(THRESHOLDS, "refill_too_soon,max_hours"),
            "a line is missing: refill_too_soon needs max_hours, from 0 to 168",
        ),
        "value empty": (
            changed(THRESHOLDS, "max_km_below,10", "max_km_below,"),
            "line 2: value is empty, and odometer_rollback needs it",
        ),
        "too low": (
            changed(THRESHOLDS, "max_times_usual,1.25,Litres of a", "max_times_usual,0.5,Litres of a"),
            "value '0.5' must be from 1 to 10 for max_times_usual of litres_over_usual_maximum",
        ),
        "too high": (
            changed(THRESHOLDS, "max_hours,12", "max_hours,169"),
            "value '169' must be from 0 to 168 for max_hours",
        ),
        "no number": (changed(THRESHOLDS, "max_hours,12", "max_hours,12h"), "value '12h' must be a number"),
        "unknown rule": (
            THRESHOLDS + "theft,max,1,Most.\n",
            "rule 'theft' must be one of duplicate_submission",
        ),
        "unknown threshold": (
            THRESHOLDS + "odometer_rollback,max_hours,1,Hours.\n",
            "threshold 'max_hours' is none of odometer_rollback's: max_km_below",
        ),
        "twice": (
            THRESHOLDS + "odometer_rollback,max_km_below,11,Km.\n",
            "odometer_rollback, max_km_below -> 11, Km. contradicts line 2",
        ),
    },
}
RIGHT = {
    "optional value empty": changed(THRESHOLDS, "silent_from_times,3", "silent_from_times,"),
    "optional line missing": without(THRESHOLDS, "economy_below_baseline,silent_from_times"),
}


@pytest.fixture(scope="module")
def said(pg_server: servers.Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every file as a seed with the config of the real one; one `dbt seed`; what it said, by seed."""
    folder = tmp_path_factory.mktemp("wrong_seeds")
    project = copy_project(folder / "project")
    contents = {f"{kind} {case}": text for kind, cases in WRONG.items() for case, (text, _) in cases.items()}
    contents |= {f"thresholds {case}": text for case, text in RIGHT.items()}
    declared = []
    for name, text in contents.items():
        kind = name.partition(" ")[0]
        seed = f"tried_{name.replace(' ', '_')}"
        (project / "seeds" / f"{seed}.csv").write_text(text)
        real = yaml.safe_load((ROOT / "seeds" / f"anomaly_{kind}.yml").read_text())["seeds"][0]
        declared.append({"name": seed, "config": real["config"]})
    (project / "seeds" / "tried.yml").write_text(yaml.safe_dump({"seeds": declared}))
    with fresh_database(pg_server) as database:
        done = Dbt(project, database, folder / "target")("seed", "--select", "tried_*", check=False)
    found = re.split(r"(?:Compilation|Database) Error in seed (\w+)", done.stdout)
    return dict(zip(found[1::2], found[2::2], strict=True))


@pytest.mark.parametrize(("kind", "case"), [(kind, case) for kind, cases in WRONG.items() for case in cases])
def test_a_wrong_line_is_refused_in_words(said: dict[str, str], kind: str, case: str) -> None:
    assert WRONG[kind][case][1] in said[f"tried_{kind}_{case.replace(' ', '_')}"]


def test_a_threshold_that_a_rule_can_do_without_may_be_missing(said: dict[str, str]) -> None:
    right = {f"tried_thresholds_{case.replace(' ', '_')}" for case in RIGHT}
    assert len(said) == sum(map(len, WRONG.values()))
    assert not right & said.keys()
