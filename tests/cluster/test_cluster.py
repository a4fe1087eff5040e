"""Two fleets as tenants of a Citus cluster: each equals itself alone on a single server, step by step."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from demo import servers
from demo.__main__ import put_devices, put_feed
from demo.feed import Feed, generate
from tests.cluster.conftest import Cluster
from tests.conftest import Database, Dbt, copy_project, fresh_database

PREFIXES = ("north_", "south_")
RELATIONS = """
select relname from pg_class
where relnamespace = to_regnamespace(%s) and relkind in ('r', 'v') and relname <> all(%s) order by 1
"""
# Two runs of the same steps differ in their own ids and in the times at which they ran.
OWN = ("builds", "landing_versions", "v_pipeline_health")
TIMES = (
    "loaded_at", "first_loaded_at", "started_at", "finished_at", "checked_at", "updated_at",
    "replaced_at", "changed_at", "last_met_at",
)  # fmt: skip


@dataclass(frozen=True)
class Fleet(Database):
    """One fleet of a database, with a project of its own that the steps edit."""

    prefix: str
    project: Path
    bucket: servers.S3

    @property
    def env(self) -> dict[str, str]:
        return {**super().env, "FUEL_SCHEMA_PREFIX": self.prefix}

    def load(self) -> None:
        """The work of cron before the build: the snapshot, then the deltas."""
        env = {**os.environ, **self.env, **self.bucket.env(self.prefix.strip("_"))}
        for mode in ("--snapshot", "--changes"):
            command = [sys.executable, "-m", "loader", mode, "--apply"]
            done = subprocess.run(command, env=env, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

    def build(self, target: Path) -> None:
        """`dbt build` of this fleet."""
        Dbt(self.project, self, target / self.prefix).build()

    def content(self) -> dict[str, list[Any]]:
        """Every row of every table and view, as JSON, without the times at which it was written."""
        rows = "select to_jsonb(t) - %s::text[] as row from {}.{} as t order by 1"
        return {
            f"{part}.{name}": self.query(rows.format(f"{self.prefix}{part}", name), [list(TIMES)])
            for part in ("fuel", "reporting")
            for (name,) in self.query(RELATIONS, [f"{self.prefix}{part}", list(OWN)])
        }


Steps = dict[str, Callable[[Fleet], None]]


def edit(fleet: Fleet, path: str, old: str, new: str) -> None:
    """Replace `old`, which must be there, in a file of the fleet's project."""
    file = fleet.project / path
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))


def deltas(fleet: Fleet) -> None:
    """The objects that came after the snapshot."""
    fleet.load()


def alias_and_rule(fleet: Fleet) -> None:
    """A spelling gets a department, and a rule another severity."""
    with (fleet.project / "seeds" / "department_aliases.csv").open("a") as file:
        file.write("cold room,Logistics\n")
    edit(fleet, "seeds/anomaly_rules.csv", "plate_unknown,true,low", "plate_unknown,true,high")


def normaliser(fleet: Fleet) -> None:
    """A changed normaliser derives all of history anew."""
    edit(fleet, "macros/normalisers/parse_number.sql", "999999999.5", "99999999.5")


def gone_back(fleet: Fleet) -> None:
    """The landing is restored from a backup that lacks the newest load."""
    schema = f"{fleet.prefix}fuel"
    [(newest,)] = fleet.query(f"select max(load_id) from {schema}.records_raw")
    fleet.query(f"delete from {schema}.records_raw where load_id = {newest}")


STEPS: Steps = {
    "first load and deltas": deltas,
    "edits of lists": alias_and_rule,
    "changed normaliser": normaliser,
    "landing gone back": gone_back,
}


@pytest.fixture(scope="module")
def feeds(s3_server: servers.S3) -> dict[str, Feed]:
    """A feed for each fleet, in a bucket of its own."""
    made = {}
    for seed, prefix in enumerate(PREFIXES):
        made[prefix] = generate(400, until=datetime(2026, 11, 1, tzinfo=timezone.utc), seed=seed + 1)
        put_feed(s3_server, made[prefix], prefix.strip("_"))
    return made


