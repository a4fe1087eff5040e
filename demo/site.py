"""The documentation site as one static file, from a private database: `python -m demo.site FOLDER`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from demo import servers

ROOT = Path(__file__).parent.parent
# The catalogue needs the tables and views to stand, not data nor tests.
DBT_STEPS = (
    ("build", "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"),
    ("docs", "generate", "--static"),
)
# dbt's page holds templates that the browser takes for addresses before they are filled in; read from disk,
# each is an error on the console. `ng-attr-` is AngularJS' own way to write such an attribute.
TEMPLATE_ADDRESSES = {
    'xlink:href="{{': 'ng-attr-href="{{',
    """<link rel="shortcut icon" href="${require('./assets/favicons/favicon.ico')}"/>""": "",
}
# Pages of docs/ that the site shows as they are: a docs block `__economy__` shows at #!/overview/economy.
PAGES = ("economy", "anomalies", "questions")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)\s]+)\)")


def build(server: servers.Postgres, target: Path, database: str = "postgres") -> Path:
    """Build the project in `database`, which holds landing tables, and give dbt's own page, in `target`.

    Raises subprocess.CalledProcessError, its output on stderr, if dbt fails.
    """
    environment = {
        **os.environ,
        **server.env(database),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
        "DBT_PROJECT_DIR": str(ROOT),
        "DBT_PROFILES_DIR": str(ROOT),
    }
    for step in DBT_STEPS:
        subprocess.run(
            [Path(sys.executable).parent / "dbt", *step], env=environment, check=True, stdout=sys.stderr
        )
    return target / "static_index.html"


def publish(static_index: Path, folder: Path) -> Path:
    """Write `folder`/index.html: dbt's page, fit for opening from disk and on a phone, with our own pages."""
    html = static_index.read_text(encoding="utf-8")
    for template, replacement in TEMPLATE_ADDRESSES.items():
        html = html.replace(template, replacement)
    html = changed(html, "manifest", without_tests, add_pages)
    html = changed(html, "catalog", name_owner)
    style = (ROOT / "demo" / "site.css").read_text(encoding="utf-8")
    html = html.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(html, encoding="utf-8")
    return page


def changed(html: str, name: str, *changes: Callable[[dict[str, Any]], None]) -> str:
    """The page with one of the two artifacts that it carries, `manifest:{…},catalog:{…}`, changed."""
    start = html.index(f'{name}:{{"metadata"') + len(name) + 1
    artifact, end = json.JSONDecoder().raw_decode(html, start)
    for change in changes:
        change(artifact)
    return html[:start] + script_safe(artifact) + html[end:]


def without_tests(manifest: dict[str, Any]) -> None:
    """Take out of the lineage graph all that is not on the way of the data: tests and hooks.

    Generic tests stay: dbt's page shows them with their column, and not in the graph.
    """
    gone = {
        key
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "operation"
        or (node["resource_type"] == "test" and not node.get("test_metadata"))
    } | set(manifest["unit_tests"])
    manifest["unit_tests"] = {}
    for kind in ("nodes", "parent_map", "child_map"):
        manifest[kind] = {key: value for key, value in manifest[kind].items() if key not in gone}
    for kind in ("parent_map", "child_map"):
        for key, others in manifest[kind].items():
            manifest[kind][key] = [other for other in others if other not in gone]


def add_pages(manifest: dict[str, Any]) -> None:
    """Add the pages of docs/, as they are there, with links among them that work in the site."""
    for page in PAGES:
        source = ROOT / "docs" / f"{page}.md"
        key = f"doc.fleetfuel.__{page}__"
        manifest["docs"][key] = {
            **manifest["docs"]["doc.fleetfuel.__overview__"],
            "name": f"__{page}__",
            "unique_id": key,
            "original_file_path": f"docs/{page}.md",
            "block_contents": LINK.sub(_link, source.read_text(encoding="utf-8")),
        }


def name_owner(catalog: dict[str, Any]) -> None:
    """Put the people of the var `owner` in the place of the database role that happened to build the site."""
    owner = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]["owner"]
    for table in catalog["nodes"].values():
        table["metadata"]["owner"] = owner["name"]


def _link(found: re.Match[str]) -> str:
    """A link to a page that the site has; the bare words of a link to another file of the repository."""
    words, address = found.groups()
    page = Path(address.partition("#")[0]).stem
    return f"[{words}](#!/overview/{page})" if page in PAGES else words


def script_safe(value: Any) -> str:
    """JSON that may stand within a <script>."""
    return json.dumps(value).replace("</", "<\\/")


def main() -> int:
    """Start a private PostgreSQL with empty landing tables and write the site into the folder given."""
    with servers.postgres() as server, tempfile.TemporaryDirectory() as target:
        servers.empty_landing(server)
        print(publish(build(server, Path(target)), Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
