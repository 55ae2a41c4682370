"""What the tests send to a real server becomes the examples of the API's document, and is held against them.

`RECORD_EXAMPLES=FOLDER pytest …` writes every call that was answered well; `python -m tests.api.recorder FOLDER` chooses one of each
operation. In every other run a test that an example names must send that call, and get an answer of the same fields.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx2

from counterfoil.api.document.examples import FILE, examples
from counterfoil.base.secret import SIGNING_PREFIX
from counterfoil.operations.access.access import PREFIXES

OURS: Final = ("/api/", "/webhooks/", "/peers/", "/healthz", "/metrics")
RECORD: Final = "RECORD_EXAMPLES"
KEPT: Final = 2  # items of a list in an answer
BODY_MAX: Final = 4_000
ANSWER_MAX: Final = 20_000
LEFT_OUT: Final = ("tests/api/test_openapi.py", "tests/house/", "tests/api/test_requests.py")  # what is generated shows nobody anything
SECRET: Final = re.compile(rf"\b({'|'.join((*PREFIXES, SIGNING_PREFIX, 'sk_'))})[A-Za-z0-9_+/=-]{{8,}}")
sent: dict[str, list[tuple[str, tuple[str, ...]]]] = {}  # by test: operations and the fields of their answers


def the_test() -> str | None:
    """The test that runs now; None while fixtures are made, which may be shared by many."""
    name, _, phase = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")
    return name if phase == "(call)" else None


def listen() -> None:
    """Keep what every client in this process asks of a server of ours, wherever that runs. Once for each process."""
    plain = httpx2.Client.send

    def send(self: httpx2.Client, request: httpx2.Request, **more: Any) -> httpx2.Response:
        response = plain(self, request, **more)
        test = the_test()
        if test is not None and not more.get("stream") and 200 <= response.status_code < 300 and "dry-run" not in request.headers:
            keep(test, request, response)
        return response

    httpx2.Client.send = send  # type: ignore[method-assign]


@cache
def routes() -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and id of every operation; paths without a parameter before those with one."""
    from docs.generate import openapi  # with all of the product: who only gives out the tests to others has no use for it

    found = [
        (method.upper(), re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))), one["operationId"])
        for path, methods in openapi()["paths"].items()
        for method, one in methods.items()
    ]
    return sorted(found, key=lambda one: one[1].groups)


def operation_of(request: httpx2.Request) -> tuple[str, dict[str, str]] | None:
    """The operation's id and what stands in its path; None for what is no call of ours."""
    if not request.url.path.startswith(OURS):
        return None
    for method, path, operation in routes():
        if method == request.method and (found := path.fullmatch(request.url.path)):
            return operation, found.groupdict()
    return None


def keep(test: str, request: httpx2.Request, response: httpx2.Response) -> None:
    """Remember that this test sent this call; while recording, write all of it down."""
    names = {one["operation"] for one in examples().values() if one["test"] == test}
    folder = os.environ.get(RECORD)
    if not (names or folder) or (found := operation_of(request)) is None:
        return
    operation, path = found
    json_ = "json" in response.headers.get("content-type", "") and len(response.content) <= ANSWER_MAX
    answer = response.json() if json_ else None
    sent.setdefault(test, []).append((operation, fields(answer)))
    if folder and not test.startswith(LEFT_OUT):
        one: dict[str, Any] = {"operation": operation, "test": test, "path": path, "query": dict(request.url.params)}
        one |= body_of(request.read()) | {"status": response.status_code}
        if answer is not None:
            one["answer"] = shortened(answer)
        with open(Path(folder) / f"{os.getpid()}.jsonl", "a", encoding="utf-8") as file:
            file.write(SECRET.sub(r"\1…", json.dumps(one, ensure_ascii=False)) + "\n")


def body_of(asked: bytes) -> dict[str, Any]:
    """A request's body: JSON, or the beginning of a file."""
    if not asked:
        return {}
    try:
        return {"body": as_documented(json.loads(asked))}
    except ValueError:
        text = asked[:BODY_MAX].decode("utf-8", "replace")
        return {"text": text} if text.isprintable() or "\n" in text else {}


def as_documented(asked: Any) -> Any:
    """Its fields as the document names them: `seen_at` is taken as well as `seenAt`."""
    if isinstance(asked, dict):
        return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): as_documented(one) for name, one in asked.items()}
    return [as_documented(one) for one in asked] if isinstance(asked, list) else asked


def shortened(answer: Any) -> Any:
    """With short lists."""
    if isinstance(answer, dict):
        return {name: shortened(one) for name, one in answer.items()}
    return [shortened(one) for one in answer[:KEPT]] if isinstance(answer, list) else answer


def fields(answer: Any) -> tuple[str, ...]:
    """The names in an answer."""
    return tuple(sorted(answer)) if isinstance(answer, dict) else ()


def not_as_the_examples_say(test: str) -> list[str]:
    """What the examples say that this test sends and it did not, or what was answered in another shape."""
    told = sent.pop(test, [])
    return [
        f"the example of {one['operation']} is sent by this test no more, or answered with other fields: make examples"
        for one in examples().values()
        if one["test"] == test and (one["operation"], fields(one.get("answer"))) not in told
    ]


def best(of: list[dict[str, Any]]) -> dict[str, Any]:
    """The call that shows most: with something in its lists, a body, told by a test of the API; the shorter of two alike."""

    def worth(one: dict[str, Any]) -> tuple[Any, ...]:
        answer = one.get("answer")
        empty = sum(value in ([], {}, None) for value in answer.values()) if isinstance(answer, dict) else answer in ([], None)
        plain = "[" not in one["test"]
        return (-int(empty), plain, one["test"].startswith("tests/api/"), bool(one["query"]), -len(json.dumps(one)) // 400, one["test"])

    return max(of, key=worth)


def recorded(folder: Path) -> Iterator[dict[str, Any]]:
    """The best of each operation, in the order of their ids."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            one = json.loads(line)
            found.setdefault(one["operation"], []).append(one)
    for _, of in sorted(found.items()):
        yield best(of)


if __name__ == "__main__":
    found = examples() | {one["operation"]: one for one in recorded(Path(sys.argv[1]))}  # what was not sent this time stays
    chosen = [found[name] for name in sorted(found)]
    FILE.write_text(json.dumps(chosen, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{len(chosen)} examples")
