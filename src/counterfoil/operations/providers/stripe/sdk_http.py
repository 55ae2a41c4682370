"""How the SDK reaches Stripe: an order on the one connection that was opened before it was decided, questions on connections kept open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2
import stripe

from counterfoil.operations.authorities import authorities_of_questions
from counterfoil.operations.providers.connection import NoAnswer, OneRequest

ANSWER_BYTES_MAX = 32 << 20


class OverConnection(stripe.HTTPClient):
    """The SDK's requests on one open connection, which is never opened again. The SDK's own retries are off."""

    name = "counterfoil"

    def __init__(self, connection: OneRequest) -> None:
        """`connection` is open and unused."""
        super().__init__()
        self._connection = connection
        self.answered: Mapping[str, str] = {}  # the headers of the last answer: the SDK drops them where it understands no body

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send it. Raises NotSent, NoAnswer: the SDK lets them pass."""
        parts = urlsplit(url)
        reply = self._connection.ask(method.upper(), parts.path, (post_data or "").encode(), headers or {})
        self.answered = httpx2.Headers(dict(reply.headers))
        return reply.body.decode(errors="replace"), reply.status, self.answered

    def close(self) -> None:
        """Give the connection up."""
        self._connection.close()


class OverPool(stripe.HTTPClient):
    """The SDK's questions, on connections that are kept. Safe for several threads; no proxy, no redirects."""

    name = "counterfoil"

    def __init__(self, *, timeout_s: float) -> None:
        """`timeout_s`: how long to wait for an answer."""
        super().__init__()
        self._http = httpx2.Client(timeout=timeout_s, follow_redirects=False, trust_env=False, verify=authorities_of_questions())

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        """Ask. Raises NoAnswer: the SDK lets it pass."""
        try:
            answer = self._http.request(method.upper(), url, headers=dict(headers or {}), content=post_data)
        except httpx2.HTTPError as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from error
        if len(answer.content) > ANSWER_BYTES_MAX:
            raise NoAnswer(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        return answer.content.decode(errors="replace"), answer.status_code, answer.headers

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
