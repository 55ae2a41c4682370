"""Stripe's way to ask: forms and queries with names such as `metadata[reference]`, `created[gte]`, `expand[]`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

_PART: Final = re.compile(r"\[([^\[\]]*)\]")
LIST_MAX: Final = 100


class StripeRefused(Exception):
    """A request that is refused in Stripe's words; nothing moved."""

    def __init__(self, status: int, kind: str, code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.status, self.kind, self.code, self.message, self.param = status, kind, code, message, param


def parse_form(text: str) -> dict[str, Any]:
    """`a=1&b[c]=2&d[]=3` as `{"a": "1", "b": {"c": "2"}, "d": ["3"]}`; numbered names such as `d[0]` are lists, too."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        base, parts = name.split("[", 1)[0], _PART.findall(name)
        if not parts:
            found[base] = value
        elif parts[0] == "" or parts[0].isdigit():
            found.setdefault(base, []).append(value)
        else:
            found.setdefault(base, {})[parts[0]] = value
    return found


def whole(form: dict[str, Any], name: str, *, least: int = 1) -> int:
    """A whole number of the form. Raises StripeRefused naming it."""
    text = form.get(name)
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,12}", text) or int(text) < least:
        raise StripeRefused(400, "invalid_request_error", "parameter_invalid_integer", f"Invalid integer: {text}", name)
    return int(text)


def word(form: dict[str, Any], name: str, pattern: str) -> str:
    """A text of the form. Raises StripeRefused naming it."""
    text = form.get(name)
    if not isinstance(text, str) or not re.fullmatch(pattern, text):
        raise StripeRefused(400, "invalid_request_error", "parameter_missing", f"Missing or invalid param: {name}.", name)
    return text


class Listed(NamedTuple):
    """One page of a list, newest first, and whether there are more."""

    rows: list[dict[str, Any]]
    more: bool


def page(rows: Sequence[dict[str, Any]], query: dict[str, Any]) -> Listed:
    """A page of `rows` (newest first) as Stripe cuts it: `limit`, `starting_after` or `ending_before`, `created[…]`."""
    limit = min(whole(query, "limit"), LIST_MAX) if "limit" in query else 10
    kept = [one for one in rows if _in_time(one["created"], query.get("created", {}))]
    ids = [one["id"] for one in kept]
    if (before := query.get("ending_before")) is not None:
        end = _place(ids, before, "ending_before")
        return Listed(kept[max(0, end - limit) : end], end > limit)
    start = _place(ids, query["starting_after"], "starting_after") + 1 if "starting_after" in query else 0
    return Listed(kept[start : start + limit], start + limit < len(kept))


def _place(ids: list[str], wanted: str, name: str) -> int:
    if wanted not in ids:
        raise StripeRefused(400, "invalid_request_error", "resource_missing", f"No such object: '{wanted}'", name)
    return ids.index(wanted)


def _in_time(created: int, wanted: dict[str, str]) -> bool:
    tests = {"gte": created.__ge__, "gt": created.__gt__, "lte": created.__le__, "lt": created.__lt__}
    return all(tests[name](int(at)) for name, at in wanted.items())
