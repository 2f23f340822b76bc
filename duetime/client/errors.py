"""Why a command of the client fails. Each is one line on stderr, and an exit status."""


class ClientError(Exception):
    """The call was refused, or something failed."""

    status = 1


class UsageError(ClientError):
    """The command line, a file or an environment variable is invalid."""

    status = 2


class Unreachable(ClientError):
    """No Duetime answers at the address."""

    status = 3


class NotAuthorised(ClientError):
    """The key is missing, wrong, or may not do this."""

    status = 4


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return "".join(character if character.isprintable() else " " for character in " ".join(text.split()))
