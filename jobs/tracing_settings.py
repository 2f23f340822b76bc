"""Whether traces are wanted, by the standard variables of OpenTelemetry, which its library reads itself as well."""

import os
from typing import Literal

from dotenv import dotenv_values
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class TracingSettings(BaseSettings):
    """The variables of OpenTelemetry that decide whether and where traces are sent."""

    model_config = SettingsConfigDict(
        env_prefix="OTEL_", env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    sdk_disabled: bool = Field(default=False, description="true or false: true sends no traces, whatever else is set")
    traces_exporter: Literal["otlp", "console", "none"] | None = Field(
        default=None,
        description="otlp, console or none: where traces go; without it, otlp if there is an endpoint, else none",
    )
    exporter_otlp_endpoint: str = Field(
        default="", repr=False, description="the address of a receiver of OTLP over HTTP, such as http://collector:4318"
    )
    exporter_otlp_traces_endpoint: str = Field(
        default="", repr=False, description="its whole address for traces, such as http://collector:4318/v1/traces"
    )
    exporter_otlp_protocol: Literal["http/protobuf"] = Field(
        default="http/protobuf", description="http/protobuf: the only supported protocol"
    )
    service_name: str = Field(default="duetime", description="a name: the service that traces show")

    @field_validator("exporter_otlp_endpoint", "exporter_otlp_traces_endpoint")
    @classmethod
    def _is_address(cls, text: str) -> str:
        if text and not text.startswith(("http://", "https://")):
            raise ValueError("must be an address such as http://collector:4318")
        return text

    @property
    def exporter(self) -> Literal["otlp", "console"] | None:
        """Where traces go, or None while tracing is off."""
        if self.sdk_disabled or self.traces_exporter == "none":
            return None
        if self.traces_exporter is None:
            return "otlp" if self.exporter_otlp_endpoint or self.exporter_otlp_traces_endpoint else None
        return self.traces_exporter


def export_dotenv() -> None:
    """Put the variables of OpenTelemetry in `.env` into the environment, the only place where its library looks."""
    for name, value in dotenv_values(".env").items():
        if name.startswith("OTEL_") and value:
            os.environ.setdefault(name, value)
