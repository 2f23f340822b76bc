"""Reads the options of curl and wget as the request that they make."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote_plus, unquote, urlsplit, urlunsplit

from duetime.client.importers.result import CannotTake

FOLLOWED = 5
"""Redirects that a task can follow; curl and wget follow more."""
FORM = "application/x-www-form-urlencoded"
PREFIXES = {"chronic", "exec", "nice", "nohup"}
"""Commands that run another one, and change nothing about its request."""

CURL_FLAGS = {
    "-s": "silent", "-S": "show-error", "-f": "fail", "-L": "location", "-I": "head", "-G": "get", "-i": "include",
    "-v": "verbose", "-k": "insecure", "-4": "ipv4", "-6": "ipv6", "-g": "globoff", "-N": "no-buffer",
    "-#": "progress-bar", "-O": "remote-name", "-J": "remote-header-name", "-n": "netrc", "-q": "disable",
}  # fmt: skip
CURL_VALUES = {
    "-X": "request", "-H": "header", "-d": "data", "-u": "user", "-A": "user-agent", "-e": "referer", "-b": "cookie",
    "-m": "max-time", "-o": "output", "-w": "write-out", "-F": "form", "-T": "upload-file", "-K": "config",
    "-x": "proxy", "-E": "cert", "-c": "cookie-jar", "-D": "dump-header",
}  # fmt: skip
CURL_LONG_VALUES = {
    *CURL_VALUES.values(), "data-raw", "data-ascii", "data-binary", "data-urlencode", "json", "url", "connect-timeout",
    "retry", "retry-delay", "retry-max-time", "max-redirs", "cacert", "capath", "key", "resolve", "interface",
    "oauth2-bearer", "form-string", "unix-socket", "limit-rate", "stderr",
}  # fmt: skip
CURL_REFUSED = {
    "insecure": "certificates are always checked", "form": "Duetime sends no multipart forms",
    "form-string": "Duetime sends no multipart forms", "upload-file": "the body is in a file of that machine",
    "config": "the options are in a file of that machine", "proxy": "workers choose the proxy",
    "cert": "the certificate is in a file of that machine", "key": "the key is in a file of that machine",
    "netrc": "the password is in a file of that machine", "unix-socket": "a task calls an http or https URL",
    "resolve": "a task resolves names itself", "cacert": "the certificates are in a file of that machine",
    "capath": "the certificates are in a file of that machine", "interface": "workers choose the interface",
}  # fmt: skip
CURL_IGNORED = {
    "silent", "show-error", "fail", "fail-with-body", "include", "verbose", "ipv4", "ipv6", "globoff", "no-buffer",
    "progress-bar", "output", "write-out", "remote-name", "remote-header-name", "compressed", "no-progress-meter",
    "connect-timeout", "max-redirs", "cookie-jar", "dump-header", "disable", "retry-connrefused", "retry-all-errors",
    "retry-max-time", "limit-rate", "stderr", "http1.1", "http2", "tlsv1.2", "proto-default", "no-keepalive",
}  # fmt: skip
WGET_SHORT = {
    "-q": "quiet", "-O": "output-document", "-T": "timeout", "-t": "tries", "-U": "user-agent", "-S": "server-response",
    "-4": "inet4-only", "-6": "inet6-only", "-o": "output-file", "-a": "append-output", "-b": "background",
    "-d": "debug",
}  # fmt: skip
WGET_VALUES = {
    "output-document", "timeout", "tries", "user-agent", "output-file", "append-output", "post-data", "header", "user",
    "password", "http-user", "http-password", "method", "body-data", "post-file", "body-file", "waitretry", "referer",
    "connect-timeout", "read-timeout", "max-redirect", "wait",
}  # fmt: skip
WGET_IGNORED = {
    "quiet", "output-document", "server-response", "inet4-only", "inet6-only", "output-file", "append-output",
    "background", "debug", "no-verbose", "delete-after", "no-cache", "waitretry", "connect-timeout", "read-timeout",
    "max-redirect", "content-on-error", "no-cookies", "wait",
}  # fmt: skip
WGET_REFUSED = {
    "no-check-certificate": "certificates are always checked", "post-file": "the body is in a file of that machine",
    "body-file": "the body is in a file of that machine", "recursive": "a task makes one call",
}  # fmt: skip


@dataclass(slots=True)
class Call:
    """The request that a command makes, as far as its options are read."""

    urls: list[str] = field(default_factory=list)
    method: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    is_json: bool = False
    in_query: bool = False
    is_head: bool = False
    redirects: int = 0
    timeout_ms: int | None = None
    attempts: int = 1
    delay_ms: int | None = None

    def basic(self, credentials: str) -> None:
        """Authenticate by user and password."""
        encoded = base64.b64encode(credentials.encode()).decode()
        self.headers.append(("Authorization", f"Basic {encoded}"))


def call_of(words: Sequence[str]) -> dict[str, Any]:
    """Return the members of a task for a command: its action and its retry policy. Raises `CannotTake`."""
    rest = command_in(words)
    program = PurePosixPath(rest[0]).name if rest else ""
    if program == "curl":
        return members(curl(rest[1:]))
    if program == "wget":
        return members(wget(rest[1:]))
    raise CannotTake(f"it runs {program or 'nothing'}; only curl and wget make calls")


def command_in(words: Sequence[str]) -> Sequence[str]:
    """Return the words from the command on that others, such as nice, run."""
    at = 0
    while at < len(words) and PurePosixPath(words[at]).name in PREFIXES:
        at += 1
        while at < len(words) and words[at].startswith("-"):
            at += 2 if words[at] == "-n" else 1
    return words[at:]


def options(
    words: Sequence[str], *, short: Mapping[str, str], short_values: Mapping[str, str], values: set[str]
) -> Iterator[tuple[str | None, str]]:
    """Yield the options by their long names with their values, and arguments without a name."""
    rest = iter(words)

    def following(option: str) -> str:
        value = next(rest, None)
        if value is None:
            raise CannotTake(f"{option} has no value")
        return value

    for word in rest:
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            yield name, value if equals else following(word) if name in values else ""
        elif word.startswith("-") and len(word) > 1:
            for at in range(1, len(word)):
                flag = f"-{word[at]}"
                if flag in short_values:
                    yield short_values[flag], word[at + 1 :] or following(flag)
                    break
                yield short.get(flag, flag), ""
        else:
            yield None, word


def curl(words: Sequence[str]) -> Call:
    """Return the request of a curl command. Raises `CannotTake`."""
    call = Call()
    for name, value in options(words, short=CURL_FLAGS, short_values=CURL_VALUES, values=CURL_LONG_VALUES):
        if name is None or name == "url":
            call.urls.append(value)
        elif name in CURL_REFUSED:
            raise CannotTake(f"--{name}: {CURL_REFUSED[name]}")
        elif name in CURL_SET:
            CURL_SET[name](call, value)
        elif name not in CURL_IGNORED:
            raise CannotTake(f"the option {name if name.startswith('-') else f'--{name}'} of curl is not known here")
    return call


def seconds(value: str) -> int:
    """Return the milliseconds of a number of seconds."""
    try:
        return round(float(value) * 1000)
    except ValueError:
        raise CannotTake(f"{value!r} is no number of seconds") from None


def header(call: Call, value: str) -> None:
    """Add a header; curl leaves out one without a value."""
    name, _, text = value.partition(":")
    if text.strip():
        call.headers.append((name.strip(), text.strip()))


def data(call: Call, value: str) -> None:
    """Add data, unless they are in a file."""
    if value.startswith("@"):
        raise CannotTake(f"the body is in a file of that machine, {value[1:]}")
    call.data.append(value)


def encoded(call: Call, value: str) -> None:
    """Add data that curl encodes: content, =content, or name=content."""
    name, equals, content = value.partition("=")
    if "@" in name or (not equals and value.startswith("@")):
        raise CannotTake("the body is in a file of that machine")
    call.data.append(
        quote_plus(value) if not equals else f"{name}={quote_plus(content)}" if name else quote_plus(content)
    )


def json_data(call: Call, value: str) -> None:
    """Add JSON."""
    data(call, value)
    call.is_json = True


def retries(call: Call, value: str) -> None:
    """Set the number of retries."""
    if not value.isdecimal():
        raise CannotTake(f"{value!r} is no number of retries")
    call.attempts = min(int(value) + 1, 100)


def cookie(call: Call, value: str) -> None:
    """Add cookies, unless they are in a file."""
    if "=" not in value:
        raise CannotTake(f"the cookies are in a file of that machine, {value}")
    call.headers.append(("Cookie", value))


CURL_SET: dict[str, Callable[[Call, str], None]] = {
    "request": lambda call, value: setattr(call, "method", value.upper()),
    "header": header,
    "data": data,
    "data-ascii": data,
    "data-binary": data,
    "data-raw": lambda call, value: call.data.append(value),
    "data-urlencode": encoded,
    "json": json_data,
    "user": Call.basic,
    "oauth2-bearer": lambda call, value: call.headers.append(("Authorization", f"Bearer {value}")),
    "user-agent": lambda call, value: call.headers.append(("User-Agent", value)),
    "referer": lambda call, value: call.headers.append(("Referer", value)),
    "cookie": cookie,
    "max-time": lambda call, value: setattr(call, "timeout_ms", seconds(value)),
    "retry": retries,
    "retry-delay": lambda call, value: setattr(call, "delay_ms", seconds(value)),
    "location": lambda call, _: setattr(call, "redirects", FOLLOWED),
    "head": lambda call, _: setattr(call, "is_head", True),
    "get": lambda call, _: setattr(call, "in_query", True),
}


def tries(call: Call, value: str) -> None:
    """Set the number of attempts. wget's 0 means without an end."""
    retries(call, str(int(value) - 1) if value.isdecimal() and int(value) else "99" if value == "0" else value)


