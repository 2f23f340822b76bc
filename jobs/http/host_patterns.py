"""Host patterns: a host, or all hosts below a name, as flow limits name them."""

from jobs.http.request import host_of, parse_url

WILDCARD = "*."
NOT_IN_PATTERNS = frozenset("/?#@\\ \t")


def parse_host_pattern(text: str) -> str:
    """Return a pattern in its one spelling: in lower case, in IDNA, without white space around it.

    Raises `ValueError`, whose text says what is wrong.
    """
    written = text.strip()
    if "://" in written or NOT_IN_PATTERNS & {*written}:
        raise ValueError("is not just a host; write it without scheme and path, such as api.example.com")
    wildcard = WILDCARD if written.startswith(WILDCARD) else ""
    name = written.removeprefix(wildcard)
    if "*" in name:
        raise ValueError("has a * inside; a pattern may only begin with *., as in *.example.com")
    if name.count(":") > 1 and not name.startswith("["):
        name = f"[{name}]"
    split = parse_url(f"http://{name}/")
    host = host_of(split)
    if split.port is None:
        host, _, _ = host.rpartition(":")
    address = host.rpartition(":")[0] if split.port is not None else host
    if wildcard and (address.startswith("[") or address.rpartition(".")[2].isdigit()):
        raise ValueError("has a * before an address; write the full address, or a name as in *.example.com")
    return f"{wildcard}{host}"
