"""Reads the options of curl as the request that it makes."""

import re
from collections.abc import Callable, Sequence

from duetime.client.apply import reading
from duetime.client.importers.options import Syntax, options
from duetime.client.importers.request import FOLLOWED, MOST_ATTEMPTS, Request, encoded, seconds
from duetime.client.importers.result import CannotTake

FLAGS = {
    "-s": "silent", "-S": "show-error", "-f": "fail", "-L": "location", "-I": "head", "-G": "get", "-i": "include",
    "-v": "verbose", "-k": "insecure", "-4": "ipv4", "-6": "ipv6", "-g": "globoff", "-N": "no-buffer",
    "-#": "progress-bar", "-O": "remote-name", "-J": "remote-header-name", "-n": "netrc", "-q": "disable",
    "-R": "remote-time", "-Z": "parallel", "-0": "http1.0", "-1": "tlsv1",
}  # fmt: skip
VALUES = {
    "-X": "request", "-H": "header", "-d": "data", "-u": "user", "-A": "user-agent", "-e": "referer", "-b": "cookie",
    "-m": "max-time", "-o": "output", "-w": "write-out", "-F": "form", "-T": "upload-file", "-K": "config",
    "-x": "proxy", "-E": "cert", "-c": "cookie-jar", "-D": "dump-header", "-r": "range", "-y": "speed-time",
    "-Y": "speed-limit",
}  # fmt: skip
LONG_VALUES = {
    *VALUES.values(), "data-raw", "data-ascii", "data-binary", "data-urlencode", "json", "url", "connect-timeout",
    "retry", "retry-delay", "retry-max-time", "max-redirs", "cacert", "capath", "key", "resolve", "interface",
    "oauth2-bearer", "form-string", "unix-socket", "limit-rate", "stderr", "url-query", "connect-to", "proto",
    "proto-default", "keepalive-time", "aws-sigv4", "socks5", "socks5-hostname", "preproxy",
}  # fmt: skip
ON_THAT_MACHINE = "is in a file of that machine"
REFUSED = {
    "insecure": "certificates are always checked", "form": "Duetime sends no multipart forms",
    "form-string": "Duetime sends no multipart forms", "upload-file": f"the body {ON_THAT_MACHINE}",
    "config": f"what else it does {ON_THAT_MACHINE}", "proxy": "workers choose the proxy",
    "socks5": "workers choose the proxy", "socks5-hostname": "workers choose the proxy",
    "preproxy": "workers choose the proxy", "cert": f"the certificate {ON_THAT_MACHINE}",
    "key": f"the key {ON_THAT_MACHINE}", "netrc": f"the password {ON_THAT_MACHINE}",
    "unix-socket": "a task calls an http or https URL", "resolve": "a task resolves names itself",
    "connect-to": "a task resolves names itself", "cacert": f"the certificate {ON_THAT_MACHINE}",
    "capath": f"the certificates {ON_THAT_MACHINE}", "interface": "workers choose the interface",
    "digest": "Duetime answers no challenge", "ntlm": "Duetime answers no challenge",
    "anyauth": "Duetime answers no challenge", "negotiate": "Duetime answers no challenge",
    "aws-sigv4": "Duetime does not sign for AWS",
    "location-trusted": "a task sends its secrets to the host of its URL alone",
}  # fmt: skip
WITHOUT_EFFECT = {
    "silent", "show-error", "fail", "fail-with-body", "include", "verbose", "ipv4", "ipv6", "globoff", "no-buffer",
    "progress-bar", "write-out", "remote-header-name", "compressed", "no-progress-meter", "connect-timeout",
    "cookie-jar", "dump-header", "disable", "retry-connrefused", "limit-rate", "stderr", "http1.0", "http1.1", "http2",
    "tlsv1", "tlsv1.2", "tlsv1.3", "proto", "proto-default", "no-keepalive", "keepalive-time", "basic", "remote-time",
    "parallel", "speed-time", "speed-limit", "location", "tcp-nodelay", "styled-output",
    "no-styled-output",
}  # fmt: skip
SYNTAX = Syntax(flags=FLAGS, flag_values=VALUES, long_values=LONG_VALUES)
TRANSIENT = ["408", "429", "500", "502", "503", "504"]
"""The statuses after which curl tries again, unless it does after all errors."""
SEVERAL_URLS = re.compile(r"[{}]|\[(?!\])")


def curl(words: Sequence[str], request: Request) -> None:
    """Read the options of curl. Raises `CannotTake`."""
    given = list(options(words, SYNTAX))
    names = {name for name, _ in given}
    for name, value in given:
        if name is None or name == "url":
            request.urls.append(checked_url(value, is_literal="globoff" in names))
        elif name in REFUSED:
            raise CannotTake(f"--{name}: {REFUSED[name]}")
        elif name in SET:
            SET[name](request, value)
        elif name not in WITHOUT_EFFECT:
            raise CannotTake(f"the option {name if name.startswith('-') else f'--{name}'} of curl is not known here")
    if "location" not in names:
        request.redirects = 0
    if "retry-all-errors" not in names:
        request.retry_statuses = TRANSIENT
    for text in (*(request.data if request.in_query else ()), *request.query):
        check_no_space(text)


