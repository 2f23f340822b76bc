"""Where the API listens."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ApiSettings(BaseSettings):
    """Read from the environment and from `.env` in the current folder; an empty value counts as unset."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", description="a host name or an address of this machine")
    port: int = Field(default=8080, ge=1, le=65535, description="a whole number from 1 to 65535")
