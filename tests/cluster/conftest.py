"""A Citus cluster of one coordinator and two workers on 127.0.0.1, each fleet a tenant of one node."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from demo import servers

SETTINGS = {
    "shared_preload_libraries": "citus",
    "listen_addresses": "127.0.0.1",  # by which the nodes find one another
    "citus.local_hostname": "127.0.0.1",
    "citus.enable_schema_based_sharding": "on",
    "wal_level": "logical",  # by which a fleet moves to another node
}


class Cluster:
    """The coordinator, as any server; what only a cluster has is asked of it here."""

    def __init__(self, coordinator: servers.Postgres, workers: list[servers.Postgres]) -> None:
        self.coordinator, self.workers = coordinator, workers

    def query(self, sql: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement on the coordinator and give its rows (if it has any)."""
        with self.coordinator.connect(autocommit=True) as conn:
            cursor = conn.execute(sql, params)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def port_of(self, table: str) -> int:
        """The port of the node that holds a tenant's table."""
        [(port,)] = self.query(
            "select distinct nodeport from citus_shards where table_name = %s::regclass", [table]
        )
        return int(port)

    def move(self, schema: str, port: int) -> None:
        """Bring a fleet's schema to another node; its colocated schemas stay where they are."""
        self.query("select citus_schema_move(%s, '127.0.0.1', %s, 'block_writes')", [schema, port])


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of three PostgreSQL servers with the extension, for the session."""
    bindir = os.environ.get("FLEETFUEL_CITUS_BINDIR")
    if not bindir:
        pytest.skip(
            "FLEETFUEL_CITUS_BINDIR names no PostgreSQL with the extension citus: no cluster is tried"
        )
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(servers.postgres(bindir=Path(bindir), settings=SETTINGS)) for _ in range(3)
        ]
        for node in nodes:
            with node.connect(autocommit=True) as conn:
                conn.execute("create extension citus")
        made = Cluster(nodes[0], nodes[1:])
        made.query("select citus_set_coordinator_host('127.0.0.1', %s)", [nodes[0].port])
        for worker in made.workers:
            made.query("select citus_add_node('127.0.0.1', %s)", [worker.port])
        yield made
