"""The Postman collection, run by newman against an API with an empty database."""

import json
from pathlib import Path
from typing import Any

from tests.support.graphql import Api
from tests.support.node import TESTS, node

COLLECTION = TESTS.parent / "docs" / "postman_collection.json"


def requests(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Yield the requests of a collection, in all its folders."""
    return [found for item in items for found in (requests(item["item"]) if "item" in item else [item])]


async def test_every_request_succeeds(api: Api, tmp_path: Path) -> None:
    """The collection needs only the address of the service; it computes dates, and checks each response."""
    report = tmp_path / "report.json"
    await node(
        TESTS / "node_modules/newman/bin/newman.js",
        *("run", str(COLLECTION), "--env-var", f"baseUrl={api.url}/api/v1", "--bail", "failure"),
        *("--reporters", "json", "--reporter-json-export", str(report)),
    )
    found = json.loads(report.read_text())["run"]
    assert found["failures"] == []
    collection = json.loads(COLLECTION.read_text())
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert len(found["executions"]) == len(requests(collection["item"])) == 11
    assert all(200 <= execution["response"]["code"] < 300 for execution in found["executions"])
    assert found["stats"]["assertions"]["total"] == 11
