"""When a provider's circuit breaker opens, lets one call try, and closes again. Pure; rows and events are in `circuits`.

A circuit is of one provider and one queue: look-ups go on while a provider cannot take orders. *Closed*: calls go. *Open*: none goes
until `probe_at`. *Half open*: one call tries; the others wait for what becomes of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

SHARE_PERCENT: Final = 50  # of the calls in a window
CALLS_LEAST: Final = 20  # in a window, before a share of them says anything
WINDOW: Final = timedelta(minutes=1)
REST_MAX: Final = timedelta(minutes=5)
Gate = Literal["go", "probe", "wait"]


class CircuitLimits(NamedTuple):
    """`failures` in a row open a circuit; `rest`: for how long no call goes then. It doubles with each try that fails, up to 5 minutes."""

    failures: int = 5
    rest: timedelta = timedelta(seconds=30)


DEFAULT: Final = CircuitLimits()


class Health(NamedTuple):
    """What a call tells of the other side: it works, or it does not, and `error` is what was seen."""

    works: bool
    error: str | None = None


class Circuit(NamedTuple):
    """The circuit of a provider's queue. `failures`: in a row; `window_…`: the last minute in which one failed; `tries`: that failed."""

    id: str
    provider: str
    queue: str
    state: str
    state_at: datetime
    failures: int
    window_at: datetime
    window_calls: int
    window_failures: int
    tries: int
    opened_at: datetime | None
    probe_at: datetime | None
    probed_by: str | None
    last_error: str | None


def gate(circuit: Circuit | None, subject_id: str, *, now: datetime, limits: CircuitLimits) -> Gate:
    """May this item's call go? The item whose try failed last lets others go first: it may be the one that is at fault."""
    if circuit is None or circuit.state == "closed":
        return "go"
    return "probe" if now >= free_at(circuit, subject_id, limits) else "wait"


def free_at(circuit: Circuit, subject_id: str, limits: CircuitLimits) -> datetime:
    """From when on this item may be the one that tries; of a circuit that is not closed."""
    assert circuit.probe_at is not None
    return circuit.probe_at + (rest_of(circuit, limits) if circuit.probed_by == subject_id else timedelta())


def rest_of(circuit: Circuit, limits: CircuitLimits) -> timedelta:
    """How long it rests now: the limit's `rest`, doubled with each try that failed."""
    doubled: timedelta = limits.rest * (1 << min(circuit.tries, 10))
    return min(doubled, max(REST_MAX, limits.rest))


def failed(circuit: Circuit, *, error: str | None, now: datetime, limits: CircuitLimits) -> Circuit:
    """After a call that failed; its `state` is what it is to be."""
    fresh = now - circuit.window_at >= WINDOW
    calls, failures = (0, 0) if fresh else (circuit.window_calls, circuit.window_failures)
    after = circuit._replace(
        failures=circuit.failures + 1,
        window_at=now if fresh else circuit.window_at,
        window_calls=calls + 1,
        window_failures=failures + 1,
        last_error=error,
    )
    # A try that failed, or could not even connect: without a rest of its own every tick would take another item up for nothing.
    tried = circuit.state == "open" and circuit.probe_at is not None and now >= circuit.probe_at
    if circuit.state == "half_open" or tried:
        again = after._replace(state="open", tries=circuit.tries + 1)
        return again._replace(probe_at=now + rest_of(again, limits))
    if circuit.state == "closed" and _trips(after, limits):
        return after._replace(state="open", opened_at=now, tries=0, probe_at=now + limits.rest, probed_by=None)
    return after  # open: a call that began before it opened


def worked(circuit: Circuit, *, now: datetime) -> Circuit:
    """After a call that was answered: whatever the circuit was, the provider works."""
    if circuit.state != "closed":
        return circuit._replace(
            state="closed",
            failures=0,
            window_calls=0,
            window_failures=0,
            tries=0,
            opened_at=None,
            probe_at=None,
            probed_by=None,
        )
    if now - circuit.window_at >= WINDOW:
        return circuit._replace(failures=0, window_calls=0, window_failures=0)
    return circuit._replace(failures=0, window_calls=circuit.window_calls + 1)


def _trips(circuit: Circuit, limits: CircuitLimits) -> bool:
    if circuit.failures >= limits.failures:
        return True
    share = circuit.window_failures * 100 >= circuit.window_calls * SHARE_PERCENT
    return circuit.window_calls >= CALLS_LEAST and share
