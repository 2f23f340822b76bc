"""`duetime login`: a profile for the other commands."""

import sys
from typing import Annotated

import typer

from duetime.client import documents, profiles
from duetime.client.api import Api
from duetime.client.errors import UsageError
from duetime.client.output import say

Url = Annotated[
    str | None,
    typer.Argument(
        metavar="URL", help=f"The address of a Duetime; {profiles.DEFAULT_URL} by default.", show_default=False
    ),
]
Name = Annotated[str, typer.Option("--profile", metavar="NAME", help="The name of the profile.")]
FromStdin = Annotated[bool, typer.Option("--key-stdin", help="Read the key from stdin, without asking.")]
NoKey = Annotated[bool, typer.Option("--no-key", help="Store no key, for a Duetime without authentication.")]
Check = Annotated[bool, typer.Option("--check/--no-check", help="Call the Duetime before storing, or do not.")]


def login(
    *,
    url: Url = None,
    profile: Name = profiles.DEFAULT_NAME,
    key_stdin: FromStdin = False,
    no_key: NoKey = False,
    check: Check = True,
) -> None:
    """Store the address and the key of a Duetime as a profile, in a file that only you can read.

    The key is never an argument, because other users of the machine can see arguments.
    """
    address = profiles.checked_url(url or profiles.DEFAULT_URL, "URL")
    if key_stdin and no_key:
        raise UsageError("give one of --key-stdin and --no-key")
    found = profiles.Profile(url=address, key=None if no_key else asked_key(from_stdin=key_stdin))
    if check:
        with Api(found) as api:
            api.execute(documents.NEWEST_EVENT)
    file = profiles.store(profile, found)
    say(f"Stored the profile {profile} for {address} in {file}.")


def asked_key(*, from_stdin: bool) -> str:
    """Return the key that the user gives. Raises `UsageError`."""
    if from_stdin:
        return profiles.checked_key(sys.stdin.readline().strip(), "the key on stdin")
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the key on; give it on stdin with --key-stdin")
    key: str = typer.prompt("Key", hide_input=True, err=True)
    return profiles.checked_key(key.strip(), "the key")
