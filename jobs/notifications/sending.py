"""Attempts one delivery: a webhook through the engine's own HTTP client, or a service of apprise."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from prometheus_client import Counter

from db.states import ChannelKind
from jobs.clock import Clock
from jobs.http.body import Content
from jobs.http.client import HttpCaller, Response
from jobs.http.request import Action, HttpMethod
from jobs.notifications.apprise_service import AppriseService
from jobs.notifications.message import CONTENT_TYPE, cloud_event
from jobs.process_metrics import delivery_attempts
from jobs.retry import parse_retry_after
from jobs.security.channel_urls import context_of
from jobs.security.encryption import NoSecretKey, SecretKeys
from jobs.security.signatures import signature_headers

logger = logging.getLogger(__name__)

TIMEOUT = timedelta(seconds=30)
GONE = 410
KEPT_ERROR_CHARACTERS = 500


class Sent(NamedTuple):
    """How an attempt ended. Without an error, the channel has accepted the message.

    `is_final` means that another attempt would not help; `retry_after` is how long the channel asks to wait.
    """

    status_code: int | None = None
    error: str | None = None
    is_final: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where a message goes. `signing_secrets` and `sealed_url` are sealed."""

    id: UUID
    kind: ChannelKind
    url: str | None = None
    signing_secrets: list[str] | None = None
    sealed_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sends messages. Its owner closes the HTTP client."""

    caller: HttpCaller
    apprise: AppriseService
    secrets: SecretKeys
    clock: Clock
    attempts: Counter = field(default_factory=delivery_attempts)

    async def send(
        self, channel: Channel, content: dict[str, Any], *, delivery_id: UUID, notification_id: UUID, at: datetime
    ) -> Sent:
        """Make one attempt; all attempts of a delivery have the same webhook-id. Raises nothing but cancellation."""
        try:
            if channel.kind is ChannelKind.WEBHOOK:
                body = cloud_event(content, notification_id=notification_id, at=at)
                return await self._call(channel, body, delivery_id=delivery_id)
            url = self.secrets.open(channel.sealed_url or "", context=context_of(channel.id))
        except NoSecretKey as error:
            return Sent(error=str(error))
        text = f"{content['text']}\n\nNotification: {notification_id}"
        outcome = await self.apprise.send(url, title=content["subject"], body=text)
        return Sent(error=outcome.error, is_final=outcome.is_final)

    async def _call(self, channel: Channel, body: bytes, *, delivery_id: UUID) -> Sent:
        now = self.clock.now()
        action = Action(
            method=HttpMethod.POST,
            url=channel.url or "",
            headers={},
            content=Content(body, CONTENT_TYPE),
            timeout=TIMEOUT,
            redirects=0,
        )
        headers = signature_headers(
            channel.signing_secrets or (), keys=self.secrets, run_id=delivery_id, at=now, body=body
        )
        response = await self.caller.call(action, headers=headers)
        return sent_of(response)


def sent_of(response: Response) -> Sent:
    """Return what the response to a webhook means."""
    status = response.status_code
    if status is not None and 200 <= status < 300:
        return Sent(status_code=status)
    answered = None if status is None else f"the channel answered {status}"
    error = "; ".join(filter(None, (answered, response.unfollowed, response.error)))
    ended_at = response.started_at + response.duration
    return Sent(
        status_code=status,
        error=error[:KEPT_ERROR_CHARACTERS],
        is_final=response.refused or status == GONE,
        retry_after=None if response.retry_after is None else parse_retry_after(response.retry_after, now=ended_at),
    )
