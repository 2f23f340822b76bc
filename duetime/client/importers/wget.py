"""Reads the options of wget as the request that it makes."""

import re
from collections.abc import Callable, Sequence
from urllib.parse import quote

from duetime.client.importers.options import Syntax, options
from duetime.client.importers.request import FOLLOWED, MOST_ATTEMPTS, Request, seconds
from duetime.client.importers.result import CannotTake

FLAGS = {
    "-q": "quiet", "-S": "server-response", "-4": "inet4-only", "-6": "inet6-only", "-b": "background", "-d": "debug",
    "-v": "verbose", "-N": "timestamping", "-x": "force-directories",
}  # fmt: skip
VALUES = {
    "-O": "output-document", "-T": "timeout", "-t": "tries", "-U": "user-agent", "-o": "output-file",
    "-a": "append-output", "-P": "directory-prefix", "-w": "wait", "-i": "input-file",
}  # fmt: skip
LONG_VALUES = {
    *VALUES.values(), "post-data", "header", "user", "password", "http-user", "http-password", "method", "body-data",
    "post-file", "body-file", "waitretry", "referer", "connect-timeout", "read-timeout", "dns-timeout", "max-redirect",
    "load-cookies", "save-cookies", "certificate", "private-key", "ca-certificate", "ca-directory", "limit-rate",
    "retry-on-http-error", "secure-protocol", "bind-address",
}  # fmt: skip
TWO_LETTERS = {"-nv": "--no-verbose", "-nc": "--no-clobber", "-nd": "--no-directories", "-nH": "--no-host-directories"}
"""Options that look like two of one letter."""
OTHERS = {
    "quiet", "server-response", "inet4-only", "inet6-only", "background", "debug", "verbose", "no-verbose",
    "output-file", "append-output", "no-cache", "waitretry", "connect-timeout", "read-timeout", "dns-timeout",
    "content-on-error", "no-cookies", "wait", "no-clobber", "no-directories", "no-host-directories", "no-hsts",
    "directory-prefix", "force-directories", "auth-no-challenge", "delete-after", "spider", "limit-rate",
    "no-http-keep-alive", "output-document", "user", "password", "http-user", "http-password", "show-progress",
    "retry-connrefused", "save-cookies", "secure-protocol", "no-dns-cache",
}  # fmt: skip
"""Options without an effect on the request, and those that are read together."""
REFUSED = {
    "no-check-certificate": "certificates are always checked", "post-file": "the body is in a file of that machine",
    "body-file": "the body is in a file of that machine", "recursive": "a task makes one call",
    "mirror": "a task makes one call", "page-requisites": "a task makes one call",
    "input-file": "the URLs are in a file of that machine", "load-cookies": "the cookies are in a file of that machine",
    "certificate": "the certificate is in a file of that machine", "no-proxy": "workers choose the proxy",
    "ca-certificate": "the certificate is in a file of that machine",
    "private-key": "the key is in a file of that machine",
    "ca-directory": "the certificates are in a file of that machine", "bind-address": "workers choose the interface",
    "timestamping": "a task does not compare a file of that machine",
}  # fmt: skip
SYNTAX = Syntax(flags=FLAGS, flag_values=VALUES, long_values=LONG_VALUES)
LONGEST_DELAY = 10_000
"""wget's longest delay between two attempts."""


def wget(words: Sequence[str], request: Request) -> None:
    """Read the options of wget. Raises `CannotTake`."""
    given = list(options([TWO_LETTERS.get(word, word) for word in words], SYNTAX))
    values = dict(given)
    # wget tries again after broken connections alone.
    request.retry_statuses, request.longest_delay_ms = [], LONGEST_DELAY
    for name, value in given:
        if name is None:
            request.urls.append(re.sub(r"\s", lambda found: quote(found.group()), value))
        elif name in REFUSED:
            raise CannotTake(f"--{name}: {REFUSED[name]}")
        elif name in SET:
            SET[name](request, value)
        elif name not in OTHERS:
            raise CannotTake(f"the option {name if name.startswith('-') else f'--{name}'} of wget is not known here")
    request.is_head = "spider" in values
    output = values.get("output-document", "a file with the name of the URL")
    if not values.keys() & {"spider", "delete-after"} and output not in {"-", "/dev/null", "/dev/stdout"}:
        request.files.append(output)
    if user := values.get("http-user", values.get("user")):
        request.basic(f"{user}:{values.get('http-password', values.get('password', ''))}")


def tries(request: Request, value: str) -> None:
    """Set the number of attempts; wget's 0 and inf mean without an end. Raises `CannotTake`."""
    if value in {"0", "inf"}:
        request.attempts = MOST_ATTEMPTS
    elif value.isdecimal():
        request.attempts = min(int(value), MOST_ATTEMPTS)
    else:
        raise CannotTake(f"{value!r} is no number of attempts")


SET: dict[str, Callable[[Request, str], None]] = {
    "timeout": lambda request, value: setattr(request, "timeout_ms", seconds(value)),
    "tries": tries,
    "header": Request.header,
    "post-data": lambda request, value: request.data.append(value),
    "body-data": lambda request, value: request.data.append(value),
    "method": lambda request, value: setattr(request, "method", value.upper()),
    "user-agent": lambda request, value: request.headers.append(("User-Agent", value)),
    "referer": lambda request, value: request.headers.append(("Referer", value)),
    "retry-on-http-error": lambda request, value: setattr(request, "retry_statuses", value.split(",")),
    "max-redirect": lambda request, value: setattr(
        request, "redirects", min(int(value), FOLLOWED) if value.isdecimal() else FOLLOWED
    ),
}
