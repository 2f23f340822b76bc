"""Settings of the database. `DATABASE_URL` takes precedence over `DB_*`, the names of the service that Duetime
replaces.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL

from db.connection_strings import DRIVER, SHAPE, Pooler, known_sslmode, parse_database_url, unused_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRole:
    """The role that the API and the workers use, and the password to create it with."""

    name: str
    password: str | None = field(repr=False)


class DatabaseSettings(BaseSettings):
    """Settings from the environment and from `.env` in the current folder. An empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )

    database_url: str | None = Field(
        default=None,
        repr=False,
        description=f"{SHAPE}: Postgres 14 or newer; it takes precedence over the variables DB_*",
        json_schema_extra={"without": "embedded Postgres 18"},
    )
    migrate_database_url: str | None = Field(
        default=None,
        validation_alias="DUETIME_MIGRATE_DATABASE_URL",
        repr=False,
        description=f"{SHAPE}: the same database with the role that owns the tables, for the commands migrate, keys "
        "and restore",
        json_schema_extra={"without": "`DATABASE_URL`"},
    )
    database_pooler: Pooler = Field(
        default="session",
        description="session or transaction: how a pooler such as PgBouncer between Duetime and Postgres shares "
        "connections",
    )
    wait_seconds: float = Field(
        default=60,
        ge=0,
        le=3600,
        validation_alias="DUETIME_WAIT_SECONDS",
        description="a number of seconds from 0 to 3600: how long a command waits for an unavailable Postgres",
    )
    slow_statement_ms: int = Field(
        default=0,
        ge=0,
        le=3_600_000,
        validation_alias="DUETIME_SLOW_STATEMENT_MS",
        description="a whole number from 0 to 3600000: milliseconds after which a statement is logged; 0 logs none",
    )
    db_host: str = Field(
        default="localhost",
        description="a host name, an address or the folder of a Unix socket: where Postgres listens, without a "
        "DATABASE_URL; any of the variables DB_* means a server",
    )
    db_port: int = Field(default=5432, ge=1, le=65535, description="a whole number from 1 to 65535: its port")
    db_user: str = Field(default="postgres", description="a role of Postgres: the user")
    db_password: str = Field(default="postgres", repr=False, description="a text: the password of the user")
    db_name: str = Field(default="task_scheduler", description="a name: the database")
    db_sslmode: str = Field(
        default="prefer",
        description="disable, allow, prefer, require, verify-ca or verify-full: whether the connection uses TLS",
    )

    @field_validator("database_url", "migrate_database_url")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_database_url(text)
        return text

    @field_validator("db_sslmode")
    @classmethod
    def _known(cls, mode: str) -> str:
        return known_sslmode(mode)

    @property
    def is_named(self) -> bool:
        """Whether the settings name a server. Without one, `duetime up` starts its own."""
        return bool(self.database_url or self.parts)

    @property
    def parts(self) -> list[str]:
        """The variables `DB_*` that are set. Each of them means a server, as in the service that Duetime replaces."""
        return sorted(name.upper() for name in self.model_fields_set if name.startswith("db_"))

    @property
    def unused_parameters(self) -> list[str]:
        """Parameters of the URLs that libpq knows and Duetime does not use."""
        urls = (self.database_url, self.migrate_database_url)
        return sorted({name for url in urls if url for name in unused_parameters(url)})

    @property
    def wait(self) -> timedelta:
        """How long a command waits at startup for an unavailable Postgres."""
        return timedelta(seconds=self.wait_seconds)

    @property
    def slow_statement(self) -> timedelta | None:
        """How long a statement of the API and of workers may take before it is logged, or None to log none."""
        return timedelta(milliseconds=self.slow_statement_ms) if self.slow_statement_ms else None

    @property
    def migration_pooler(self) -> Pooler:
        """How a pooler before the database of `migration_url` shares connections."""
        return "session" if self.migrate_database_url else self.database_pooler

    @property
    def application(self) -> ApplicationRole | None:
        """The role of the API and the workers, if another one owns the tables. Raises `ValueError` for a URL without a
        user.
        """
        if not self.migrate_database_url:
            return None
        url = self.url()
        if not url.username:
            raise ValueError("DATABASE_URL names no user; write the role that the API and the workers use")
        if url.username == self.migration_url().username:
            return None
        return ApplicationRole(name=url.username, password=url.password)

    def migration_url(self) -> URL:
        """Return the URL of the role that owns the tables, which is that of `url` unless the settings name another."""
        return parse_database_url(self.migrate_database_url) if self.migrate_database_url else self.url()

    def url(self) -> URL:
        """Return the URL for SQLAlchemy's asyncpg dialect. Raises `ValueError` when no server is named."""
        if self.database_url:
            return parse_database_url(self.database_url)
        if not self.parts:
            raise ValueError("no Postgres server is named: set DATABASE_URL, or DB_HOST and its companions")
        return URL.create(
            DRIVER,
            username=self.db_user,
            password=self.db_password,
            host=self.db_host,
            port=self.db_port,
            database=self.db_name,
            query={"ssl": self.db_sslmode},
        )
