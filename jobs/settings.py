"""Settings of the engine: Redis, what tasks may call, and how much one worker does at the same time."""

from datetime import timedelta
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.http.targets import SHAPE as SHAPE_OF_TARGETS
from jobs.http.targets import EgressPolicy, parse_rules
from jobs.redis_url import SHAPE, parse_redis_url
from jobs.security.encryption import SHAPE as SHAPE_OF_KEYS
from jobs.security.encryption import SecretKeys, parse_keys

MOST_DAYS = 36_500
LEAST_AUDIT_DAYS = 90
"""The database keeps at least this much in any case."""
SHAPE_OF_DAYS = f"a number of days from 1 to {MOST_DAYS}, or 0 to keep forever"
LOOPBACK = "127.0.0.0/8,::1"


class JobsSettings(BaseSettings):
    """Settings from the environment and from `.env` in the current folder. An empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_prefix="DUETIME_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    redis_url: str | None = Field(
        default=None,
        validation_alias="REDIS_URL",
        repr=False,
        description=f"{SHAPE}: Redis 6.2 or newer, or Valkey",
        json_schema_extra={"without": "embedded Valkey 9"},
    )
    slots: int = Field(
        default=600,
        ge=2,
        le=1000,
        description="a whole number from 2 to 1000: attempts that one worker makes at once, at most half "
        "of them to one host",
    )
    grace_seconds: float = Field(
        default=25,
        ge=0,
        le=3600,
        description="a number of seconds from 0 to 3600: how long a stopping worker waits for its attempts to end",
    )

    host_pause_seconds: float = Field(
        default=300,
        ge=0,
        le=3600,
        description="a number of seconds from 0 to 3600: the longest time for which a host is not called after it "
        "asked for a pause with 429 or 503 and Retry-After; with 0 only the run that received the response waits",
    )

    retention_days: int = Field(
        default=30, ge=0, le=MOST_DAYS, description=f"{SHAPE_OF_DAYS}: how long successful runs are kept"
    )
    retention_failed_days: int = Field(
        default=90, ge=0, le=MOST_DAYS, description=f"{SHAPE_OF_DAYS}: how long unsuccessful runs are kept"
    )
    retention_bodies_days: int = Field(
        default=0,
        ge=0,
        le=MOST_DAYS,
        description=f"{SHAPE_OF_DAYS}: how long bodies and headers of responses are kept; 0 keeps them as "
        "long as their run",
    )
    retention_events_days: int = Field(
        default=7,
        ge=0,
        le=MOST_DAYS,
        description=f"{SHAPE_OF_DAYS}: how long events of runs are kept, from which a subscription resumes",
    )
    retention_audit_days: int = Field(
        default=365,
        ge=0,
        le=MOST_DAYS,
        description="0 to keep forever, or a number of days "
        f"from {LEAST_AUDIT_DAYS} to {MOST_DAYS}: how long entries of the "
        "audit log, and keys that are no longer valid, are kept",
    )

    log_dir: Path | None = Field(
        default=None,
        validation_alias="LOG_DIR",
        description="a folder: where each worker writes a log of finished runs, as JSON lines",
    )

    targets_allowed: str = Field(
        default="", description=f"{SHAPE_OF_TARGETS}: what tasks may call in addition to public addresses"
    )
    targets_denied: str = Field(default="", description=f"{SHAPE_OF_TARGETS}: what tasks may never call")

    public_url: str = Field(
        default="",
        description="the address of the API as people reach it, such as https://duetime.example.com: notifications "
        "link to it",
    )

    secret_key: str = Field(
        default="",
        repr=False,
        description=f"{SHAPE_OF_KEYS}: encrypts the secrets of tasks",
        json_schema_extra={"without": "with the embedded Postgres, a key in the data folder"},
    )

    @field_validator("secret_key")
    @classmethod
    def _are_keys(cls, text: str) -> str:
        if text:
            parse_keys(text)
        return text

    @field_validator("targets_allowed", "targets_denied")
    @classmethod
    def _rules(cls, text: str) -> str:
        parse_rules(text)
        return text

    @field_validator("public_url")
    @classmethod
    def _is_address(cls, text: str) -> str:
        split = urlsplit(text)
        if text and (split.scheme not in ("http", "https") or not split.hostname or split.query or split.fragment):
            raise ValueError("must be an address such as https://duetime.example.com, without ? and #")
        return text

    @field_validator("retention_audit_days")
    @classmethod
    def _long_enough(cls, days: int) -> int:
        if 0 < days < LEAST_AUDIT_DAYS:
            raise ValueError(f"must be 0, which keeps entries forever, or at least {LEAST_AUDIT_DAYS}")
        return days

    @field_validator("redis_url")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        if text is not None:
            parse_redis_url(text)
        return text

    @property
    def redis(self) -> str:
        """REDIS_URL, for a process that needs it. Raises `ValueError` when it is not set."""
        if self.redis_url is None:
            raise ValueError(f"REDIS_URL is not set; write {SHAPE}")
        return self.redis_url

    @property
    def secrets(self) -> SecretKeys:
        """The keys for secrets; none if DUETIME_SECRET_KEY is not set."""
        return parse_keys(self.secret_key) if self.secret_key else SecretKeys()

    @property
    def egress_policy(self) -> EgressPolicy:
        """What tasks may call."""
        return EgressPolicy(allowed=parse_rules(self.targets_allowed), denied=parse_rules(self.targets_denied))

    def with_loopback(self) -> Self:
        """Return the same settings, with targets on this machine allowed as well."""
        return self.model_copy(update={"targets_allowed": f"{self.targets_allowed},{LOOPBACK}".lstrip(",")})

    @property
    def longest_pause(self) -> timedelta:
        """How long a host is paused at most."""
        return timedelta(seconds=self.host_pause_seconds)

    @property
    def grace(self) -> timedelta:
        """How long a stopping worker waits for its attempts."""
        return timedelta(seconds=self.grace_seconds)
