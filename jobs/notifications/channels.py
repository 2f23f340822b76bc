"""The use cases of channels. They take a transaction and flush; its owner commits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from db.models import NotificationChannel
from db.notifications import definitions
from db.postgres_text import is_postgres_text
from db.states import ChannelKind
from jobs.errors import Conflict, ConflictReason, InvalidInput, NotFound
from jobs.http import request
from jobs.http.request import HOW_TO_KEEP_SECRETS, ActionDraft, HttpMethod
from jobs.http.resolver import TargetChecker
from jobs.notifications.apprise_service import AppriseService
from jobs.problems import Problem
from jobs.security.channel_urls import context_of
from jobs.tasks.audit import difference, mark
from jobs.tasks.transaction import Transaction
from jobs.tasks.validation import name_problems

MAX_CHANNELS = 100
MAX_URL_LENGTH = 4_000
NO_SECRETS = "is missing; every webhook is signed, so that its receiver can detect a forged one"
OTHER_KIND = "is for another kind of channel; create a new channel, and let the rules name that one"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDraft:
    """A channel as requested, not validated yet. In an update, None leaves the old value."""

    name: str | None = None
    kind: ChannelKind | None = None
    url: str | None = None
    signing_secrets: Sequence[str] | None = None
    target_problems: Sequence[Problem] = ()
    """What `with_target_checked` has found."""

    @property
    def place(self) -> str:
        """The member of the input that has the kind's own members."""
        return "webhook" if self.kind is ChannelKind.WEBHOOK else "apprise"


async def with_target_checked(draft: ChannelDraft, *, checker: TargetChecker, apprise: AppriseService) -> ChannelDraft:
    """Return the draft with the problems of its URL. Call this before the transaction opens: it takes a second."""
    if draft.url is None or draft.kind is None:
        return draft
    if draft.kind is ChannelKind.WEBHOOK:
        [found] = await checker.problems_of([draft.url])
        return replace(draft, target_problems=[Problem(("webhook", "url"), each.message) for each in found])
    if len(draft.url) > MAX_URL_LENGTH or not is_postgres_text(draft.url):
        message = f"must have at most {MAX_URL_LENGTH:,} characters, none of them NUL or half of a surrogate pair"
    else:
        message = await apprise.problem_of(draft.url) or ""
    return replace(draft, target_problems=[Problem(("apprise", "url"), message)] if message else [])


async def create_channel(work: Transaction, draft: ChannelDraft, *, now: datetime) -> NotificationChannel:
    """Create a channel. Raises `InvalidInput`."""
    await definitions.lock(work.session)
    channel = NotificationChannel(
        id=uuid4(), name="", kind=draft.kind or ChannelKind.WEBHOOK, created_at=now, updated_at=now
    )
    problems = await problems_of(work, draft, channel, is_new=True)
    if await definitions.count(work.session, NotificationChannel) >= MAX_CHANNELS:
        problems.append(Problem((), f"there are {MAX_CHANNELS} channels, which is the limit; delete one first"))
    apply(work, draft, channel, problems)
    work.session.add(channel)
    work.record("createChannel", after=shown(channel))
    await work.session.flush()
    return channel


async def update_channel(
    work: Transaction, channel_id: UUID, draft: ChannelDraft, *, now: datetime, expected_version: int | None = None
) -> NotificationChannel:
    """Change a channel, or nothing if the draft is equal to it. Raises `NotFound`, `Conflict` and `InvalidInput`."""
    channel = await locked(work, channel_id)
    if expected_version is not None and expected_version != channel.version:
        message = f"The channel has version {channel.version}, not {expected_version}: it has been changed since"
        raise Conflict(message, reason=ConflictReason.STALE_VERSION)
    before = shown(channel)
    apply(work, draft, channel, await problems_of(work, draft, channel, is_new=False))
    if shown(channel) != before:
        channel.version += 1
        channel.updated_at = now
        old, new = difference(before, shown(channel))
        work.record("updateChannel", before=old | {"id": str(channel.id)}, after=new)
    await work.session.flush()
    return channel


