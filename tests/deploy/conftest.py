"""One copy of the project, read-only, and the hourly job run on it as cron does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from demo import servers
from tests.conftest import ROOT, Bucket, Database, copy_project, fresh_database
from tests.deploy.roles import apply_roles, as_user
from tests.forked import Forked

SNAPSHOT = "fuel_records/latest.json"
AN_AGE = "9999999"  # minutes: the exports of the tests are of the days that they tell of


def record(number: int, **fields: Any) -> dict[str, Any]:
    """One record of the feed."""
    when = f"2026-11-{1 + number % 20:02}T07:42:00.000Z"
    return {
        "id": number,
        "car": f"KC{'ABCDE'[number % 5]} 54{number % 10}Q",
        "driver": "J. Mwangi",
        "department": "Logistcs",
        "fuel_type": "DISIEL",
        "litres": "45.5L",
        "amount": "KES 8,190",
        "odometer": f"{182_000 + 50 * number:,} km",
        "datetime": when,
        "created_at": when,
        "updated_at": when,
        "deleted_at": None,
        **fields,
    }


def snapshot(records: list[dict[str, Any]], exported_at: str = "2026-11-20T00:00:00.000Z") -> bytes:
    """A snapshot object."""
    return json.dumps(
        {"metadata": {"exported_at": exported_at, "record_count": len(records)}, "records": records}
    ).encode()


@dataclass
class Job:
    """The hourly job on one database and one bucket: an empty environment but these variables."""

    database: Database
    bucket: Bucket
    source: Path
    state: Path
    env: dict[str, str] = field(default_factory=dict)
    folder: str = "/"  # where it is started
    shell: str = 'exec "$@"'  # how it is started there

    def __call__(
        self, *args: str, module: str = "deploy.hourly", **env: str
    ) -> tuple[int, dict[str, Any], str]:
        """Run `python -m MODULE --log-format json`: exit code, the summary, and stderr."""
        done = self.raw(*args, "--log-format", "json", module=module, **env)
        lines = done.stdout.splitlines()
        assert len(lines) == 1, f"one line of outcome expected: {done.stdout}{done.stderr}"
        return done.returncode, json.loads(lines[0]), done.stderr

    def raw(self, *args: str, module: str = "deploy.hourly", **env: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m MODULE` to its end."""
        process: Forked | subprocess.Popen[str]
        if self.shell == Job.shell and "PYTHONPATH" not in env:
            process = Forked(module, *args, cwd=self.folder, env=self.settings(env))
        else:
            process = self.start(*args, module=module, **env)
        out, errors = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

    def settings(self, env: dict[str, str]) -> dict[str, str]:
        """All variables that the job is given, `env` among them."""
        return {
            "PYTHONPATH": str(self.source),
            "PYTHONDONTWRITEBYTECODE": "1",
            "FUEL_STATE_DIR": str(self.state),
            "FUEL_EXPORT_MAX_MINUTES": AN_AGE,
            **self.bucket.env,
            **(self.env or self.database.env),
            **env,
        }

    def start(self, *args: str, module: str = "deploy.hourly", **env: str) -> subprocess.Popen[str]:
        """Start `python -m MODULE` without a terminal."""
        return subprocess.Popen(
            ["sh", "-c", self.shell, "sh", sys.executable, "-m", module, *args],
            cwd=self.folder,
            env=self.settings(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def copy_source(destination: Path) -> Path:
    """A copy of what the image holds."""
    copy_project(destination)
    for part in ("loader", "deploy", "report"):
        shutil.copytree(ROOT / part, destination / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.lock", destination)
    return destination


def read_only(tree: Path) -> Path:
    """Take the right to write away from everything in `tree`."""
    for path in (tree, *tree.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    return tree


def tree(folder: Path) -> dict[str, int]:
    """By path, when each file and folder below was last written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def job(
    pg_server: servers.Postgres, s3_server: servers.S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Job]:
    """The job on a fresh database with the tracker's table, an empty bucket and a source tree of its own."""
    folder = tmp_path_factory.mktemp("job")
    name = f"fuel-job-{os.getpid()}-{folder.name}".lower()
    s3_server.client().create_bucket(Bucket=name)
    with fresh_database(pg_server) as database:
        database.query((ROOT / "demo" / "devices.sql").read_text())
        yield Job(database, Bucket(s3_server, name), copy_source(folder / "src"), folder / "state")
    shutil.rmtree(s3_server.root / name, ignore_errors=True)


@pytest.fixture(scope="module")
def first_hour(job: Job) -> None:
    """For a module with `pytestmark = AFTER_THE_FIRST_HOUR`: its job has loaded 30 fills and built once."""
    job.bucket.put(SNAPSHOT, snapshot([record(number) for number in range(30)]))
    code, outcome, errors = job()
    assert code == 0, f"{outcome} {errors}"


AFTER_THE_FIRST_HOUR = pytest.mark.usefixtures("first_hour")


@pytest.fixture(scope="module", params=["pg15_server", "pg_server"])
def roles_server(request: pytest.FixtureRequest) -> servers.Postgres:
    """The oldest PostgreSQL that is supported, where it is installed, and the newest."""
    server: servers.Postgres = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="module")
def roles_job(
    roles_server: servers.Postgres, s3_server: servers.S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Job]:
    """A database of `fuel_admin`, who has applied roles.sql, and the job after its first run."""
    folder = tmp_path_factory.mktemp("roles")
    bucket = Bucket(s3_server, f"fuel-roles-{os.getpid()}-{folder.name}".lower())
    s3_server.client().create_bucket(Bucket=bucket.name)
    bucket.put(SNAPSHOT, snapshot([record(number) for number in range(20)]))
    with fresh_database(roles_server) as database:
        database.query("create role fuel_admin login createrole")
        database.query(f"alter database {database.name} owner to fuel_admin")
        database.query((ROOT / "demo" / "devices.sql").read_text())
        database.query("grant usage on schema tracksolid to fuel_admin with grant option")
        database.query("grant select on tracksolid.devices to fuel_admin with grant option")
        # Hardened, as databases often are: nobody has what he was not granted.
        database.query(f"revoke temporary on database {database.name} from public")
        database.query("create schema extensions")
        database.query("create extension pg_trgm schema extensions")
        # Where the server has ICU, the tracker's plates know no case.
        if database.query("select from pg_collation where collprovider = 'i'"):
            database.query(
                "create collation caseless"
                " (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
                "alter table tracksolid.devices alter vehicle_number type text collate caseless"
            )
        apply_roles(database)
        with as_user(database, "fuel_admin") as conn:
            conn.execute("create role fuel_job login noinherit in role fuel_loader, fuel_dbt")
            conn.execute("create role dashboard_api login in role fuel_reader")
        environment = {**database.env, "PGUSER": "fuel_job", "FUEL_READER_ROLES": "fuel_reader"}
        job = Job(database, bucket, copy_source(folder / "src"), folder / "state", environment)
        code, outcome, errors = job("--as-roles")
        assert code == 0, f"{outcome} {errors}"
        yield job
    with roles_server.connect(autocommit=True) as conn:
        for role in ("dashboard_api", "fuel_job", "fuel_reader", "fuel_dbt", "fuel_loader", "fuel_admin"):
            conn.execute(f"drop role {role}")
