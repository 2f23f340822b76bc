"""Settings of the database. `DATABASE_URL` takes precedence over `DB_*`, the names of the service that Duetime
replaces.
"""

from dataclasses import dataclass, field

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+asyncpg"
SCHEMES = ("postgresql", "postgres", DRIVER)
SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SHAPE = "postgresql://user:password@host:port/database"
NOT_ESCAPED = f"cannot be read; write {SHAPE}, with special characters in the password percent-encoded (@ as %40)"


def known_sslmode(mode: str) -> str:
    """Return the mode. Raises `ValueError` with libpq's values of `sslmode` for an unknown one."""
    if mode not in SSLMODES:
        raise ValueError(f"sslmode must be one of {', '.join(SSLMODES)}")
    return mode


def parse_database_url(text: str) -> URL:
    """Return a libpq-like URL as one for asyncpg. `ValueError` says what is wrong without repeating the password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(NOT_ESCAPED) from None
    if url.drivername not in SCHEMES:
        raise ValueError(f"must begin with postgresql://, as in {SHAPE}")
    if "@" in (url.host or "") or "@" in (url.database or ""):
        raise ValueError(NOT_ESCAPED)
    if not url.host:
        raise ValueError(f"has no host; write {SHAPE}")
    if url.port is not None and not 1 <= url.port <= 65535:
        raise ValueError("the port must be a whole number from 1 to 65535")
    if not url.database:
        raise ValueError(f"names no database; write {SHAPE}")
    sslmode = "prefer"
    for name, value in url.query.items():
        if name == "sslrootcert":
            raise ValueError("sslrootcert is read from the environment variable PGSSLROOTCERT; take it out of the URL")
        if name not in ("sslmode", "ssl"):
            raise ValueError(f"the parameter {name} is not known; sslmode is the only one, take {name} out")
        sslmode = known_sslmode(value if isinstance(value, str) else value[-1])
    return url.set(drivername=DRIVER, query={"ssl": sslmode})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationRole:
    """The role that the API and the workers use, and the password to create it with."""

    name: str
    password: str | None = field(repr=False)


class DatabaseSettings(BaseSettings):
    """Settings from the environment and from `.env` in the current folder. An empty value counts as unset."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    database_url: str | None = Field(default=None, repr=False, description=SHAPE)
    migrate_database_url: str | None = Field(
        default=None, validation_alias="DUETIME_MIGRATE_DATABASE_URL", repr=False, description=SHAPE
    )
    db_host: str | None = None
    db_port: int = Field(default=5432, ge=1, le=65535, description="a whole number from 1 to 65535")
    db_user: str = "postgres"
    db_password: str = Field(default="", repr=False)
    db_name: str = "duetime"
    db_sslmode: str = "prefer"

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
        return bool(self.database_url or self.db_host)

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
        if not self.db_host:
            raise ValueError("no Postgres server is named: set DATABASE_URL, or DB_HOST and its companions")
        return URL.create(
            DRIVER,
            username=self.db_user,
            password=self.db_password or None,
            host=self.db_host,
            port=self.db_port,
            database=self.db_name,
            query={"ssl": self.db_sslmode},
        )
