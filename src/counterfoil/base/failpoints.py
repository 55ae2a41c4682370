"""Named points at which a process may be killed: nothing happens here unless a drill put something in the way.

A crash test cannot prove anything by killing at random moments: it must know that the kill landed in its window. So the code
says where it is, and the drill (started only by an explicit setting of the worker) makes the process report the point and
wait there to be killed from outside.
"""

from __future__ import annotations

from collections.abc import Callable

Hook = Callable[[str], None]
_hooks: list[Hook] = []


def reached(point: str, *about: str | None) -> None:
    """Say that this process is at `point`; free when no drill runs. `about`: what it is about, such as a provider: `point:provider` is a
    point of its own then, beside `point`."""
    for hook in _hooks:
        hook(point)
        for one in sorted({each for each in about if each}):
            hook(f"{point}:{one}")


def on_point(hook: Hook) -> None:
    """Have `hook` called at every point of this process, for a drill."""
    _hooks.append(hook)


def leave(hook: Hook) -> None:
    """Have `hook` called no more."""
    _hooks.remove(hook)
