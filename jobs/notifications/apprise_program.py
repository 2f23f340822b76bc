"""The program that runs the library apprise in a separate process. Only this module knows apprise.

apprise makes blocking calls, and a thread that hangs cannot be ended; a process can. Python calls this process's audit
hook before every connection of any module (PEP 578), so the check of targets covers all of apprise's services and their
redirects. Starting other programs is refused.

The program reads one JSON object from its standard input, and writes one to its standard output::

    {"url": …, "allowed": …, "denied": …}                               is the URL one that apprise can use?
    {"url": …, "allowed": …, "denied": …, "title": …, "body": …}        send a message
    {} or {"error": …} or {"error": …, "refused": true}                 refused: another attempt would not help
"""

import json
import logging
import socket
import sys
from typing import Any

from jobs.http.targets import EgressPolicy, TargetRefused, parse_rules

HERE = "works only on the worker's machine; use a service that is reached over the network"
"""What is wrong with a URL of `LOCAL`."""
LOCAL = frozenset({"dbus", "qt", "kde", "glib", "gio", "gnome", "macosx", "windows", "syslog"})
UNREADABLE = "is not a URL that apprise can use; see https://appriseit.com/services/ for the form of each service"
CONNECTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
STARTS = frozenset({"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"})


class Guard:
    """An audit hook that refuses connections that tasks may not make, and records what it refused."""

    def __init__(self, policy: EgressPolicy) -> None:
        self.refused: str | None = None
        self._policy = policy
        self._hosts: dict[str, set[str]] = {}
        self._resolve = socket.getaddrinfo

    def getaddrinfo(self, host: Any, port: Any, *others: Any, **named: Any) -> list[Any]:
        """Resolve a name as the socket module does, and note it for the addresses that were found."""
        found = self._resolve(host, port, *others, **named)
        name = host.decode() if isinstance(host, bytes) else str(host)
        for *_, address in found:
            self._hosts.setdefault(str(address[0]), set()).add(name)
        return found

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse a connection to a target that is not allowed. Raises `PermissionError`."""
        if event in STARTS:
            raise PermissionError("starting a program is not allowed")
        if event in CONNECTS and arguments[1] is not None:
            self._check(arguments[1])

    def _check(self, address: Any) -> None:
        if not isinstance(address, tuple):
            self.refused = "the target is not allowed: sockets of this machine are blocked here"
            raise PermissionError(self.refused)
        host, port = str(address[0]), int(address[1])
        names = self._hosts.get(host, {host})
        try:
            permitted = all(self._policy.permits(host, host=name, port=port) for name in names)
        except ValueError:
            permitted = False
        if not permitted:
            self.refused = str(TargetRefused(min(names), port))
            raise PermissionError(self.refused)


class LastWords(logging.Handler):
    """Keeps the last log message of apprise."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message of a record."""
        self.text = record.getMessage()


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request."""
    guard = Guard(EgressPolicy(allowed=parse_rules(asked["allowed"]), denied=parse_rules(asked["denied"])))
    words = LastWords()
    logging.getLogger("apprise").addHandler(words)
    import apprise  # noqa: PLC0415 (takes half a second, and this module is imported by others)

    scheme = str(asked["url"]).partition(":")[0].lower()
    if scheme in LOCAL:
        return {"error": HERE, "refused": True}
    asset = apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY, async_mode=False)
    service = apprise.Apprise.instantiate(asked["url"], asset=asset)
    if service is None:
        return {"error": UNREADABLE, "refused": True}
    if "body" not in asked:
        return {}
    vars(socket)["getaddrinfo"] = guard.getaddrinfo
    sys.addaudithook(guard)
    try:
        delivered = service.notify(title=asked["title"], body=asked["body"], body_format=apprise.NotifyFormat.TEXT)
    except Exception as error:  # a plugin may raise anything
        return {"error": f"{type(error).__name__}: {error}"}
    if guard.refused is not None and not delivered:
        return {"error": guard.refused, "refused": True}
    return {} if delivered else {"error": words.text or "apprise gave no reason"}


def main() -> None:
    """Answer one request."""
    sys.stdout.write(json.dumps(answer(json.loads(sys.stdin.read()))))


if __name__ == "__main__":
    main()
