"""Automatic persisted queries, by Apollo's convention: a client sends a document's SHA-256 instead of the document.

    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "…"}}}

When a hash is unknown, the error is PERSISTED_QUERY_NOT_FOUND, and clients then send hash and document together. The
document is stored for a day after its last use, and an API key can have only so many documents stored. Without Redis,
documents are executed and hashes are not found. A document that may contain a secret is executed but not stored,
because Redis must not hold secrets; clients that put secrets into variables lose nothing.
(https://www.apollographql.com/docs/apollo-server/performance/apq)
"""

from contextlib import suppress
from typing import Any

from graphql import GraphQLError, Node, ObjectFieldNode, OperationType, StringValueNode, VariableDefinitionNode

from graphql_api.document_store import DocumentStore, QuotaExceeded, hashed
from graphql_api.errors import BAD_REQUEST, persisted_query_not_found, persisted_query_quota_exceeded
from graphql_api.execution.document_cache import Documents
from jobs.security.api_keys import ANYBODY, Caller

MEMBER = "persistedQuery"
SECRET_MEMBERS = {"value", "signingSecrets"}
"""Members of inputs that contain secrets: the value of a header, and signing secrets."""


async def text_of(
    query: str | None,
    extensions: dict[str, Any] | None,
    *,
    store: DocumentStore,
    documents: Documents,
    caller: Caller | None,
) -> str | None:
    """Return the document of a request.

    Raises `GraphQLError` when its hash is unknown or is not the document's, or when the caller's quota is used up.
    """
    extension = (extensions or {}).get(MEMBER)
    if extension is None:
        return query
    digest = digest_of(extension)
    owner = str(caller.key_id) if caller and caller.key_id else ANYBODY.name
    if not query:
        found = await store.find(digest, owner=owner)
        if found is None:
            raise persisted_query_not_found()
        return found
    actual = hashed(query)
    if actual != digest:
        raise malformed(f"The sha256Hash of persistedQuery is not that of the query, which is {actual}")
    with suppress(GraphQLError):
        await documents.prepare(query, {}, None)
    if may_be_stored(query, documents):
        try:
            await store.store(digest, query, owner=owner)
        except QuotaExceeded:
            raise persisted_query_quota_exceeded(store.quota) from None
    return query


def digest_of(extension: Any) -> str:
    """Return the hash in a request. Raises `GraphQLError` when it is malformed."""
    if not isinstance(extension, dict):
        raise malformed("persistedQuery has to be an object with a version and a sha256Hash")
    if isinstance(version := extension.get("version"), bool) or version != 1:
        raise malformed("The version of persistedQuery has to be 1")
    digest = extension.get("sha256Hash")
    if not isinstance(digest, str) or len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise malformed("The sha256Hash of persistedQuery has to be a SHA-256 in 64 hexadecimal digits, lower case")
    return digest


def malformed(reason: str) -> GraphQLError:
    """Return the error for a request whose hash cannot be used."""
    return GraphQLError(reason, extensions=BAD_REQUEST)


def may_be_stored(query: str, documents: Documents) -> bool:
    """Return whether a document can be executed, and contains no secret."""
    try:
        document = documents.read(query)
    except GraphQLError:
        return False
    changes = any(each.operation is OperationType.MUTATION for each in document.operations.values())
    return not document.errors and not (changes and holds_secret(document.ast))


def holds_secret(document: Node) -> bool:
    """Return whether a document may contain a secret: a literal where inputs have secrets, or a variable's default."""
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
