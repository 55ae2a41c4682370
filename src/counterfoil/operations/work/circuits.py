"""Circuit breakers: a provider that does not work is not called, by no worker, until one call has shown that it works again.

The circuit of a provider's queue is a row, by the database's clock. Claims pass over what waits behind an open one, so its items stay
due and use up no try; the call that tries is taken under the row's lock, so that it is one call of all workers. A row is written only
once something failed: a provider that works costs a look at an empty table.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import ENTROPY_BYTES, new_id
from counterfoil.base.machine import Machine, record_birth, steps_taken, take_step
from counterfoil.base.rows import Records
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import First, SortKey
from counterfoil.operations.verbs import Noun, Verb, VerbCall, VerbResult
from counterfoil.operations.work.circuit_rules import (
    Circuit,
    CircuitLimits,
    Gate,
    Health,
    failed,
    free_at,
    gate,
    worked,
)
from counterfoil.operations.work.runner import ERROR_TEXT_MAX, channel_of

ACTOR: Final = "system:worker"
CIRCUIT: Final = Machine(
    name="circuit",
    table="circuit",
    initial=("closed",),
    transitions={
        ("closed", "trip"): "open",
        ("open", "probe"): "half_open",
        ("open", "close"): "closed",
        ("half_open", "trip"): "open",
        ("half_open", "close"): "closed",
    },
)
EVENT_KINDS: Final = declare(
    info={"provider_circuit_closed": "A provider works again; what waited for it goes on."},
    warning={
        "provider_circuit_opened": (
            "A provider does not work: its calls wait, and none of them uses up a try, until one has shown that it works again."
        ),
    },
)


def pass_gate(
    conn: Connection[Any],
    provider: str,
    queue: str,
    subject_id: str,
    *,
    now: datetime,
    limits: CircuitLimits,
    probe_for: timedelta,
) -> tuple[Gate, timedelta]:
    """May the call of this item go, and if not, in how long. With `probe` it is the one call that tries, for `probe_for` at the most."""
    found = CIRCUITS.read(conn, "where provider = %s and queue = %s", [provider, queue])
    if not found or found[0].state == "closed":
        return "go", timedelta()
    circuit = show_circuit(conn, found[0].id, lock=True)
    said = gate(circuit, subject_id, now=now, limits=limits)
    if said == "wait":
        return said, free_at(circuit, subject_id, limits) - now
    if said == "probe":
        _write(conn, circuit, circuit._replace(state="half_open", probe_at=now + probe_for, probed_by=subject_id), now)
    return said, timedelta()


def leave_probe(conn: Connection[Any], provider: str, queue: str, subject_id: str, *, now: datetime) -> None:
    """The call that was to try is not made: another one may."""
    conn.execute(
        """update circuit set probe_at = %s, probed_by = null
           where provider = %s and queue = %s and state = 'half_open' and probed_by = %s""",
        [now, provider, queue, subject_id],
    )


def note_health(conn: Connection[Any], provider: str, queue: str, *told: Health, now: datetime, limits: CircuitLimits) -> None:
    """What calls told of their provider. Opens or closes the circuit, and tells so; calls that worked as always write nothing."""
    if all(health.works for health in told):
        found = CIRCUITS.read(conn, f"where provider = %s and queue = %s and not ({_QUIET}) for update", [provider, queue])
        if not found:
            return
    else:
        found = CIRCUITS.read(conn, "where provider = %s and queue = %s", [provider, queue])
    circuit_id = found[0].id if found else _born(conn, provider, queue, now)
    for health in told:
        _note(conn, circuit_id, health, now=now, limits=limits)


_QUIET: Final = "state = 'closed' and failures = 0 and window_failures = 0"  # nothing that a call that works would change


def _note(conn: Connection[Any], circuit_id: str, health: Health, *, now: datetime, limits: CircuitLimits) -> None:
    circuit = show_circuit(conn, circuit_id, lock=True)
    if health.works:
        after = worked(circuit, now=now)
    else:
        after = failed(circuit, error=(health.error or "")[:ERROR_TEXT_MAX] or None, now=now, limits=limits)
    _write(conn, circuit, after, now)


def _born(conn: Connection[Any], provider: str, queue: str, now: datetime) -> str:
    """The row of this circuit, made at its first failure; of two who make it at once, one finds the other's."""
    entropy = hashlib.sha256(f"{provider}:{queue}".encode()).digest()[:ENTROPY_BYTES]
    made = conn.execute(
        """insert into circuit (id, provider, queue, window_at, state, state_at) values (%s, %s, %s, %s, 'closed', %s)
           on conflict do nothing returning id""",
        [new_id("cir", now=now, entropy=entropy), provider, queue, now, now],
    ).fetchone()
    if made is not None:
        record_birth(conn, CIRCUIT, [made[0]], "closed", actor=ACTOR, at=now)
        return str(made[0])
    return CIRCUITS.read(conn, "where provider = %s and queue = %s", [provider, queue])[0].id


