"""What the tests of fuel.fill_intervals share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo import servers
from tests.conftest import ROOT, Dbt, fresh_database

from .intervals import BUILT, Built


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
