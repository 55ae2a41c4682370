"""What is due in a queue, and taking it, as SQL: one update of a row for its claim, and for its end and its step where these are known."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, LiteralString, NamedTuple

from psycopg import sql

from counterfoil.base.machine import STEPS_OF, Machine

if TYPE_CHECKING:
    from counterfoil.operations.work.runner import Queue


class ClaimStep(NamedTuple):
    """The step that a claim takes with its rows, where the work of a queue is always the same one."""

    machine: Machine
    verb: str


_TAKE: Final = """
    with due as ({due} for update of w skip locked),
         taken as (update {table} t set fence = t.fence + 1, {sets} from due where t.id = due.id
                   returning t.id, t.fence, due.attempt, due.lease_owner <> %(owner)s as rescued, {number} as number){steps}
    select id, fence, attempt, rescued from taken"""
_HELD: Final = "lease_owner = %(owner)s, lease_until = %(until)s"
_DONE: Final = "lease_owner = null, lease_until = null, due_at = null, attempt = 0, last_error = null"
_STEPPED: Final = ", state = %(to)s, state_at = %(now)s, steps = t.steps + 1"
_STEPS: Final = f""",
         stepped as ({STEPS_OF.format(number="number", start="%(from)s", end="%(to)s", rows="taken")})"""


@cache
def taking(queue: Queue, *, only: bool, done: bool, steps: bool) -> bytes:
    """A query that takes what is due (see `runner.claim`), asked with `asked_of`, `given_to`, an owner and the end of its lease."""
    query = sql.SQL(_TAKE).format(
        table=sql.Identifier(queue.table),
        due=due_rows(queue, only=only),
        sets=sql.SQL(_DONE if done else _HELD) + sql.SQL(_STEPPED if steps else ""),
        number=sql.SQL("t.steps" if steps else "0"),
        steps=sql.SQL(_STEPS if steps else ""),
    )
    return query.as_string(None).encode()


def given_to(queue: Queue, step: ClaimStep | None, now: datetime) -> dict[str, Any]:
    """What `taking` asks with for its step, which takes neither a reason nor two people. Raises ReasonRequired for another."""
    if step is None:
        return {}
    (state,) = queue.states
    ends = step.machine.next_state(state, step.verb)
    given: dict[str, Any] = {"machine": step.machine.name, "verb": step.verb, "from": state, "to": ends}
    return given | {"actor": "system:worker", "reason": None, "cause": None, "at": now}


_LANE: Final = sql.SQL("%(lane)s::text")


def asked_of(queue: Queue, *, now: datetime, rows_max: int, lane: str | None = None) -> dict[str, Any]:
    """What `due_rows` asks with."""
    return {"now": now, "states": list(queue.states), "queue": queue.name, "lane": lane, "rows_max": rows_max}


def due_rows(queue: Queue, *, lane: sql.Composable = _LANE, only: bool = False) -> sql.Composed:
    """A query for the due rows of a queue, their ids first, that nobody holds and no pause or open circuit stops, the oldest first; of the
    lane that the parameter `lane` names, or that another query around it does; `only`: of the ids of that parameter, found by them. Of a
    lane whose provider one call is to try, one row."""
    return sql.SQL("""select w.id, w.attempt, w.lease_owner from {table} w where w.due_at <= %(now)s and w.state = any(%(states)s)
                 and (w.lease_until is null or w.lease_until <= %(now)s)
                 and ({given} is null or {lane} = {given})
                 and {only}
                 and not {paused} and not {broken}
              order by w.due_at, w.id limit {rows}""").format(
        table=sql.Identifier(queue.table),
        lane=_column(queue.lane),
        given=lane,
        # Where it may be null, each row is compared with each of the ids: five hundred of each take longer than all the rest.
        only=sql.SQL("w.id = any(%(only)s::text[])") if only else sql.SQL("true"),
        paused=paused_row(queue),
        broken=_broken(queue),
        rows=sql.SQL("%(rows_max)s")
        if queue.lane is None
        else sql.SQL("""(select case when exists (select from circuit c where c.queue = %(queue)s and c.provider = {given}
            and c.state <> 'closed' and c.probe_at <= %(now)s) then 1 else %(rows_max)s end)""").format(given=lane),
    )


def _column(name: LiteralString | None) -> sql.Composable:
    return sql.SQL("w.") + sql.Identifier(name) if name else sql.Literal("")


def paused_row(queue: Queue, *, lets_end: bool = False) -> sql.Composable:
    """Is the row `w` of this queue stopped by a switch? Asked in claims, and before each call with `lets_end`: what drains stops none."""
    return sql.SQL("""exists (select from queue_paused p where p.queue = %(queue)s and p.provider in ('', {provider})
        and p.program_id in ('', {program}) and ({all} or p.number not in (select number from queue_drain)))""").format(
        provider=_column(queue.lane), program=_column(queue.program), all=sql.Literal(not lets_end)
    )


def _broken(queue: Queue) -> sql.Composable:
    """Does the row `w` of this queue wait for a provider that does not work (see `circuits`)?"""
    if queue.lane is None:
        return sql.SQL("false")
    return sql.SQL("""exists (select from circuit c where c.queue = %(queue)s and c.provider = {provider}
                              and c.state <> 'closed' and c.probe_at > %(now)s)""").format(provider=_column(queue.lane))