def prepare(database: Database, feed: Feed, prefix: str, folder: Path, bucket: servers.S3) -> Fleet:
    """The tracker's table, which belongs to no fleet, and a copy of the project."""
    [(there,)] = database.query("select to_regclass('tracksolid.devices')")
    if not there:
        with database.connect(autocommit=True) as conn:
            if isinstance(database, Coordinator):
                conn.execute("set citus.enable_schema_based_sharding = off")
            put_devices(conn, feed.devices)
    return Fleet(database.server, database.name, prefix, copy_project(folder / prefix), bucket)


class Coordinator(Database):
    """The database of the cluster's coordinator."""


@pytest.fixture(scope="module")
def story(
    cluster: Cluster,
    pg_server: servers.Postgres,
    s3_server: servers.S3,
    feeds: dict[str, Feed],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[Fleet, list[dict[str, list[Any]]]]]:
    """By prefix: the fleet on the cluster, and what it held alone on a single server after each step."""
    told = {}
    for prefix in PREFIXES:
        folder = tmp_path_factory.mktemp(prefix)
        with fresh_database(pg_server) as database:
            alone = prepare(database, feeds[PREFIXES[0]], prefix, folder / "alone", s3_server)
            states = []
            for step in STEPS.values():
                step(alone)
                alone.build(folder / "target_alone")
                states.append(alone.content())
            assert len(states[0]["fuel.records"]) > 350
            assert states[0]["reporting.v_fuel_anomalies"]
        database = Coordinator(cluster.coordinator, "postgres")
        told[prefix] = (
            prepare(database, feeds[PREFIXES[0]], prefix, folder / "tenant", s3_server),
            states,
        )
    return told


def node_of(cluster: Cluster, prefix: str) -> int:
    """The port of the one node that holds all tables of a fleet."""
    where = "select distinct nodeport from citus_shards where table_name::text like %s"
    [(port,)] = cluster.query(where, [f"{prefix}fuel.%"])
    return int(port)


def spread(cluster: Cluster) -> None:
    """Bring the fleets to different workers: Citus places schemas in turn, and a fleet has two of them."""
    if node_of(cluster, "south_") == node_of(cluster, "north_"):
        [free] = {worker.port for worker in cluster.workers} - {node_of(cluster, "north_")}
        cluster.move("south_fuel", free)


def test_each_fleet_equals_itself_alone(
    cluster: Cluster, story: dict[str, tuple[Fleet, list[dict[str, list[Any]]]]], tmp_path: Path
) -> None:
    for number, step in enumerate(STEPS.values()):
        for fleet, states in story.values():
            step(fleet)
            fleet.build(tmp_path)
            differing = [name for name, rows in fleet.content().items() if rows != states[number][name]]
            assert not differing, (list(STEPS)[number], fleet.prefix)

        if number == 0:
            spread(cluster)

    # Each fleet's tables lie together on one node, the two fleets on different ones.
    ports = {prefix: node_of(cluster, prefix) for prefix in PREFIXES}
    assert set(ports.values()) == {worker.port for worker in cluster.workers}

    # A fleet moves to the other's node, and is built again as if nothing had happened.
    moved, states = story["north_"]
    cluster.move("north_fuel", ports["south_"])
    assert moved.content() == states[-1]
    edit(moved, "seeds/anomaly_rules.csv", "plate_unknown,true,high", "plate_unknown,true,low")
    moved.build(tmp_path)
    [severities] = moved.query(
        "select array_agg(distinct severity) from north_reporting.v_fuel_anomalies"
        " where rule = 'plate_unknown'"
    )
    assert severities == (["low"],)
    assert cluster.port_of("north_fuel.records") == ports["south_"]
