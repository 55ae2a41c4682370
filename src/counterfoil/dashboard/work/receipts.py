"""What a form led to, read from what was written down when it was done: an address alone says of nothing that it was done."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.idempotency import remembered
from counterfoil.operations.access.access import Caller


class FormReceipt(NamedTuple):
    """What was done, and when; without `said_at` nothing is known under the key that the address names. `proposal`: it was proposed;
    `partly`: a part of it was not done."""

    said: str = ""
    said_at: datetime | None = None
    proposal: str | None = None
    partly: bool = False


def scope_of_forms(caller: Caller) -> str:
    """Whose the keys of forms are: a receipt is read by whoever sent the form."""
    return f"{caller.scope}:form"


def receipt_of(conn: Connection[Any], caller: Caller, key: str, path: str) -> FormReceipt:
    """What was done under this key on the page at `path`."""
    kept = remembered(conn, scope_of_forms(caller), key)
    if kept is None or not isinstance(kept[0], dict) or kept[0].get("on") != path:
        return FormReceipt()
    return FormReceipt(kept[0]["receipt"], kept[1], kept[0].get("proposal"), kept[0].get("partly", False))
