"""The whole job on an empty database, and an edit of an alias list after it."""

from __future__ import annotations

import subprocess

from bench import feed
from bench.against_trigger import trigger_database, trigger_import
from bench.harness import REPEAT, ROOT, Bench, Run, in_turn, middle


def first_time(bench: Bench, count: int) -> None:
    """The whole job on an empty database against the trigger-derived design; its models one by one.

    The reference of fuel.records is its own SQL in one plain statement, in a database that has all it reads.
    """
    models: dict[str, list[float]] = {"records": [], "fill_intervals": []}

    def whole() -> Run:
        done = bench.hourly(bench.create("built"), "fuel")
        for name, seconds in models.items():
            seconds.append(bench.model_seconds(name, "built"))
        return done

    def up_to_fills() -> Run:
        """The part that both designs have: landing, derived columns. The view of fills needs intervals."""
        database = bench.create("bench_fills")
        landed = bench.loader(database, "fuel", "--snapshot")
        # Cautious: without the tests that need other reports, too.
        select = ("--select", "+records", "--indirect-selection", "cautious")
        return landed.then(bench.dbt(database, "build", *select, "--exclude-resource-type", "unit_test"))

    database = bench.create("reference", "landed")
    bench.dbt(database, "build", "--select", "resource_type:function", "resource_type:seed")
    bench.dbt(database, "compile", "--select", "records")
    compiled = (bench.state(database) / "target/compiled/fleetfuel/models/fuel/records.sql").read_text()
    statements = bench.work / "reference.sql"
    statements.write_text(f"create table fuel.reference as {compiled};\ndrop table fuel.reference;\n")
    as_select = [bench.pg.bindir / "psql", "-qf", statements, "-v", "ON_ERROR_STOP=1"]

    trigger, job, fills, reference = in_turn(
        lambda: trigger_import(bench, trigger_database(bench), "fuel"),
        whole,
        up_to_fills,
        lambda: bench.run(as_select, bench.env(database)),
    )
    for name in ("built", "bench_trigger"):
        bench.settle(name)
    bench.add("trigger design: first import", trigger, count)
    against = ("trigger design", trigger.seconds, 1.0)
    bench.add("whole job, bucket to reports, first time", job, count, against)
    against = ("trigger design", trigger.seconds, None)
    bench.add("of it, bucket to v_fuel_fills: what both designs have", fills, count, against)
    bench.add("create table as select, the same expressions", reference, count)
    first = middle(models["records"])
    against = ("create table as", reference.seconds, 1.5)
    bench.add("first derivation of fuel.records (model)", first, count, against)
    bench.add("first derivation of fuel.fill_intervals (model)", middle(models["fill_intervals"]), count)
    # The cost per fill, with dbt's start, which is small here.
    for name in models:
        bench.add(f"dbt run --select {name}", bench.dbt(database, "run", "--select", name), count)
    alias_edit(bench, count, first)


def alias_edit(bench: Bench, count: int, first: float) -> None:
    """A line of the departments' CSV that changes one fill in a hundred."""
    project = bench.work / "project"
    project.mkdir()
    for part in ("dbt_project.yml", "profiles.yml", "models", "macros", "functions", "seeds", "tests"):
        subprocess.run(["cp", "-r", ROOT / part, project / part], check=True)
    aliases = project / "seeds" / "department_aliases.csv"
    aliases.write_text(f"{aliases.read_text().rstrip()}\n{feed.RARE_DEPARTMENT},Logistics\n")

    def edited() -> float:
        database = bench.create("bench_alias", "built")
        bench.dbt(database, "build", "--exclude-resource-type", "unit_test", cwd=project)
        return bench.model_seconds("records", database)

    edit = middle([edited() for _ in range(REPEAT)])
    against = ("first derivation", first, 0.1)
    bench.add("alias edit touching 1 % (fuel.records' own time)", edit, count // 100, against)
