"""Problems of an input, field by field."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field: its path from the input's root (GraphQL's names, list indexes as text), and a
    message.
    """

    path: tuple[str, ...]
    message: str

    def under(self, *parents: str) -> "Problem":
        """Return the same problem with its path extended by `parents` in front."""
        return Problem((*parents, *self.path), self.message)

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}: {self.message}" if self.path else self.message
