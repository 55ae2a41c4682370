"""Scopes: what a key may that is narrower than its role. `payouts:read` is a kind of thing and a permission, as the routes declare both."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from counterfoil.base.problems import InvalidInput

SCOPES_MAX: Final = 50  # of one key
SCOPE: Final = r"[a-z]+(-[a-z]+)*:[a-z]+(_[a-z]+)*"
ALL_PAGES: Final = "pages"  # a page shows things of many kinds, so a key with scopes sees all of them, or none
SHOWN_MAX: Final = 80


def area_of(heading: str) -> str:
    """As things of this kind are called in a scope: `bank-files` for those under the heading `Bank files`."""
    return heading.lower().replace(" ", "-")


def valid_scopes(scopes: Sequence[str] | None, role: str, permissions: Collection[str]) -> list[str] | None:
    """Sorted, each once. Raises InvalidInput for one that is none, or is of nothing that the role allows: `permissions`."""
    if scopes is None:
        return None
    found = sorted(set(scopes))
    if not 0 < len(found) <= SCOPES_MAX:
        raise InvalidInput("scopes", f"1 to {SCOPES_MAX} of them, or none at all for all that the role allows")
    for one in found:
        if not re.fullmatch(SCOPE, one):
            raise InvalidInput("scopes", "a kind of thing and a permission, such as payouts:read", got=one[:SHOWN_MAX])
        if one.partition(":")[2] not in permissions:
            raise InvalidInput("scopes", f"of what {role} allows: {', '.join(sorted(permissions))}", got=one)
    return found
