"""The fixtures that the tests of fuel.fill_intervals share, and those of stable views."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import servers
from tests.conftest import ROOT, Database, Dbt, fresh_database

from .intervals import BUILT, Built
from .small_view import Small


@pytest.fixture(scope="module")
def built(pg_server: servers.Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    target = tmp_path_factory.mktemp("target")
    with fresh_database(pg_server) as database:
        servers.empty_landing(pg_server, database.name)
        dbt = Dbt(ROOT, database, target)
        # Before the table exists, the compiled model is the one that computes every vehicle.
        dbt("compile", "--select", BUILT)
        compiled = target / "compiled" / "fleetfuel" / "models" / "fuel" / "fill_intervals.sql"
        from_nothing = compiled.read_text()
        dbt("build", "--select", f"+{BUILT}", "--exclude-resource-type", "test", "unit_test")
        yield Built(database, dbt, from_nothing)


@pytest.fixture
def small(tmp_path: Path, database: Database) -> Small:
    return Small(tmp_path, database)


@pytest.fixture
def roles(database: Database) -> Iterator[tuple[str, str]]:
    """Two roles for this test alone."""
    names = (f"{database.name}_x", f"{database.name}_y")
    for name in names:
        database.query(f"create role {name} nologin")
    yield names
    for name in names:
        database.query(f"drop owned by {name} cascade; drop role {name}")
