"""The command's own settings, and how every settings object is read: a wrong one is one clear line."""

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from duetime.errors import CannotStart

Settings = TypeVar("Settings", bound=BaseSettings)


class DuetimeSettings(BaseSettings):
    """Where the local stack keeps its data and finds its binaries."""

    model_config = SettingsConfigDict(
        env_prefix="DUETIME_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    data_dir: Path = Field(default=Path(".data"), description="a new, empty or earlier data folder")
    postgres_bin: Path | None = Field(default=None, description="the folder of Postgres's binaries")
    valkey_bin: Path | None = Field(default=None, description="the file of valkey-server or redis-server")

    @field_validator("data_dir", "postgres_bin", "valkey_bin")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.abspath(path.expanduser()))

    @field_validator("postgres_bin")
    @classmethod
    def _holds_postgres(cls, path: Path | None) -> Path | None:
        if path is not None and not all(os.access(path / name, os.X_OK) for name in ("postgres", "initdb")):
            raise ValueError("must be a folder that holds the programs postgres and initdb")
        return path

    @field_validator("valkey_bin")
    @classmethod
    def _is_program(cls, path: Path | None) -> Path | None:
        if path is not None and not (path.is_file() and os.access(path, os.X_OK)):
            raise ValueError("must be the file of the program valkey-server or redis-server")
        return path


def read(settings: type[Settings]) -> Settings:
    """The settings of one package. CannotStart names each variable that is wrong, and what would be right."""
    try:
        return settings()
    except ValidationError as error:
        raise CannotStart("; ".join(problem(settings, found) for found in error.errors())) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f".env cannot be read: {error}") from None


def problem(settings: type[BaseSettings], found: Any) -> str:
    """One finding of pydantic's as a sentence. Values that may hold a password (`repr=False`) are not shown."""
    place = str(found["loc"][0])
    name, field = next(
        (name, field) for name, field in settings.model_fields.items() if place in (name, field.validation_alias)
    )
    variable = field.validation_alias or f"{settings.model_config.get('env_prefix', '')}{name}".upper()
    shown = f"{variable}={found['input']}" if field.repr else str(variable)
    if "ctx" in found and isinstance(found["ctx"].get("error"), ValueError):
        return f"{shown}: {found['ctx']['error']}"
    return f"{shown}: must be {field.description}"
