"""Asking a node: JSON-RPC, strictly read. A node lies, lags and loses: what it does not say is unknown, and never "no"."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Final

import httpx2

from counterfoil.operations.authorities import authorities_of_questions
from counterfoil.operations.providers.connection import NoAnswer, NotConnected, NotSent, OneRequest

_QUANTITY: Final = re.compile(r"0x(0|[1-9a-f][0-9a-f]*)")
_HASH: Final = re.compile(r"0x[0-9a-f]{64}")
MISREAD_MAX: Final = 200  # characters of what a node says that are kept
JSON: Final = {"Content-Type": "application/json"}


class NodeSilent(Exception):
    """No answer came, or none that is understood: nothing is known."""


class NodeSaid(Exception):
    """The node answered with an error. Its words differ from node to node, so nothing is decided by them."""


class NodeClient:
    """A node by its address. Safe to call from several threads. The address may carry a key, so no message repeats it."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """`timeout_s`: how long to wait for an answer."""
        self._url, self._timeout_s = url, timeout_s
        self._numbers = itertools.count(1)
        self._http = httpx2.Client(timeout=timeout_s, follow_redirects=False, trust_env=False, verify=authorities_of_questions())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, method: str, *given: Any) -> Any:
        """What the node answers; null is None. Raises NodeSilent, NodeSaid."""
        number = next(self._numbers)
        try:
            response = self._http.post(self._url, content=_body(number, method, given), headers=JSON)
        except httpx2.HTTPError as error:
            raise NodeSilent(f"no answer: {type(error).__name__}") from None
        return _result(number, response.status_code, response.content)

    def line(self) -> NodeLine:
        """A connection for one transaction, open and unused. Raises NodeSilent."""
        try:
            return NodeLine(OneRequest(self._url, limit_s=self._timeout_s), self._url, next(self._numbers))
        except NotConnected as error:
            raise NodeSilent(str(error)) from None


class NodeLine:
    """An open connection to a node, for one transaction."""

    def __init__(self, connection: OneRequest, url: str, number: int) -> None:
        """`connection` is unused."""
        self._connection, self._number = connection, number
        self._path = httpx2.URL(url).raw_path.decode()

    def is_usable(self) -> bool:
        """Is it open, and young enough to send on?"""
        return self._connection.is_usable()

    def send(self, raw: bytes) -> str:
        """Hand over signed bytes; the hash that the node names. Raises NodeSilent, NodeSaid."""
        body = _body(self._number, "eth_sendRawTransaction", ["0x" + raw.hex()])
        try:
            reply = self._connection.ask("POST", self._path, body, JSON)
        except (NotSent, NoAnswer) as error:
            raise NodeSilent(str(error)) from None
        return a_hash(_result(self._number, reply.status, reply.body))

    def close(self) -> None:
        """Give it up."""
        self._connection.close()


def _body(number: int, method: str, given: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(given)}).encode()


def _result(number: int, status: int, content: bytes) -> Any:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        raise NodeSilent(f"status {status}, and no JSON") from None
    if not isinstance(told, dict) or told.get("id") != number:
        raise NodeSilent(f"status {status}, and no answer to what was asked")
    if (error := told.get("error")) is not None:
        raise NodeSaid(str(error.get("message") if isinstance(error, dict) else error)[:MISREAD_MAX])
    if "result" not in told:
        raise NodeSilent(f"status {status}, and no answer to what was asked")
    return told["result"]


def quantity(given: Any) -> int:
    """A whole number as nodes write it (`0x1f`). Raises NodeSilent."""
    if not isinstance(given, str) or not _QUANTITY.fullmatch(given):
        raise NodeSilent(f"no number: {str(given)[:40]}")
    return int(given, 16)


def a_hash(given: Any) -> str:
    """A hash of 32 bytes. Raises NodeSilent."""
    if not isinstance(given, str) or not _HASH.fullmatch(given.lower()):
        raise NodeSilent(f"no hash: {str(given)[:80]}")
    return given.lower()


def an_object(given: Any) -> dict[str, Any]:
    """A JSON object. Raises NodeSilent."""
    if not isinstance(given, dict):
        raise NodeSilent("no object where one is documented")
    return given
