"""What a server refused, or that it was not there."""

from __future__ import annotations

from typing import Any, Final

_SAID: Final = frozenset({"type", "title", "status", "kind", "whatToDo", "requestId"})


class ApiProblem(Exception):
    """The server understood the request and refused it (RFC 9457)."""

    def __init__(self, body: dict[str, Any], status: int) -> None:
        """`body` is the problem document; `facts` are its members beside the standard ones."""
        self.status = status
        self.type = str(body.get("type", "about:blank"))
        self.name = self.type.rpartition("/")[2]  # the stable name, such as InsufficientFunds
        self.title = str(body.get("title", f"The server answered {status}."))
        self.kind = str(body.get("kind", "unexpected"))
        self.what_to_do = str(body.get("whatToDo", ""))
        self.request_id = str(body.get("requestId", ""))
        self.facts: dict[str, Any] = {name: value for name, value in body.items() if name not in _SAID}
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """Title and facts in one line."""
        told = ", ".join(f"{name} {_plain(value)}" for name, value in self.facts.items() if value is not None)
        return f"{self.title} ({told})" if told else self.title


class Unreachable(Exception):
    """No server answered at this address, or it stopped answering."""


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
