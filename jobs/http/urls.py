"""URLs as text: what of them goes out, byte for byte, and where a reference leads (RFC 3986)."""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from yarl import URL

PARTS = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)
"""Splits every text into the parts of a URL (RFC 3986, appendix B)."""
SITE = re.compile(r"[^/?#]*(?://[^/?#]*)?")
"""The scheme and the authority of a URL."""
KEPT_TARGETS = 256
"""Number of URLs whose request targets are kept, since tasks are called again and again."""
KEPT_SITES = 256
NOT_ALLOWED = re.compile(r'[^\x21-\x7e]|["<>\\^`{|}]')
"""What RFC 3986 does not allow in a URL, so a request line cannot hold it either."""


class Parts(NamedTuple):
    """The parts of a URL as they are written; None for a part that is absent, which is not the same as an empty one."""

    scheme: str | None
    authority: str | None
    path: str
    query: str | None
    fragment: str | None

    @classmethod
    def of(cls, url: str) -> "Parts":
        """Return the parts of a URL or of a reference."""
        found = PARTS.fullmatch(url)
        assert found is not None  # noqa: S101 (the expression matches every text)
        scheme, authority, path, query, fragment = found.groups()
        return cls(scheme, authority, path, query, fragment)

    def __str__(self) -> str:
        return "".join(
            (
                "" if self.scheme is None else f"{self.scheme}:",
                "" if self.authority is None else f"//{self.authority}",
                self.path,
                "" if self.query is None else f"?{self.query}",
                "" if self.fragment is None else f"#{self.fragment}",
            )
        )


@lru_cache(maxsize=KEPT_TARGETS)
def request_target(url: str) -> str:
    """Return the path and the query of a URL as a request line has them: as written, and without the fragment."""
    target = url[site_length(url) :].partition("#")[0]
    return encoded(target if target.startswith("/") else f"/{target}")


def site_of(url: str) -> URL:
    """Return a URL without path, query and fragment. Raises `ValueError` if it cannot be read."""
    return read_site(url[: site_length(url)])


def site_length(url: str) -> int:
    """Return the number of characters of a URL's scheme and authority."""
    found = SITE.match(url)
    assert found is not None  # noqa: S101 (the expression matches every text)
    return found.end()


@lru_cache(maxsize=KEPT_SITES)
def read_site(text: str) -> URL:
    """Return scheme and authority, read once for all calls to the same place."""
    return URL(text)


def in_ascii(url: str) -> str:
    """Return a URL that a request line can hold, and otherwise the same: its host in IDNA, its rest percent-encoded.

    Raises `ValueError` for a host that IDNA does not have.
    """
    if not NOT_ALLOWED.search(url):
        return url
    parts = Parts.of(url)
    if parts.authority is not None and not parts.authority.isascii():
        host, port = URL(f"http://{parts.authority}/").raw_host or "", re.search(r":\d*\Z", parts.authority)
        parts = parts._replace(authority=host + (port.group() if port else ""))
    return str(
        parts._replace(
            path=encoded(parts.path),
            query=None if parts.query is None else encoded(parts.query),
            fragment=None if parts.fragment is None else encoded(parts.fragment),
        )
    )


def encoded(text: str) -> str:
    """Return a text with what a URL cannot hold percent-encoded as UTF-8, and everything else as it is.

    A byte that is no UTF-8 (a surrogate, by the handler `surrogateescape`) is encoded as that byte.
    """
    return NOT_ALLOWED.sub(lambda found: quote(found.group().encode(errors="surrogateescape"), safe=""), text)


def resolved(base: str, reference: str) -> str:
    """Return the URL to which a reference leads from a base (RFC 3986, section 5.2.2), without a fragment."""
    own, its = Parts.of(base), Parts.of(reference)
    if its.scheme is not None:
        target = its._replace(path=without_dots(its.path))
    elif its.authority is not None:
        target = its._replace(scheme=own.scheme, path=without_dots(its.path))
    elif not its.path:
        target = own._replace(query=own.query if its.query is None else its.query)
    else:
        path = its.path if its.path.startswith("/") else own.path.rpartition("/")[0] + "/" + its.path
        target = own._replace(path=without_dots(path), query=its.query)
    return str(target._replace(fragment=None))


def without_dots(path: str) -> str:
    """Return a path with its segments `.` and `..` resolved (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == ".." and len(kept) > 1:
            kept.pop()
        elif segment not in (".", ".."):
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)
