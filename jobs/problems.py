"""What can be wrong with a field of an input."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One field at fault: its path from the input's root (GraphQL's names, list indexes as text), and what is wrong."""

    path: tuple[str, ...]
    message: str

    def under(self, *parents: str) -> "Problem":
        """Return the same problem with its path extended by `parents` in front."""
        return Problem((*parents, *self.path), self.message)

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.message}" if self.path else self.message
