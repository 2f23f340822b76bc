"""Where tests find the addresses of targets' names: never beyond this machine."""

from collections.abc import Sequence


async def no_names(host: str, port: int) -> Sequence[str]:
    """There is no such name."""
    raise OSError(f"no address for {host}:{port}")
