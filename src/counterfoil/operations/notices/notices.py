"""Notices: what people are told on their channels. The row is the job: it is written with what it tells, so no crash loses it, and it is
handed over at least once. Each channel is a lane of its own, so that one which does not answer holds up no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Machine, Move, record_birth, take_step, take_steps
from counterfoil.base.rows import Records
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.notices.channels import NoticeDelivery, Sends
from counterfoil.operations.noun_pages import SortKey
from counterfoil.operations.verbs import Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.outside import run_outside
from counterfoil.operations.work.runner import Claim, Queue, Runner, Tally, finish, put_back, wake
from counterfoil.operations.work.station import Channel, OutsideQuestion, Station

ACTOR: Final = "system:worker"
BODY_MAX: Final = 9_000
TITLE_MAX: Final = 250  # the number of times comes behind it
GROUP_MAX: Final = 300
GATHER: Final[Mapping[str, timedelta]] = {"critical": timedelta(), "warning": timedelta(seconds=60), "info": timedelta()}
APART: Final = timedelta(minutes=10)  # of one group and channel; what comes in between goes together
UNSET_FOR: Final = timedelta(hours=1)  # a channel that no worker knows for so long will not be told
NOTICE: Final = Machine(
    name="notice",
    table="notice",
    initial=("waiting",),
    transitions={("waiting", "deliver"): "delivered", ("waiting", "give_up"): "failed", ("failed", "send_again"): "waiting"},
    reasoned=frozenset({"send_again"}),
    ended=frozenset({"failed"}),
)
NOTICES: Final = Queue("notices", "notice", ("waiting",), lane="channel", program="program_id")
FAILED: Final = "notice_failed"
EVENT_KINDS: Final = declare(warning={FAILED: "A channel did not take a notice five times: somebody was not told."})


class Notice(NamedTuple):
    """A notice: on which channel, about what; `times` things were gathered in it. `recipient`: the owner's e-mail address, where it is for
    the owner of a thing. `due_at`: when it is tried next."""

    id: str
    program_id: str
    channel: str
    group_key: str
    level: str
    title: str
    body: str
    times: int
    created_at: datetime
    state: str
    state_at: datetime
    attempt: int
    last_error: str | None
    due_at: datetime | None
    recipient: str


class NoticeAttempt(NamedTuple):
    """One time that a notice was handed to its channel, and what that said."""

    at: datetime
    taken: bool
    error: str | None
    by: str


class Telling(NamedTuple):
    """Something to tell: the group it belongs to, its level, one line, and one paragraph; `recipient`: to whom, by a channel of owners."""

    group_key: str
    level: str
    title: str
    line: str
    program_id: str = ""
    recipient: str = ""


NOTICE_ROWS: Final = Records(Notice, f"select {', '.join(Notice._fields)} from notice", "notice")
show_notice: Final = NOTICE_ROWS.show
list_notices: Final = NOTICE_ROWS.newest


def attempts_of(conn: Connection[Any], notice_id: str, /, *, rows_max: int) -> Sequence[NoticeAttempt]:
    """Each time that it was handed over, the first one first."""
    with conn.cursor(row_factory=class_row(NoticeAttempt)) as cur:
        return cur.execute(
            "select at, taken, error, by from notice_attempt where notice_id = %s order by fence limit %s", [notice_id, rows_max]
        ).fetchall()


def refusing(conn: Connection[Any], channels: Sequence[str], *, since: datetime) -> set[str]:
    """Which of these did not take what they were given last."""
    rows = conn.execute(
        """select distinct on (n.channel) n.channel, a.taken from notice_attempt a join notice n on n.id = a.notice_id
           where n.channel = any(%s) and a.at > %s order by n.channel, a.at desc""",
        [list(channels), since],
    ).fetchall()
    return {channel for channel, taken in rows if not taken}


def tell(conn: Connection[Any], telling: Telling, channels: Sequence[str], *, make_id: MakeId, now: datetime) -> list[str]:
    """Write a notice for each channel, or add to the one of its group that still waits; returns the new ones."""
    made = [one for channel in channels if (one := _tell(conn, telling, channel, make_id, now))]
    if made:
        record_birth(conn, NOTICE, made, "waiting", actor=ACTOR, at=now)
    wake(conn, NOTICES)
    return made


def _tell(conn: Connection[Any], telling: Telling, channel: str, make_id: MakeId, now: datetime) -> str | None:
    # What is being handed over has a lease: nothing may be added that would not be read any more.
    added = conn.execute(
        """update notice set times = times + 1, title = %(title)s,
                  body = case when length(body) + length(%(line)s) < %(most)s then body || E'\\n' || %(line)s else body end
           where id = (select id from notice
                       where (channel, group_key, recipient, state) = (%(channel)s, %(group)s, %(recipient)s, 'waiting')
                         and attempt = 0 and lease_until is null and level = %(level)s
                       order by id desc limit 1 for update skip locked)""",
        {**_given(telling), "channel": channel, "most": BODY_MAX},
    ).rowcount
    if added:
        return None
    notice_id = make_id("ntc")
    conn.execute(
        """insert into notice (id, program_id, channel, group_key, recipient, level, title, body, created_at, due_at, state, state_at)
           select %(id)s, %(program)s, %(channel)s, %(group)s, %(recipient)s, %(level)s, %(title)s, %(line)s, %(now)s,
                  greatest(%(due)s, (select max(state_at) + %(apart)s from notice
                                     where (channel, group_key, level, state) = (%(channel)s, %(group)s, %(level)s, 'delivered'))),
                  'waiting', %(now)s""",
        {**_given(telling), "id": notice_id, "channel": channel, "now": now, "due": now + GATHER[telling.level], "apart": APART},
    )
    return notice_id


def _given(telling: Telling) -> dict[str, Any]:
    return {
        "program": telling.program_id,
        "group": telling.group_key[:GROUP_MAX],
        "recipient": telling.recipient,
        "level": telling.level,
        "title": telling.title[:TITLE_MAX],
        "line": telling.line[:BODY_MAX],
    }


class NoticeSending(Station[Notice, NoticeDelivery]):
    """Hands notices to their channels. A crash in between tells it once more: better twice than not at all."""

    queue = NOTICES

    def __init__(self, sends: Sends, owner: str) -> None:
        """`sends` hands them over; `owner` is the worker that has it do so."""
        self._sends, self._owner = sends, owner

    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> Mapping[str, Notice]:  # noqa: ARG002
        """What stands in them."""
        return {one.id: one for one in NOTICE_ROWS.by_id(conn, [one.id for one in claims])}

    def connect(self, item: Notice) -> Channel[NoticeDelivery]:
        """Hand it over; that may be repeated, so nothing is announced."""
        title = f"{item.title} ({item.times} times)" if item.times > 1 else item.title
        return OutsideQuestion(
            lambda: self._sends.send(item.channel, level=item.level, title=title, body=item.body, recipient=item.recipient)
        )

    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, NoticeDelivery]], now: datetime) -> None:
        """Sent, tried again, or given up after the fifth time."""
        with conn.cursor() as cur:
            cur.executemany(
                "insert into notice_attempt (notice_id, fence, at, taken, error, by) values (%s, %s, %s, %s, %s, %s)",
                [(one.id, one.fence, now, delivery.taken, delivery.error, self._owner) for one, delivery in done],
            )
        taken = [Move(one.id, "waiting", "deliver") for one, delivery in done if delivery.taken]
        take_steps(conn, NOTICE, taken, actor=ACTOR, at=now)
        finish(conn, NOTICES, [one.subject_id for one in taken])
        for one, delivery in done:
            if not delivery.taken and not put_back(conn, NOTICES, one, error=delivery.error or "", now=now):
                _give_up(conn, one.id, str(one.fence), delivery.error or "it was not taken", now)


def _give_up(conn: Connection[Any], notice_id: str, once: str, why: str, now: datetime) -> None:
    take_steps(conn, NOTICE, [Move(notice_id, "waiting", "give_up")], actor=ACTOR, at=now, cause=why)
    one = show_notice(conn, notice_id)
    told = {"channel": one.channel, "title": one.title, "error": why}
    emit(conn, [NewEvent(FAILED, one.program_id, notice_id, told, once=once)], at=now)


def _send_again(one: VerbCall) -> VerbResult:
    notice = NOTICE_ROWS.show(one.conn, one.subject_id, lock=True)
    state = take_step(one.conn, NOTICE, notice.id, notice.state, "send_again", actor=one.actor, at=one.now, reason=one.reason)
    one.conn.execute("update notice set due_at = %s, attempt = 0, last_error = null where id = %s", [one.now, notice.id])
    wake(one.conn, NOTICES)
    return VerbResult(state)


def send_due(context: JobContext, channel: str | None) -> Tally:
    """One tick: hand over the notices of a channel that are due; without a channel, give up those of channels that nobody knows."""
    if channel is None:
        return _give_up_unset(context.runner, context.channels.names)
    return run_outside(context.runner, NoticeSending(context.channels, context.runner.owner), lane=channel)


def _give_up_unset(runner: Runner, names: Sequence[str]) -> Tally:
    """Another worker may know a channel that this one does not, so there is time for it."""
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
        rows = conn.execute(
            """select id, channel, fence from notice
               where state = 'waiting' and channel <> all(%s) and due_at < %s and (lease_until is null or lease_until < %s)
               order by id limit %s for update skip locked""",
            [list(names), now - UNSET_FOR, now, runner.rows_max],
        ).fetchall()
        for notice_id, channel, fence in rows:
            conn.execute("update notice set due_at = null where id = %s", [notice_id])
            _give_up(conn, notice_id, str(fence), f"no worker knows the channel {channel}", now)
    return Tally(handled=len(rows))


JOBS: Final = (Job("notices", NOTICES, send_due, "Tells people on their channels what alerts and incidents say.", per_channel=True),)
VERBS: Final = (
    Verb(
        "send_again",
        OPERATE,
        "Send again",
        "It is handed to its channel again, at once and on the ladder.",
        do=_send_again,
        many=True,
    ),
)
NOTICE_NOUN: Final = Noun(
    "notice",
    "notices",
    "ntc",
    NOTICE,
    VERBS,
    show_notice,
    row=Notice,
    rows=list_notices,
    by_id=NOTICE_ROWS.by_id,
    sorts=(SortKey("created_at", datetime),),
    help="What was told to people, on which channel.",
    parts=(Part("attempts", NoticeAttempt, attempts_of),),
    columns=("id", "channel", "level", "title", "times", "state", "created_at", "attempt", "last_error", "due_at"),
)
