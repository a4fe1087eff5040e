"""An empty dbt project with as many nodes of each kind as fleetfuel has: the cost of dbt alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bench.harness import ROOT

PROJECT = """\
name: empty
version: "1.0.0"
profile: fleetfuel
flags:
  send_anonymous_usage_stats: false
on-run-start: [select 1, select 1]
on-run-end: [select 1, select 1, select 1]
"""
FUNCTION = """\
functions:
  - name: {name}
    config: {{volatility: deterministic}}
    arguments: [{{name: value, data_type: text}}]
    returns: {{data_type: text}}
"""


def write_empty_project(target: Path, folder: Path) -> int:
    """Write it to `folder`, for each node of the manifest in `target` one that does next to nothing.

    Macros and unit tests, which no hour runs, have no counterpart: reading them is fleetfuel's own cost.
    """
    manifest = json.loads((target / "manifest.json").read_text())
    nodes = [*manifest["nodes"].values(), *manifest["functions"].values()]
    ours = [node for node in nodes if node["package_name"] == "fleetfuel"]
    folder.mkdir()
    (folder / "dbt_project.yml").write_text(PROJECT)
    shutil.copy(ROOT / "profiles.yml", folder)
    for name in ("models", "seeds", "tests", "functions"):
        (folder / name).mkdir()
    for number, node in enumerate(ours):
        kind, name = node["resource_type"], f"node_{number}"
        if kind == "model":
            ephemeral = node["config"]["materialized"] == "ephemeral"
            config = f"{{{{ config(materialized='{'ephemeral' if ephemeral else 'view'}') }}}}\n"
            (folder / "models" / f"{name}.sql").write_text(f"{config}select 1 as id\n")
        elif kind == "seed":
            (folder / "seeds" / f"{name}.csv").write_text("id\n1\n")
        elif kind == "test":
            (folder / "tests" / f"{name}.sql").write_text("select 1 as id where false\n")
        elif kind == "function":
            (folder / "functions" / f"{name}.sql").write_text("select value\n")
            (folder / "functions" / f"{name}.yml").write_text(FUNCTION.format(name=name))
    return len(ours)
