"""How a test sends a form: as a person does, who looks at what would happen and confirms just that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.dashboard.web.driver import look_digest


def key_of(page: str) -> str:
    """The key that the look at a form made, with the digest of what was looked at."""
    return re.search(r'name="key" value="(key_[^"]+)"', page)[1]


def looked_at(client: httpx2.Client, address: str, form: Mapping[str, str]) -> dict[str, str]:
    """Look at a form: what confirms it."""
    page = client.post(address, data=dict(form))
    assert page.status_code == 200, page.text
    return {**form, "confirm": "yes", "key": key_of(page.text)}


def confirmed(client: httpx2.Client, address: str, form: Mapping[str, str]) -> httpx2.Response:
    """Look at a form, and confirm it."""
    return client.post(address, data=looked_at(client, address, form))


def forged_key(verb: str, **asked: Any) -> str:
    """A key as a look at this would have made it, which nobody took."""
    return f"{make_id('key')}.{look_digest(verb, asked)}"