WGET_SET: dict[str, Callable[[Call, str], None]] = {
    "spider": lambda call, _: setattr(call, "is_head", True),
    "timeout": lambda call, value: setattr(call, "timeout_ms", seconds(value)),
    "tries": tries,
    "header": header,
    "post-data": lambda call, value: call.data.append(value),
    "body-data": lambda call, value: call.data.append(value),
    "method": lambda call, value: setattr(call, "method", value.upper()),
    "user-agent": lambda call, value: call.headers.append(("User-Agent", value)),
    "referer": lambda call, value: call.headers.append(("Referer", value)),
}


def wget(words: Sequence[str]) -> Call:
    """Return the request of a wget command. Raises `CannotTake`."""
    call, user, password = Call(redirects=FOLLOWED), "", ""
    short_values = {flag: name for flag, name in WGET_SHORT.items() if name in WGET_VALUES}
    # wget's -nv is one option of two letters.
    given = ["--no-verbose" if word == "-nv" else word for word in words]
    for name, value in options(given, short=WGET_SHORT, short_values=short_values, values=WGET_VALUES):
        if name is None:
            call.urls.append(value)
        elif name in {"user", "http-user"}:
            user = value
        elif name in {"password", "http-password"}:
            password = value
        elif name in WGET_REFUSED:
            raise CannotTake(f"--{name}: {WGET_REFUSED[name]}")
        elif name in WGET_SET:
            WGET_SET[name](call, value)
        elif name not in WGET_IGNORED:
            raise CannotTake(f"the option {name if name.startswith('-') else f'--{name}'} of wget is not known here")
    if user:
        call.basic(f"{user}:{password}")
    return call


