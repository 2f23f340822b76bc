"""Where Postgres is. `DATABASE_URL` wins over the `DB_*` variables."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL


class DatabaseSettings(BaseSettings):
    """Read from the environment and from `.env`; names are those of the service that Duetime replaces."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    database_url: str | None = Field(default=None, description="postgresql://user:password@host:port/name?sslmode=…")
    db_host: str | None = None
    db_port: int = Field(default=5432, ge=1, le=65535)
    db_user: str = "postgres"
    db_password: str = ""
    db_name: str = "duetime"
    db_sslmode: str = "prefer"

    def url(self) -> URL:
        """The address for SQLAlchemy's asyncpg dialect."""
        raise NotImplementedError
