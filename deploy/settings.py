"""The settings of the hourly job: the environment, the project's .env, and where it may write."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from dotenv import dotenv_values
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from loader.connection import SERVER_KEEPALIVES, fuel_schema, is_misread, lasting

ROOT = Path(__file__).resolve().parent.parent
USAGE, UNREACHABLE = 2, 69  # exit codes
# Names that a statement leaves bare are PostgreSQL's own, whatever somebody has put into `public`; and no
# expression is compiled for seconds that takes milliseconds.
SESSION = "-c search_path=pg_catalog,pg_temp -c jit=off"


class Unusable(Exception):
    """A setting, or a tool that will not start, stops the run; told in one line."""

    exit_code = USAGE


def read_settings(env_file: Path | None = None) -> None:
    """Take up `env_file`, else the project's .env, where the environment says nothing.

    DATABASE_URL is spelled out: libpq's own variables are what loader, dbt and psql all read.
    """
    path = env_file or ROOT / ".env"
    if not (ROOT / "dbt_project.yml").exists():
        raise Unusable(
            f"there is no dbt project in {ROOT}: install with `pip install --no-deps --editable .`"
        )
    try:
        if env_file:
            env_file.open().close()  # one that is missing would go unnoticed
        file = dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read: {error}") from None
    # As for the loader, an empty variable says nothing; dbt would take it for a value.
    for name in [
        name for name, value in os.environ.items() if name.startswith("FUEL_") and not value.strip()
    ]:
        del os.environ[name]
    if os.environ.get("PGHOST"):
        file.pop("DATABASE_URL", None)
    for name, value in file.items():
        if value and not os.environ.get(name):
            os.environ[name] = value
    _spell_out(os.environ.pop("DATABASE_URL", ""))


def schema_prefix() -> str:
    """FUEL_SCHEMA_PREFIX: begins the names of this fleet's schemas, roles, lock and state folder."""
    prefix = os.environ.get("FUEL_SCHEMA_PREFIX", "").strip()
    try:
        fuel_schema(prefix)
    except ValueError as error:
        raise Unusable(str(error)) from None
    return prefix


def _spell_out(url: str) -> None:
    """Put what a URL says into libpq's variables; DATABASE_URL keeps what there is no variable for."""
    try:
        options = [option for option in pq.Conninfo.parse(url.encode()) if option.val is not None]
        said = {option.keyword.decode(): (option.val or b"").decode() for option in options}
    except UnicodeError:
        raise Unusable("DATABASE_URL cannot be read: it is not UTF-8") from None
    except psycopg.OperationalError as error:
        # libpq may quote the password.
        words = re.sub('".*"', "…", str(error).strip())
        raise Unusable(
            f"DATABASE_URL cannot be read: {words}; write it as postgresql://user:password@host:5432/database"
        ) from None
    if is_misread(said):
        raise Unusable("DATABASE_URL cannot be read: write an @ of the password as %40, and a / as %2F")
    for option in options:
        if option.envvar:
            os.environ[option.envvar.decode()] = said.pop(option.keyword.decode())
    if said:
        os.environ["DATABASE_URL"] = make_conninfo("", **said)


def connect(**options: Any) -> psycopg.Connection[Any]:
    """A connection as `read_settings` left the environment, both ends of which notice a network gone silent.

    The server's end too: it would hold the job's lock, and each later run would be skipped.
    """
    conn = psycopg.connect(lasting(conninfo_to_dict(os.environ.get("DATABASE_URL", ""))), **options)
    conn.execute(SERVER_KEEPALIVES)
    return conn


@contextmanager
def acting_as(role: str | None) -> Iterator[None]:
    """Connections opened inside have SESSION's settings and act as `role`; None keeps the login's own."""
    before = os.environ.get("PGOPTIONS", "")
    os.environ["PGOPTIONS"] = f"{before} {SESSION}{f' -c role={role}' if role else ''}".strip()
    try:
        yield
    finally:
        os.environ["PGOPTIONS"] = before


def state_dir() -> Path:
    """The writable folder for dbt's target and logs, each fleet's own: in FUEL_STATE_DIR, else the user's."""
    given = os.environ.get("FUEL_STATE_DIR")
    base = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state")
    try:
        folder = (Path(given) if given else base / "fleetfuel").expanduser().resolve() / schema_prefix()
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "not writable", str(folder))
    except (OSError, RuntimeError) as error:
        raise Unusable(
            f"no place for dbt's files ({error}): set FUEL_STATE_DIR to a writable folder"
        ) from None
    return folder
