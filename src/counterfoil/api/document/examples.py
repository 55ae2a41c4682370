"""The examples of the OpenAPI document: of each call one request with its answer, as the tests send it to a real server.

`examples.json` keeps them with the test that sends each one; that test fails when it does so no more, or is answered in another shape.
`make examples` keeps what is sent and answered now.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

ALIAS: Final = "_alias"
FILE: Final = Path(__file__).parent / "examples.json"


@cache
def examples() -> dict[str, dict[str, Any]]:
    """`operation`, `test`, `path`, `query`, `body` or `text`, `status` and `answer` of each operation that has an example, by its id."""
    return {one["operation"]: one for one in json.loads(FILE.read_text("utf-8"))}


def example_of(operation: str) -> dict[str, Any] | None:
    """The example of an operation; that of the same verb at its other address where it has none of its own."""
    other = operation.removesuffix(ALIAS) if operation.endswith(ALIAS) else operation + ALIAS
    return examples().get(operation) or examples().get(other)


def add_example(operation: dict[str, Any]) -> None:
    """Put the example of an operation where the document keeps one: at its parameters, its body and its answer."""
    one = example_of(operation["operationId"])
    if one is None:
        return
    given = {**one["path"], **one["query"]}
    for parameter in operation.get("parameters", []):
        if parameter["name"] in given:
            parameter["example"] = given[parameter["name"]]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if (sent := one.get("body", one.get("text"))) is not None:
            content["example"] = sent
    for kind, content in operation["responses"].get(str(one["status"]), {}).get("content", {}).items():
        if kind == "application/json" and "answer" in one:
            content["example"] = one["answer"]
