"""Settings, from the environment or a `.env` file in the working directory (the environment wins)."""

from __future__ import annotations

import os
from typing import Literal

from dotenv import dotenv_values
from pydantic import Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from loader.connection import fuel_schema
from loader.failures import ConfigurationError


class Settings(BaseSettings):
    """Where the landing zone and the bucket are. Without DATABASE_URL, libpq reads its own variables."""

    # A secret that was mounted as a file ends with a line break.
    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, str_strip_whitespace=True)

    database_url: SecretStr | None = None
    pghost: str | None = None
    pgport: int = Field(default=5432, ge=1, le=65535)
    pguser: str | None = None
    pgpassword: SecretStr | None = None
    pgdatabase: str | None = None
    pgsslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    rustfs_endpoint: HttpUrl | None = None
    rustfs_access_key: str | None = None
    rustfs_secret_key: SecretStr | None = None
    rustfs_bucket: str = "fuel"
    rustfs_region: str = "us-east-1"
    fuel_max_object_mb: int = Field(default=1024, ge=1)
    fuel_keep_days: int = Field(default=400, ge=1, le=36_500)
    fuel_schema_prefix: str = ""

    @property
    def fuel_schema(self) -> str:
        """The fleet's schema of the landing tables."""
        return fuel_schema(self.fuel_schema_prefix)

    def need(self, *names: str) -> None:
        """Raise ConfigurationError naming those of the settings that are missing."""
        if missing := [name.upper() for name in names if not getattr(self, name)]:
            raise ConfigurationError(f"missing: {', '.join(missing)}; set it in the environment or in .env")

    def secrets(self) -> list[str]:
        """The values that must never reach a log."""
        values = (self.database_url, self.pgpassword, self.rustfs_secret_key)
        found = [value.get_secret_value() for value in values if value]
        return [each for each in (*found, self.rustfs_endpoint and self.rustfs_endpoint.password) if each]


def read_settings(env_file: str = ".env") -> Settings:
    """Read the settings; those of libpq in the file are handed on to libpq.

    Raises:
        ConfigurationError: a setting is wrong, or there is no database among them.
    """
    names_host = os.environ.get("PGHOST") and not os.environ.get("DATABASE_URL")
    try:
        for name, value in dotenv_values(env_file).items():
            if name.startswith("PG") and value and not os.environ.get(name):
                os.environ[name] = value
        settings = Settings(_env_file=env_file)  # type: ignore[call-arg]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{env_file} cannot be read: {error}") from None
    except ValidationError as error:
        wrong = (
            f"{'.'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigurationError(f"wrong setting: {'; '.join(wrong)}") from None
    try:
        fuel_schema(settings.fuel_schema_prefix)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if names_host:  # the environment wins over a DATABASE_URL in .env
        settings.database_url = None
    if not settings.database_url:
        settings.need("pghost", "pguser", "pgdatabase")
    return settings
