"""The GraphQL-over-HTTP specification, as npm's graphql-http audits it."""

from tests.support.graphql import Api
from tests.support.node import node_json

AUDITS = 61


async def test_every_audit_is_ok(api: Api) -> None:
    """Every audit passes: what the specification requires, recommends and allows."""
    audits = await node_json("audits.ts", f"{api.url}/graphql")
    assert len(audits) == AUDITS
    assert [audit for audit in audits if audit["status"] != "ok"] == []
