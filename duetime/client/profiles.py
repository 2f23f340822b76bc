"""Profiles: which Duetime the commands talk to, and with which key."""

import json
import os
import re
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from duetime.client.errors import UsageError

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_NAME = "default"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEY = re.compile(r"[!-~]+")
"""The characters that a header can contain without quotes."""
URL_VARIABLE, KEY_VARIABLE, PROFILE_VARIABLE = "DUETIME_URL", "DUETIME_KEY", "DUETIME_PROFILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The address of a Duetime, and the key for it."""

    url: str
    key: str | None = field(default=None, repr=False)


def configuration_file() -> Path:
    """Return the file that holds the profiles."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "duetime" / "config.toml"


def chosen(name: str | None) -> Profile:
    """Return the profile for a command, from its option, the environment, or the file. Raises `UsageError`.

    A profile's key is only sent to the profile's address: with `DUETIME_URL`, the key is that of `DUETIME_KEY`.
    """
    if name is None and (url := os.environ.get(URL_VARIABLE)):
        return Profile(url=checked_url(url, URL_VARIABLE), key=key_of_environment())
    name = name or os.environ.get(PROFILE_VARIABLE)
    stored = profiles()
    if name is not None and name not in stored:
        known = f"has {', '.join(sorted(stored))}" if stored else "has no profile"
        raise UsageError(
            f"there is no profile {name!r}; {configuration_file()} {known}, and `duetime login` stores one"
        )
    profile = stored.get(name or DEFAULT_NAME) or Profile(url=DEFAULT_URL)
    key = key_of_environment()
    return Profile(url=profile.url, key=key) if key else profile


def key_of_environment() -> str | None:
    """Return the key of the environment, if it has one. Raises `UsageError`."""
    key = os.environ.get(KEY_VARIABLE)
    return checked_key(key, KEY_VARIABLE) if key else None


def profiles() -> dict[str, Profile]:
    """Return the stored profiles by name. Raises `UsageError` if the file cannot be read."""
    file = configuration_file()
    try:
        found: Any = tomllib.loads(file.read_text(encoding="utf-8")).get("profiles", {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{file}: profiles must be tables, such as [profiles.{DEFAULT_NAME}]")
    return {name: profile_of(members, f"{file}: profiles.{name}") for name, members in found.items()}


def profile_of(members: Any, place: str) -> Profile:
    """Return the profile that a table of the file describes. Raises `UsageError`."""
    if not isinstance(members, dict) or not isinstance(members.get("url"), str):
        raise UsageError(f'{place} needs url = "http://…"')
    key = members.get("key")
    if key is not None and not isinstance(key, str):
        raise UsageError(f"{place}.key must be a text")
    return Profile(url=checked_url(members["url"], f"{place}.url"), key=key and checked_key(key, f"{place}.key"))


def store(name: str, profile: Profile) -> Path:
    """Store a profile in the file, which only its owner may read, and return the file. Raises `UsageError`."""
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is not a valid profile name; use letters, digits, - and _")
    file = configuration_file()
    written = "\n".join(table(each, stored) for each, stored in sorted((profiles() | {name: profile}).items()))
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A new file has mode 0600 from the start, and replaces the old one atomically.
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
            new.write(written)
        Path(new.name).replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error}") from None
    return file


def table(name: str, profile: Profile) -> str:
    """Return a profile as a table of TOML, whose texts are written as those of JSON."""
    key = f"key = {json.dumps(profile.key)}\n" if profile.key else ""
    return f"[profiles.{name}]\nurl = {json.dumps(profile.url)}\n{key}"


def checked_url(url: str, place: str) -> str:
    """Return the address of a Duetime, also if it is given as that of its GraphQL. Raises `UsageError`."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"{place} is not the address of a Duetime; write it as {DEFAULT_URL}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(f"{place} has more than scheme, host, port and path; a key belongs into {KEY_VARIABLE}")
    return url.rstrip("/").removesuffix("/graphql")


def checked_key(key: str, place: str) -> str:
    """Return a key. Raises `UsageError` if no header could carry it."""
    if not KEY.fullmatch(key):
        raise UsageError(f"{place} is not a key: it contains a space or a character that keys cannot contain")
    return key
