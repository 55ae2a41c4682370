"""Something in the way at the named points of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from counterfoil.base.failpoints import Hook, leave, on_point


@contextmanager
def at_points(hook: Hook) -> Iterator[None]:
    """It is called at every point that is reached meanwhile, and no longer."""
    on_point(hook)
    try:
        yield
    finally:
        leave(hook)
