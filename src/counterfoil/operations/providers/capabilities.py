"""What a provider can do for us: the rules of doubt differ where it forgets keys at once, or cannot be asked."""

from __future__ import annotations

from typing import Final, NamedTuple


class Capabilities(NamedTuple):
    """`looks_up`: it can be asked what became of a key. `remembers_keys`: the same key again is the same order, for a day."""

    looks_up: bool = True
    remembers_keys: bool = True


FULL: Final = Capabilities()


def capabilities_of(provider: object) -> Capabilities:
    """What a provider says that it can do; one that says nothing can do both."""
    found = getattr(provider, "capabilities", FULL)
    return found if isinstance(found, Capabilities) else FULL