def checked_url(url: str, *, is_literal: bool) -> str:
    """Return a URL. Raises `CannotTake` for one that curl refuses, or that stands for several."""
    check_no_space(url)
    bare = reading.REFERENCE.sub(lambda found: found.group() if found[1] else "", url)
    if not is_literal and any(SEVERAL_URLS.search(part) for part in bare.partition("://")[2].split("/")[1:]):
        raise CannotTake("its URL has braces or brackets, by which curl makes several URLs")
    return url


def check_no_space(text: str) -> None:
    """Raise `CannotTake` for a part of a URL that contains a space."""
    if re.search(r"\s", text):
        raise CannotTake("its URL contains a space, which curl refuses")


def data(request: Request, value: str) -> None:
    """Add data; those from the standard input lose their line breaks."""
    request.data.append(re.sub(r"[\r\n]", "", request.input()) if value == "@-" else without_file(value))


def binary_data(request: Request, value: str) -> None:
    """Add data as they are."""
    request.data.append(request.input() if value == "@-" else without_file(value))


def without_file(value: str) -> str:
    """Return data. Raises `CannotTake` if they are in a file."""
    if value.startswith("@"):
        raise CannotTake(f"the body is in a file of that machine, {value[1:]}")
    return value


def form_field(value: str) -> str:
    """Return data that curl encodes: content, =content, or name=content. Raises `CannotTake`."""
    name, equals, content = value.partition("=")
    if not equals:
        if "@" in value:
            raise CannotTake(f"the body is in a file of that machine, {value.partition('@')[2]}")
        return encoded(value)
    return f"{name}={encoded(content)}" if name else encoded(content)


def json_data(request: Request, value: str) -> None:
    """Add JSON."""
    binary_data(request, value)
    request.is_json = True


def query(request: Request, value: str) -> None:
    """Add to the query; what begins with + is encoded already."""
    request.query.append(value[1:] if value.startswith("+") else form_field(value))


def retries(request: Request, value: str) -> None:
    """Set the number of retries. Raises `CannotTake`."""
    if not value.isdecimal():
        raise CannotTake(f"{value!r} is no number of retries")
    request.attempts = min(int(value) + 1, MOST_ATTEMPTS)


def cookie(request: Request, value: str) -> None:
    """Add cookies. Raises `CannotTake` if they are in a file."""
    if "=" not in value:
        raise CannotTake(f"the cookies are in a file of that machine, {value}")
    request.headers.append(("Cookie", value))


def output(request: Request, value: str) -> None:
    """Note a file to which the response goes."""
    request.files += [value] if value not in {"-", "/dev/null", "/dev/stdout", "/dev/stderr"} else []


def most_redirects(request: Request, value: str) -> None:
    """Limit the redirects; curl's -1 means without a limit. Raises `CannotTake`."""
    if not re.fullmatch(r"-1|[0-9]+", value):
        raise CannotTake(f"{value!r} is no number of redirects")
    request.redirects = FOLLOWED if value == "-1" else min(int(value), FOLLOWED)


SET: dict[str, Callable[[Request, str], None]] = {
    "request": lambda request, value: setattr(request, "method", value.upper()),
    "header": Request.header,
    "data": data,
    "data-ascii": data,
    "data-binary": binary_data,
    "data-raw": lambda request, value: request.data.append(value),
    "data-urlencode": lambda request, value: request.data.append(form_field(value)),
    "json": json_data,
    "url-query": query,
    "user": Request.basic,
    "oauth2-bearer": lambda request, value: request.headers.append(("Authorization", f"Bearer {value}")),
    "user-agent": lambda request, value: request.headers.append(("User-Agent", value)),
    "referer": lambda request, value: request.headers.append(("Referer", value)),
    "range": lambda request, value: request.headers.append(("Range", f"bytes={value}")),
    "cookie": cookie,
    "output": output,
    "remote-name": lambda request, _: request.files.append("a file with the name of the URL"),
    "max-time": lambda request, value: setattr(request, "timeout_ms", seconds(value)),
    "max-redirs": most_redirects,
    "retry": retries,
    "retry-delay": lambda request, value: setattr(request, "delay_ms", seconds(value) or None),
    "retry-max-time": lambda request, value: setattr(request, "retried_within_ms", seconds(value) or None),
    "retry-all-errors": lambda request, _: setattr(request, "retry_statuses", None),
    "head": lambda request, _: setattr(request, "is_head", True),
    "get": lambda request, _: setattr(request, "in_query", True),
}
