"""The documentation site as one static file, from a private database: `python -m demo.site FOLDER`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

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


def generate(server: servers.Postgres, folder: Path, database: str = "postgres") -> Path:
    """Build the project in `database`, which holds landing tables, and write `folder`/index.html.

    Raises subprocess.CalledProcessError, its output on stderr, if dbt fails.
    """
    with tempfile.TemporaryDirectory() as target:
        environment = {
            **os.environ,
            **server.env(database),
            "DBT_TARGET_PATH": target,
            "DBT_LOG_PATH": target,
            "DBT_PROJECT_DIR": str(ROOT),
            "DBT_PROFILES_DIR": str(ROOT),
        }
        for step in DBT_STEPS:
            subprocess.run(
                [Path(sys.executable).parent / "dbt", *step], env=environment, check=True, stdout=sys.stderr
            )
        return publish(Path(target) / "static_index.html", folder)


def publish(static_index: Path, folder: Path) -> Path:
    """Write `folder`/index.html, dbt's own page made fit for opening from disk."""
    html = static_index.read_text(encoding="utf-8")
    for template, replacement in TEMPLATE_ADDRESSES.items():
        html = html.replace(template, replacement)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    page.write_text(html, encoding="utf-8")
    return page


def main() -> int:
    """Start a private PostgreSQL with empty landing tables and write the site into the folder given."""
    with servers.postgres() as server:
        servers.empty_landing(server)
        print(generate(server, Path(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
