"""The settings of the job, from the environment, then .env; and where it may write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy import settings
from deploy.settings import SESSION, Unusable, acting_as, read_settings, state_dir

pytestmark = pytest.mark.pure


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, in an empty environment."""
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    monkeypatch.setattr(os, "environ", {})
    (tmp_path / "dbt_project.yml").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("environment", "file", "meant"),
    [
        ({"PGUSER": "env"}, "PGHOST=file\nPGUSER=file", {"PGHOST": "file", "PGUSER": "env"}),
        ({"PGHOST": ""}, "PGHOST=file", {"PGHOST": "file"}),
        ({"PGHOST": "env"}, "DATABASE_URL=postgresql://u@file/x", {"PGHOST": "env"}),
        ({"PGHOST": ""}, "DATABASE_URL=postgresql://file", {"PGHOST": "file"}),
        ({"DATABASE_URL": "postgresql://env"}, "PGHOST=file", {"PGHOST": "env"}),
        (
            {"DATABASE_URL": "postgresql://u%40:p%20%C3%A9@h:1/x?sslmode=require"},
            "",
            {"PGUSER": "u@", "PGPASSWORD": "p é", "PGHOST": "h", "PGPORT": "1", "PGDATABASE": "x"}
            | {"PGSSLMODE": "require"},
        ),
        # libpq has no variable for these.
        (
            {"DATABASE_URL": "postgresql://h/x?keepalives_idle=30&sslpassword=a%20b"},
            "",
            {"PGHOST": "h", "PGDATABASE": "x", "DATABASE_URL": "keepalives_idle=30 sslpassword='a b'"},
        ),
    ],
)
def test_who_wins(project: Path, environment: dict[str, str], file: str, meant: dict[str, str]) -> None:
    (project / ".env").write_text(file)
    os.environ.update(environment)
    read_settings()
    assert {name: value for name, value in os.environ.items() if value and "PYTEST" not in name} == meant


def test_a_folder_without_a_project_is_told(project: Path) -> None:
    (project / "dbt_project.yml").unlink()
    with pytest.raises(Unusable, match="there is no dbt project in"):
        read_settings()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://fuel:s3cret/word@h:5432/x", "write an @ of the password as %40, and a / as %2F"),
        ("postgresql://fuel:s3cret@word@h:5432/x", "write an @ of the password as %40, and a / as %2F"),
        (
            "postgresql://fuel:p@s3cret/word@db.example.org",
            "write an @ of the password as %40, and a / as %2F",
        ),
        ("postgresql://fuel:123456/word@h:5432/x", "write an @ of the password as %40, and a / as %2F"),
        ("postgresql://fuel:s3cret%FC@h:5432/x", "it is not UTF-8"),
        ("postgresql://fuel:s3cret\udcfc@h:5432/x", "it is not UTF-8"),
    ],
)
def test_a_url_that_is_none_is_told_without_the_password(project: Path, url: str, told: str) -> None:
    os.environ["DATABASE_URL"] = url
    with pytest.raises(Unusable) as failure:
        read_settings()
    assert str(failure.value) == f"DATABASE_URL cannot be read: {told}"


def test_a_role_is_added_to_the_options_and_taken_away_again(project: Path) -> None:
    os.environ["DATABASE_URL"] = "postgresql://h/x?options=-c%20geqo%3Doff"
    read_settings()
    with acting_as("fuel_dbt"):
        assert os.environ["PGOPTIONS"] == f"-c geqo=off {SESSION} -c role=fuel_dbt"
    assert os.environ["PGOPTIONS"] == "-c geqo=off"


def test_where_dbt_may_write(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.environ["HOME"] = str(project / "home")
    assert state_dir() == project / "home/.local/state/fleetfuel"
    os.environ["XDG_STATE_HOME"] = str(project / "state")
    assert state_dir() == project / "state/fleetfuel"
    os.environ["FUEL_STATE_DIR"] = str(project / "own")
    assert state_dir() == project / "own"
    monkeypatch.chdir(project)
    for given in ("~/../own", "own"):
        os.environ["FUEL_STATE_DIR"] = given
        assert state_dir() == project / "own"
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(Unusable, match="not writable"):
        state_dir()
    os.environ |= {"FUEL_STATE_DIR": "", "XDG_STATE_HOME": "~no-such-user/state"}
    with pytest.raises(Unusable, match="home directory"):
        state_dir()
