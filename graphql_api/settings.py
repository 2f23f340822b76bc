"""Settings of the API: where it listens, who may use it, and its limits."""

import re
from ipaddress import ip_address, ip_network
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "DUETIME_GRAPHQL_"
HEADER_NAME = re.compile(r"[-!#$%&'+.^_`|~0-9A-Za-z]+")
ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")


class ApiSettings(BaseSettings):
    """Settings from the environment and from `.env` in the current folder. An empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )

    host: str = Field(
        default="127.0.0.1", description="a host name or an address of this machine: where the API listens"
    )
    port: int = Field(default=8080, ge=1, le=65535, description="a whole number from 1 to 65535: the port of the API")
    auth: Literal["keys", "off"] | None = Field(
        default=None,
        validation_alias="DUETIME_AUTH",
        description="keys or off: whether requests need an API key; without it, off while HOST is a loopback "
        "address, else keys",
    )
    proxies: str = Field(
        default="",
        validation_alias="FORWARDED_ALLOW_IPS",
        description="addresses or networks of proxies, separated by commas: whose X-Forwarded-For is believed",
    )
    cors_origins: str = Field(
        default="",
        validation_alias="DUETIME_CORS_ORIGINS",
        description="origins such as https://app.example.com, separated by commas: whose pages may "
        "use the API from a browser",
    )
    access_log: bool = Field(
        default=False,
        validation_alias="DUETIME_ACCESS_LOG",
        description="true or false: whether each request is logged, without its query",
    )
    cors_headers: str = Field(
        default="",
        validation_alias="DUETIME_CORS_HEADERS",
        description="names of headers, separated by commas: what those pages may send; without it, any header",
    )
    keep_alive_seconds: int = Field(
        default=75,
        ge=1,
        le=3_600,
        validation_alias="DUETIME_KEEP_ALIVE_SECONDS",
        description="a whole number from 1 to 3600: seconds that a connection may be idle between "
        "requests; longer than that of a proxy in front of the API",
    )
    gin_mode: str | None = Field(
        default=None,
        description="any value: a setting of the service that Duetime replaces; it changes nothing, and the log says "
        "so",
    )
    max_depth: int = Field(
        default=15,
        ge=1,
        le=100,
        validation_alias=f"{PREFIX}MAX_DEPTH",
        description="a whole number from 1 to 100: levels of fields in a document",
    )
    max_aliases: int = Field(
        default=50,
        ge=0,
        le=10_000,
        validation_alias=f"{PREFIX}MAX_ALIASES",
        description="a whole number from 0 to 10000: aliases in a document; each use of a fragment counts",
    )
    max_directives: int = Field(
        default=50,
        ge=0,
        le=10_000,
        validation_alias=f"{PREFIX}MAX_DIRECTIVES",
        description="a whole number from 0 to 10000: directives in a document; each use of a fragment counts",
    )
    max_repeats: int = Field(
        default=50,
        ge=0,
        le=10_000,
        validation_alias=f"{PREFIX}MAX_REPEATS",
        description="a whole number from 0 to 10000: duplicate fields in a document",
    )
    max_tokens: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        validation_alias=f"{PREFIX}MAX_TOKENS",
        description="a whole number from 1 to 1000000: tokens in a document",
    )
    max_bytes: int = Field(
        default=64 * 1024,
        ge=1,
        le=4 * 1024 * 1024,
        validation_alias=f"{PREFIX}MAX_BYTES",
        description="a whole number from 1 to 4194304: bytes of a document",
    )
    max_cost: int = Field(
        default=20_000,
        ge=1,
        le=100_000_000,
        validation_alias=f"{PREFIX}MAX_COST",
        description="a whole number from 1 to 100000000: the maximum number of values in a response; page sizes "
        "multiply "
        "what is selected in each item, and large values count more than once",
    )
    max_persisted: int = Field(
        default=1_000,
        ge=0,
        le=100_000,
        validation_alias=f"{PREFIX}MAX_PERSISTED",
        description="a whole number from 0 to 100000: persisted documents that an API key can have at the same time",
    )
    max_connection_cost: int = Field(
        default=20_000,
        ge=1,
        le=100_000_000,
        validation_alias=f"{PREFIX}MAX_CONNECTION_COST",
        description="a whole number from 1 to 100000000: what the open subscriptions of a connection may cost together",
    )
    max_key_cost: int = Field(
        default=100_000,
        ge=1,
        le=100_000_000,
        validation_alias=f"{PREFIX}MAX_KEY_COST",
        description="a whole number from 1 to 100000000: what the open subscriptions of a key may cost together, in "
        "one API process",
    )
    max_answer_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        le=1024 * 1024 * 1024,
        validation_alias=f"{PREFIX}MAX_ANSWER_BYTES",
        description="a whole number from 1024 to 1073741824: bytes of an answer, and of each result of a subscription",
    )
    introspection: bool = Field(
        default=True,
        validation_alias=f"{PREFIX}INTROSPECTION",
        description="true or false: whether introspection and GET /schema.graphql show the schema; without "
        "them, errors name nothing of it that the request does not name",
    )
    playground: bool = Field(
        default=True,
        validation_alias=f"{PREFIX}PLAYGROUND",
        description="true or false: whether browsers get a playground at /graphql",
    )

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        for origin in listed(text):
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin; write scheme and host, as https://app.example.com")
        return text

    @field_validator("cors_headers")
    @classmethod
    def _are_header_names(cls, text: str) -> str:
        for name in listed(text):
            if not HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a header name; write names such as Authorization, Content-Type")
        return text

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, text: str) -> str:
        for entry in listed(text):
            try:
                ip_network(entry)
            except ValueError:
                raise ValueError(f"{entry!r} is no address or network; write those of proxies, as 10.1.0.7") from None
        return text

    @property
    def origins(self) -> list[str]:
        """Origins, besides Duetime's own, whose pages may use the API."""
        return listed(self.cors_origins)

    @property
    def cross_origin_headers(self) -> list[str]:
        """Headers that pages of those origins may send, or `*`."""
        return listed(self.cors_headers) or ["*"]

    @property
    def keys_wanted(self) -> bool:
        """Whether requests need a key."""
        return self.auth == "keys" or (self.auth is None and not self.on_loopback)

    @property
    def on_loopback(self) -> bool:
        """Whether the API listens on an address that only this machine can reach."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def only_for_this_machine(self) -> bool:
        """Whether all clients are programs of this machine: with keys or a proxy, they may be anywhere."""
        return self.on_loopback and not self.keys_wanted and not self.proxies


def listed(text: str) -> list[str]:
    """Return the parts between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
