"""Settings, from the environment or a `.env` file in the working directory (the environment wins)."""

from __future__ import annotations

import os
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import Field, HttpUrl, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_CONFIG = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)


class ConfigurationError(Exception):
    """A setting, a privilege or an argument is missing or wrong; the message says which and what to do (exit 2)."""


class BucketSettings(BaseSettings):
    """Where the feed is."""

    model_config = _CONFIG
    rustfs_endpoint: HttpUrl
    rustfs_access_key: str
    rustfs_secret_key: SecretStr
    rustfs_bucket: str = "fuel"
    rustfs_region: str = "us-east-1"


class LoaderSettings(BaseSettings):
    """Where the landing zone is, and bounds."""

    model_config = _CONFIG
    database_url: SecretStr | None = None
    pghost: str | None = None
    pgport: int = Field(default=5432, ge=1, le=65535)
    pguser: str | None = None
    pgpassword: SecretStr | None = None
    pgdatabase: str | None = None
    pgsslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    fuel_max_object_mb: int = Field(default=1024, ge=1)

    @model_validator(mode="after")
    def _names_a_database(self) -> LoaderSettings:
        if not self.database_url:
            missing = [name for name in ("pghost", "pguser", "pgdatabase") if not getattr(self, name)]
            if missing:
                names = ", ".join(missing).upper()
                raise ValueError(
                    f"{names} (or DATABASE_URL instead): missing; set it in the environment or in .env"
                )
        return self

    def conninfo(self) -> str:
        """What to connect with: the URL, or nothing, as libpq reads its own variables."""
        return self.database_url.get_secret_value() if self.database_url else ""


def read_loader() -> LoaderSettings:
    """Read the loader's settings; libpq variables of `.env` become visible to libpq.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    for name, value in dotenv_values(".env").items():
        if name.startswith("PG") and value:
            os.environ.setdefault(name, value)
    return _read(LoaderSettings)


def read_bucket() -> BucketSettings:
    """Read the bucket's settings.

    Raises:
        ConfigurationError: a setting is missing or wrong.
    """
    return _read(BucketSettings)


def _read(kind: Any) -> Any:
    try:
        return kind()
    except ValidationError as error:
        raise ConfigurationError("; ".join(_describe(problem) for problem in error.errors())) from None


def _describe(problem: Any) -> str:
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ")
    name = str(problem["loc"][0]).upper()
    if problem["type"] == "missing":
        return f"{name} is missing; set it in the environment or in .env"
    return f"{name} is wrong: {problem['msg']}"
