"""The settings of the log and of the local stack, and `read`, which reports wrong settings in one line."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from duetime.errors import CannotStart
from duetime.process_numbers import MOST_PROCESSES, PROCESSES
from jobs.tracing_settings import TracingSettings

Settings = TypeVar("Settings", bound=BaseSettings)


class LogSettings(BaseSettings):
    """What is logged, and how."""

    model_config = SettingsConfigDict(
        env_prefix="DUETIME_LOG_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error: the least severe level that is logged"
    )
    format: Literal["text", "json"] = Field(default="text", description="text or json: the form of a line of the log")

    @field_validator("level", "format", mode="before")
    @classmethod
    def _in_lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class DuetimeSettings(BaseSettings):
    """The data folder of the local stack, the programs that it runs, and the file for the first API key."""

    model_config = SettingsConfigDict(
        env_prefix="DUETIME_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    data_dir: Path = Field(
        default=Path(".data"),
        description="a new or empty folder, or an existing data folder: the data of the embedded servers",
    )
    postgres_bin: Path | None = Field(
        default=None,
        description="the folder that contains Postgres's programs: which ones run as the embedded server",
        json_schema_extra={"without": "those of a wheel"},
    )
    valkey_bin: Path | None = Field(
        default=None,
        description="the program valkey-server or redis-server: which one runs as the embedded server",
        json_schema_extra={"without": "that of a wheel"},
    )

    first_key_file: Path | None = Field(
        default=None,
        description="a file: where a migration of a database that never had an API key writes one with the scope "
        "admin; only its user can read it",
    )

    @field_validator("data_dir", "postgres_bin", "valkey_bin", "first_key_file")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else Path(os.path.abspath(path.expanduser()))

    @field_validator("postgres_bin")
    @classmethod
    def _holds_postgres(cls, path: Path | None) -> Path | None:
        if path is not None and not all(os.access(path / name, os.X_OK) for name in ("postgres", "initdb")):
            raise ValueError("must be a folder that contains the programs postgres and initdb")
        return path

    @field_validator("valkey_bin")
    @classmethod
    def _is_program(cls, path: Path | None) -> Path | None:
        if path is not None and not (path.is_file() and os.access(path, os.X_OK)):
            raise ValueError("must be the path of the program valkey-server or redis-server")
        return path


class ProcessSettings(BaseSettings):
    """How many processes one command runs."""

    model_config = SettingsConfigDict(
        env_prefix="DUETIME_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    api_processes: int = Field(
        default=1, ge=1, le=MOST_PROCESSES, description=f"{PROCESSES}: API processes that share one port"
    )
    worker_processes: int = Field(
        default=1, ge=1, le=MOST_PROCESSES, description=f"{PROCESSES}: workers that one command runs"
    )


def read(settings: type[Settings]) -> Settings:
    """Return the settings of one package. Raise CannotStart with every wrong variable and the values it accepts."""
    try:
        return settings()
    except ValidationError as error:
        raise CannotStart("; ".join(problem(settings, details) for details in error.errors())) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStart(f".env cannot be read: {error}") from None


def read_tracing() -> TracingSettings:
    """Return the settings of traces. Raise CannotStart if they are wrong, or if the optional library is missing."""
    tracing = read(TracingSettings)
    if tracing.exporter is not None and find_spec("opentelemetry") is None:
        raise CannotStart(
            "tracing is enabled, but its library is not installed: install duetime[otel], or set OTEL_SDK_DISABLED=true"
        )
    return tracing


def problem(settings: type[BaseSettings], details: Any) -> str:
    """Return a validation error as a sentence. Values that may contain a password (`repr=False`) are left out."""
    location = str(details["loc"][0])
    name, field = next(
        (name, field) for name, field in settings.model_fields.items() if location in (name, field.validation_alias)
    )
    variable = field.validation_alias or f"{settings.model_config.get('env_prefix', '')}{name}".upper()
    shown = f"{variable}={details['input']}" if field.repr else str(variable)
    if "ctx" in details and isinstance(details["ctx"].get("error"), ValueError):
        return f"{shown}: {details['ctx']['error']}"
    return f"{shown}: must be {field.description}"
