"""Automatic persisted queries, by Apollo's convention: a client sends a document's SHA-256 instead of the document.

    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "…"}}}

One that is not kept is answered with PERSISTED_QUERY_NOT_FOUND, upon which clients send hash and document together;
then it is kept, for a day after its last use. Without Redis that goes on: documents that are sent are executed, and
hashes alone are not found. One that may hold a secret is executed and not kept, since Redis is to hold none: clients
that keep their secrets in variables lose nothing by that.
(https://www.apollographql.com/docs/apollo-server/performance/apq)
"""

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Any

from graphql import GraphQLError, Node, ObjectFieldNode, OperationType, StringValueNode, VariableDefinitionNode

from graphql_api.errors import persisted_query_not_found
from graphql_api.execution.document_cache import Documents
from jobs.queue import Queue

MEMBER = "persistedQuery"
KEPT_FOR = timedelta(hours=24)
PATIENCE = timedelta(milliseconds=500)
"""How long a Redis that hangs may hold up an operation."""
SECRET_MEMBERS = {"value", "signingSecrets"}
"""What an input says secrets in: of a header, and by which calls are signed."""


async def text_of(
    query: str | None, extensions: dict[str, Any] | None, *, queue: Queue, documents: Documents
) -> str | None:
    """The document that a request means. Raises `GraphQLError` when its hash is unknown, or not the document's."""
    wanted = (extensions or {}).get(MEMBER)
    if wanted is None:
        return query
    digest = digest_of(wanted)
    if not query:
        found = await recall(queue, digest)
        if found is None:
            raise persisted_query_not_found()
        return found
    actual = hashed(query)
    if actual != digest:
        raise GraphQLError(f"The sha256Hash of persistedQuery is not that of the query, which is {actual}")
    if may_be_kept(query, documents):
        await keep(queue, digest, query)
    return query


def digest_of(wanted: Any) -> str:
    """The hash that a request names. Raises `GraphQLError` when it names none."""
    if not isinstance(wanted, dict):
        raise GraphQLError("persistedQuery has to be an object with a version and a sha256Hash")
    if isinstance(version := wanted.get("version"), bool) or version != 1:
        raise GraphQLError("The version of persistedQuery has to be 1")
    digest = wanted.get("sha256Hash")
    if not isinstance(digest, str) or len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise GraphQLError("The sha256Hash of persistedQuery has to be a SHA-256 in 64 hexadecimal digits, lower case")
    return digest


def hashed(query: str) -> str:
    """The document's hash."""
    return sha256(query.encode(errors="surrogatepass")).hexdigest()


def may_be_kept(query: str, documents: Documents) -> bool:
    """Whether it can be executed, and holds no secret."""
    try:
        document = documents.read(query)
    except GraphQLError:
        return False
    changes = any(each.operation is OperationType.MUTATION for each in document.operations.values())
    return not document.errors and not (changes and holds_secret(document.ast))


def holds_secret(document: Node) -> bool:
    """Whether there may be a secret in a document itself: a text where inputs say secrets, or a variable's default."""
    pending: list[tuple[Node, bool]] = [(document, False)]
    while pending:
        node, secret = pending.pop()
        if secret and isinstance(node, StringValueNode):
            return True
        secret |= isinstance(node, ObjectFieldNode) and node.name.value in SECRET_MEMBERS
        secret |= isinstance(node, VariableDefinitionNode)
        for key in node.keys:
            child = getattr(node, key, None)
            children = child if isinstance(child, tuple) else (child,)
            pending += [(each, secret) for each in children if isinstance(each, Node)]
    return False


async def recall(queue: Queue, digest: str) -> str | None:
    """The kept document, if Redis has it in time. What others have written there is believed only if it fits."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            found = await queue.kept_document(digest, keep=KEPT_FOR)
    except TimeoutError:
        return None
    return found if found is not None and hashed(found) == digest else None


async def keep(queue: Queue, digest: str, query: str) -> None:
    """Keeps the document, if Redis takes it in time."""
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            await queue.keep_document(digest, query, keep=KEPT_FOR)
    except TimeoutError:
        return