async def delete_channel(work: Transaction, channel_id: UUID) -> None:
    """Delete a channel with its deliveries. Raises `NotFound`, and `Conflict` while a rule names the channel."""
    channel = await locked(work, channel_id)
    used = await definitions.rules_of_channel(work.session, channel_id)
    if used:
        message = f"The channel is used by the rules {', '.join(map(repr, used[:5]))}; change or delete them first"
        raise Conflict(message, reason=ConflictReason.WRONG_STATE)
    work.record("deleteChannel", before=shown(channel))
    await work.session.delete(channel)
    await work.session.flush()


async def locked(work: Transaction, channel_id: UUID) -> NotificationChannel:
    """Return a channel, locked. Raises `NotFound`."""
    await definitions.lock(work.session)
    found = await definitions.channels(work.session, [channel_id])
    if not found:
        raise NotFound("channel", channel_id)
    return found[0]


async def problems_of(
    work: Transaction, draft: ChannelDraft, channel: NotificationChannel, *, is_new: bool
) -> list[Problem]:
    """Return what is wrong with a draft of a channel."""
    problems = [*draft.target_problems, *own_problems(work, draft, is_new=is_new)]
    if draft.name is not None:
        problems += name_problems(draft.name)
        if not problems:
            holder = await definitions.holder_of_name(work.session, NotificationChannel, draft.name.strip())
            if holder not in (None, channel.id):
                problems.append(Problem(("name",), "is the name of another channel; choose another one"))
    if draft.kind not in (None, channel.kind):
        problems.append(Problem((draft.place,), OTHER_KIND))
    return problems


def own_problems(work: Transaction, draft: ChannelDraft, *, is_new: bool) -> Iterator[Problem]:
    """Yield what is wrong with the members of the channel's kind."""
    if draft.kind is ChannelKind.APPRISE:
        if not work.secrets.present:
            message = f"is a secret, and there is no key to encrypt it with; {HOW_TO_KEEP_SECRETS}"
            yield Problem(("apprise", "url"), message)
    elif draft.kind is ChannelKind.WEBHOOK:
        if draft.signing_secrets == [] or (is_new and not draft.signing_secrets):
            yield Problem(("webhook", "signingSecrets"), NO_SECRETS)
        for problem in request.check(action_of(draft), secrets=work.secrets)[1]:
            yield problem.under("webhook")


def action_of(draft: ChannelDraft) -> ActionDraft:
    """Return the request of a webhook, by which its URL and its secrets are checked."""
    url = "https://example.com" if draft.url is None else draft.url
    return ActionDraft(url=url, method=HttpMethod.POST, signing_secrets=draft.signing_secrets)


def apply(work: Transaction, draft: ChannelDraft, channel: NotificationChannel, problems: Sequence[Problem]) -> None:
    """Set what a draft gives. Raises `InvalidInput` with all that is wrong."""
    if problems:
        raise InvalidInput(problems)
    if draft.name is not None:
        channel.name = draft.name.strip()
    if draft.kind is ChannelKind.APPRISE and draft.url is not None:
        channel.sealed_url = work.secrets.seal(draft.url, context=context_of(channel.id))
    elif draft.kind is ChannelKind.WEBHOOK:
        columns, _ = request.check(
            replace(action_of(draft), kept_signing_secrets=channel.signing_secrets or ()), secrets=work.secrets
        )
        channel.signing_secrets = columns["signing_secrets"]
        if draft.url is not None:
            channel.url = columns["url"]


def shown(channel: NotificationChannel) -> dict[str, Any]:
    """Return a channel as the audit log shows it: with marks in place of secrets."""
    found: dict[str, Any] = {"id": str(channel.id), "name": channel.name, "kind": channel.kind}
    if channel.url is not None:
        found["url"] = channel.url
    if channel.signing_secrets:
        found["signing_secrets"] = [{"secret": mark(seal)} for seal in channel.signing_secrets]
    if channel.sealed_url is not None:
        found["apprise_url"] = {"secret": mark(channel.sealed_url)}
    return found