def _write(conn: Connection[Any], before: Circuit, after: Circuit, now: datetime) -> None:
    moved = after.state != before.state
    if moved and after.state == "closed":  # what is open has its dates
        _step(conn, before, after, now)
    conn.execute(
        """update circuit set failures = %(failures)s, window_at = %(window_at)s, window_calls = %(window_calls)s,
                  window_failures = %(window_failures)s, tries = %(tries)s, opened_at = %(opened_at)s, probe_at = %(probe_at)s,
                  probed_by = %(probed_by)s, last_error = %(last_error)s
           where id = %(id)s""",
        after._asdict(),
    )
    if moved and after.state != "closed":
        _step(conn, before, after, now)
    if moved:
        _tell(conn, before, after, now)


def _step(conn: Connection[Any], before: Circuit, after: Circuit, now: datetime) -> None:
    verb = next(verb for (start, verb), end in CIRCUIT.transitions.items() if (start, end) == (before.state, after.state))
    take_step(conn, CIRCUIT, before.id, before.state, verb, actor=ACTOR, at=now, cause=after.last_error)


def _tell(conn: Connection[Any], before: Circuit, after: Circuit, now: datetime) -> None:
    """Told once for an outage: a try that failed in between is no new one."""
    told: dict[str, Any] = {"provider": after.provider, "queue": after.queue}
    if (before.state, after.state) == ("closed", "open"):
        told |= {
            "failures": after.failures,
            "error": after.last_error,
            "probeAt": after.probe_at.isoformat() if after.probe_at else None,
        }
        name = "provider_circuit_opened"
    elif after.state == "closed":
        told |= {"openedAt": before.opened_at.isoformat() if before.opened_at else None}
        name = "provider_circuit_closed"
        _wake(conn, after.queue)
    else:
        return
    emit(conn, [NewEvent(name, "", after.id, told, once=f"step-{steps_taken(conn, CIRCUIT, after.id)}")], at=now)


def _wake(conn: Connection[Any], queue: str) -> None:
    conn.execute("select pg_notify(%s, '')", [channel_of(queue)])


def open_circuits(conn: Connection[Any]) -> list[Circuit]:
    """Circuits that are not closed, the longest open first."""
    return CIRCUITS.read(conn, "where state <> 'closed' order by opened_at, id", [])


CIRCUITS: Final = Records(Circuit, f"select {', '.join(Circuit._fields)} from circuit", "circuit")
show_circuit: Final = CIRCUITS.show
list_circuits: Final = CIRCUITS.newest  # a provider of which nothing ever failed has none


def _probe(one: VerbCall) -> VerbResult:
    """Let a call try now; whichever item comes first makes it."""
    circuit = show_circuit(one.conn, one.subject_id, lock=True)
    state = take_step(one.conn, CIRCUIT, circuit.id, circuit.state, "probe", actor=one.actor, at=one.now, reason=one.reason)
    one.conn.execute("update circuit set probe_at = clock_timestamp(), probed_by = null where id = %s", [circuit.id])
    _wake(one.conn, circuit.queue)
    return VerbResult(state)


VERBS: Final = (
    Verb(
        "probe",
        OPERATE,
        "Try now",
        "The next call goes, without waiting for its time. If it is answered, the circuit closes and "
        "what waited goes on; if it fails, the circuit is open again.",
        do=_probe,
        done="{id} is {state}: the next call tries.",
    ),
)
CIRCUIT_NOUN: Final = Noun(
    "circuit",
    "circuits",
    "cir",
    CIRCUIT,
    VERBS,
    show_circuit,
    row=Circuit,
    rows=list_circuits,
    by_id=CIRCUITS.by_id,
    sorts=(SortKey("provider", str), SortKey("failures", int)),
    help="Whether each provider works; one that does not is not called meanwhile.",
    first=First("It comes when a provider fails again and again. Until then all of them are called."),
)
