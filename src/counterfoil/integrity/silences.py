"""Silences: for a time, no notices of some alerts. The alerts themselves, and who must answer by when, stay."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import Machine, Move, record_birth, take_step, take_steps
from counterfoil.base.problems import InvalidInput, ReasonRequired
from counterfoil.base.rows import Records
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.noun_pages import SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun, Verb, VerbCall, VerbResult
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally

ACTOR: Final = "system:worker"
UNTIL_MAX: Final = timedelta(days=90)
REST_S: Final = 30.0
EXPIRED_MAX: Final = 500
SILENCE: Final = Machine(
    name="silence",
    table="silence",
    initial=("active",),
    transitions={("active", "end"): "ended", ("active", "expire"): "ended"},
    reasoned=frozenset({"end"}),
)

# Of a row of `alert`, at the moment `%(now)s`: does a silence hold?
SILENCED: Final = """exists (select from silence s where s.state = 'active' and s.until > %(now)s
                and s.code in ('', alert.code) and s.program_id in ('', alert.program_id))"""


class Silence(NamedTuple):
    """No notices of this check, in this program, until then; an empty code is every check, an empty program every program."""

    id: str
    program_id: str
    code: str
    until: datetime
    reason: str
    actor: str
    created_at: datetime
    state: str


SILENCE_ROWS: Final = Records(Silence, f"select {', '.join(Silence._fields)} from silence", "silence")
show_silence: Final = SILENCE_ROWS.show
list_silences: Final = SILENCE_ROWS.newest


def silence_alerts(
    conn: Connection[Any], silence_id: str, *, code: str, program_id: str, until: datetime, reason: str, actor: str, now: datetime
) -> Silence:
    """Begin one. Raises InvalidInput for an end that is past or later than 90 days, ReasonRequired."""
    if not reason.strip():
        raise ReasonRequired(machine=SILENCE.name, verb="create", field="reason", limit="at least one word")
    if not now < until <= now + UNTIL_MAX:
        raise InvalidInput("until", f"a moment within the next {UNTIL_MAX.days} days", got=until.isoformat())
    conn.execute(
        """insert into silence (id, program_id, code, until, reason, actor, created_at, state, state_at)
           values (%s, %s, %s, %s, %s, %s, %s, 'active', %s)""",
        [silence_id, program_id, code, until, reason, actor, now, now],
    )
    record_birth(conn, SILENCE, [silence_id], "active", actor=actor, at=now)
    return show_silence(conn, silence_id)


def is_silent(conn: Connection[Any], code: str, program_id: str, *, now: datetime) -> bool:
    """Does a silence hold for this check in this program?"""
    row = conn.execute(
        """select exists (select from silence where state = 'active' and until > %s and code in ('', %s) and program_id in ('', %s))""",
        [now, code, program_id],
    ).fetchone()
    return bool(row and row[0])


def count_silences(conn: Connection[Any], *, now: datetime, program_id: str | None = None) -> int:
    """How many keep notices back now, in one program or in any."""
    row = conn.execute(
        "select count(*) from silence where state = 'active' and until > %s and (%s::text is null or program_id in ('', %s))",
        [now, program_id, program_id],
    ).fetchone()
    return int(row[0]) if row else 0


def _end(one: VerbCall) -> VerbResult:
    found = SILENCE_ROWS.show(one.conn, one.subject_id, lock=True)
    return VerbResult(take_step(one.conn, SILENCE, found.id, found.state, "end", actor=one.actor, at=one.now, reason=one.reason))


def _expire(context: JobContext, _: str | None) -> Tally:
    """One tick: those whose end is past."""
    now = context.clock()
    with context.database.transaction() as conn:
        over = SILENCE_ROWS.read(conn, "where state = 'active' and until <= %s order by until, id limit %s for update", [now, EXPIRED_MAX])
        take_steps(conn, SILENCE, [Move(one.id, one.state, "expire") for one in over], actor=ACTOR, at=now)
    return Tally(handled=len(over))


JOBS: Final = (Job("silences", None, _expire, "Ends silences whose time is over.", every=REST_S),)
VERBS: Final = (Verb("end", OPERATE, "End", "Notices are sent again from now on.", do=_end),)
SILENCE_NOUN: Final = Noun(
    "silence",
    "silences",
    "sil",
    SILENCE,
    VERBS,
    show_silence,
    row=Silence,
    rows=list_silences,
    by_id=SILENCE_ROWS.by_id,
    sorts=(
        SortKey("created_at", datetime),
        SortKey("until", datetime),
    ),
    help="For a time, no notices of some alerts.",
    sought=(FoundBy("code", "of this code"),),
)
