"""Secret URLs of channels of notifications: sealed when a channel is saved, and opened to send a message."""

from uuid import UUID


def context_of(channel_id: UUID) -> bytes:
    """Return the context to which the sealed URL of a channel belongs: copied to another channel, it does not open."""
    return f"url of channel {channel_id}".encode()
