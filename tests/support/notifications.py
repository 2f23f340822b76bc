"""Channels and rules for tests, and what receives their messages: verified webhooks, and a small SMTP server."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default as modern
from typing import Any
from uuid import UUID

from standardwebhooks import Webhook

from jobs.settings import JobsSettings
from tests.support.graphql import Api
from tests.support.target import Call, Target
from tests.support.waiting import wait_until

PATIENCE = 90
CHANNEL = "__typename ... on Channel { id name kind url version } ... on InvalidInput { problems { path message } }"
CREATE_CHANNEL = f"mutation ($input: CreateChannelInput!) {{ createChannel(input: $input) {{ {CHANNEL} }} }}"
RULE = """__typename ... on NotificationRule { id name version events taskIds tags afterFailures lateMs toleranceMs
    remindEveryMs gatherMs channelIds } ... on InvalidInput { problems { path message } }"""
CREATE_RULE = (
    f"mutation ($input: CreateNotificationRuleInput!) {{ createNotificationRule(input: $input) {{ {RULE} }} }}"
)
DELIVERIES = """query ($filter: NotificationDeliveryFilter) { notificationDeliveries(filter: $filter) {
    totalCount nodes { id channelId ruleId event reminder count subject text state attempts statusCode errorMessage
    nextAttemptAt finishedAt }
} }"""


def sealing(jobs: JobsSettings, **changes: Any) -> JobsSettings:
    """Return the settings of a service with a secret key and a public address."""
    key = base64.b64encode(os.urandom(32)).decode()
    return jobs.model_copy(update={"secret_key": key, "public_url": "https://duetime.example.com"} | changes)


@dataclass(slots=True)
class Webhooks:
    """A webhook's receiver, which verifies each message as the specification's library does."""

    target: Target
    path: str = "/hook"
    secret: str = field(default_factory=lambda: "whsec_" + base64.b64encode(os.urandom(32)).decode())

    @property
    def url(self) -> str:
        """Return the URL to send to."""
        return f"{self.target.url}{self.path}"

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return all messages in the order of their arrival. Raises if a signature is wrong."""
        return [self.message_of(call) for call in self.target.calls_of(self.path)]

    def message_of(self, call: Call) -> dict[str, Any]:
        """Return the message that a call brings. Raises if its signature is wrong or older than five minutes."""
        Webhook(self.secret).verify(call.body, call.headers)
        assert call.headers["content-type"] == "application/cloudevents+json"
        message: dict[str, Any] = json.loads(call.body)
        return message

    @property
    def ids(self) -> list[str]:
        """Return the webhook-id of each message."""
        return [call.headers["webhook-id"] for call in self.target.calls_of(self.path)]

    @property
    def events(self) -> list[tuple[str, int]]:
        """Return the event of each message, with its number of tasks."""
        return [(message["data"]["event"], message["data"]["count"]) for message in self.messages]

    async def first(self, event: str, *, reminder: bool = False, within: float = 20) -> dict[str, Any]:
        """Return the data of the first message about an event, once it is there."""

        def found() -> dict[str, Any] | None:
            data = (message["data"] for message in self.messages)
            return next((each for each in data if (each["event"], each["reminder"]) == (event, reminder)), None)

        message = await wait_until(found, what=f"{event} is told", within=within)
        assert message is not None
        return message


async def create_channel(api: Api, target: dict[str, Any], *, name: str = "ops") -> str:
    """Create a channel, and return its id. The program of apprise takes its time on a busy machine."""
    api.http.timeout = PATIENCE
    made = (await api.data(CREATE_CHANNEL, input={"name": name, "target": target}))["createChannel"]
    assert made["__typename"] == "Channel", made
    channel_id: str = made["id"]
    return channel_id


async def create_webhook(api: Api, hooks: Webhooks, *, name: str = "ops") -> str:
    """Create a channel that leads to a receiver, and return its id."""
    return await create_channel(api, {"webhook": {"url": hooks.url, "signingSecrets": [hooks.secret]}}, name=name)


async def create_rule(api: Api, channel_id: str, *events: str, name: str = "rule", **members: Any) -> str:
    """Create a rule whose messages wait for nothing unless said otherwise, and return its id."""
    given = {"name": name, "channelIds": [channel_id], "events": list(events), "gatherMs": 0, **members}
    made = (await api.data(CREATE_RULE, input=given))["createNotificationRule"]
    assert made["__typename"] == "NotificationRule", made
    rule_id: str = made["id"]
    return rule_id


async def deliveries(api: Api, **filters: Any) -> list[dict[str, Any]]:
    """Return the deliveries, newest first."""
    found: list[dict[str, Any]] = (await api.data(DELIVERIES, filter=filters))["notificationDeliveries"]["nodes"]
    return found


def ids_of(*task_ids: UUID) -> list[str]:
    """Return ids as GraphQL has them."""
    return [str(task_id) for task_id in task_ids]


@dataclass(slots=True)
class SmtpServer:
    """A mail server that keeps what it receives. It refuses the password `wrong-password`, and repeats it in its
    answer, as some servers do.
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak SMTP with a client (RFC 5321), as far as clients of apprise need it."""
        self.connections += 1

        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 sink ESMTP")
        while line := (await reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            match verb.upper():
                case "EHLO":
                    await say("250-sink\r\n250 AUTH PLAIN")
                case "AUTH":
                    credentials = base64.b64decode(rest.split(" ")[-1]).decode().split("\0")
                    wrong = "wrong-password" in credentials
                    await say(f"535 5.7.8 no: {credentials[-1]}" if wrong else "235 2.7.0 ok")
                case "DATA":
                    await say("354 go on")
                    data = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(BytesParser(EmailMessage, policy=modern).parsebytes(data[:-3]))
                    await say("250 ok")
                case "QUIT":
                    await say("221 bye")
                    break
                case _:
                    await say("250 ok")
        writer.close()


@asynccontextmanager
async def running_smtp() -> AsyncIterator[SmtpServer]:
    """Run a mail server on a free loopback port until the block ends."""
    sink = SmtpServer()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        await server.wait_closed()


def texts_of(mails: Sequence[EmailMessage]) -> list[str]:
    """Return the text of each mail."""
    found = []
    for mail in mails:
        body = mail.get_body(("plain", "html"))
        assert body is not None
        found.append(body.get_content())
    return found
