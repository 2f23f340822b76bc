"""Slots: how many attempts a worker makes at the same time, in total and to each host."""

from collections import Counter


class Slots:
    """A fixed number of slots. No host may hold more than half, so that one dead target cannot take them all."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.share = max(1, total // 2)
        self._taken: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """Number of further attempts that may start."""
        return self.total - self._taken.total()

    @property
    def saturated_hosts(self) -> list[str]:
        """Hosts that use their whole share."""
        return [host for host, count in self._taken.items() if count >= self.share]

    def room(self, host: str) -> int:
        """Return the number of further attempts to `host` that may start."""
        return min(self.free, self.share - self._taken[host])

    def take(self, host: str) -> None:
        """Take a slot for a call to `host`."""
        self._taken[host] += 1

    def give(self, host: str) -> None:
        """Free a slot."""
        self._taken[host] -= 1
        if not self._taken[host]:
            del self._taken[host]