def members(call: Call) -> dict[str, Any]:
    """Return the members of a task that makes a call. Raises `CannotTake`."""
    if len(call.urls) != 1:
        raise CannotTake(f"it has {len(call.urls)} URLs; a task calls one" if call.urls else "it has no URL")
    url = url_of(call, call.urls[0])
    headers, body = list(call.headers), "&".join(call.data)
    names = {name.lower() for name, _ in headers}
    if call.data and call.in_query:
        url = f"{url}{'&' if '?' in url else '?'}{body}"
    elif call.data:
        if "content-type" not in names:
            headers.append(("Content-Type", "application/json" if call.is_json else FORM))
        if call.is_json and "accept" not in names:
            headers.append(("Accept", "application/json"))
    sends = bool(call.data) and not call.in_query
    action: dict[str, Any] = {"url": url}
    method = call.method or ("HEAD" if call.is_head else "POST" if sends else "GET")
    if method != "GET":
        action["method"] = method
    if headers:
        action["headers"] = [{"name": name, "value": value} for name, value in headers]
    if sends:
        action["body"] = "".join(call.data) if call.is_json else body
    if call.timeout_ms is not None:
        action["timeoutMs"] = call.timeout_ms
    if call.redirects:
        action["redirects"] = call.redirects
    retry: dict[str, Any] = {"maxAttempts": call.attempts}
    if call.attempts > 1:
        # curl waits for a second, and then for twice as long each time, unless it is told how long.
        retry |= (
            {"initialDelayMs": 1_000} if call.delay_ms is None else {"initialDelayMs": call.delay_ms, "factor": 1.0}
        )
    return {"action": action, "retry": retry}


def url_of(call: Call, given: str) -> str:
    """Return the URL with a scheme, without a user, who is authenticated by a header. Raises `CannotTake`."""
    url = given if "://" in given else f"http://{given}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"}:
        raise CannotTake(f"a task calls an http or https URL, not {parts.scheme}")
    if parts.username is None:
        return url
    call.basic(f"{unquote(parts.username)}:{unquote(parts.password or '')}")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
