"""The pages of notices and silences: whom was told, whether it reached them, and what is kept back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.integrity.silences import SILENCE, Silence, count_silences, list_silences
from counterfoil.operations.notices.notices import NOTICE, Notice, list_notices

NOTICES_SHOWN_MAX: Final = 20
SINCE: Final = timedelta(days=30)


class ChannelRow(NamedTuple):
    """A channel: the least level that is told there, when it last took a notice and last refused one, and what waits and failed."""

    name: str
    least: str | None  # None: the server that shows this does not know it
    taken_at: datetime | None
    refused_at: datetime | None
    last_error: str | None
    waiting: int
    failed: int

    @property
    def grade(self) -> str:
        """A channel is in order when the last that it was given was taken; one that was never given anything is not known."""
        if self.least is None or self.failed or (self.refused_at and (self.taken_at is None or self.refused_at > self.taken_at)):
            return "attention"
        return "right" if self.taken_at else "unknown"


class NoticesAnswer(NamedTuple):
    """What the list of notices shows. `channels` is None for who sees one program only."""

    channels: tuple[ChannelRow, ...] | None
    rows: tuple[Notice, ...]
    state: str | None
    states: tuple[str, ...]
    after: str | None
    silences: int
    measured_at: datetime


class SilencesAnswer(NamedTuple):
    """What the list of silences shows."""

    rows: tuple[Silence, ...]
    state: str | None
    states: tuple[str, ...]
    after: str | None
    measured_at: datetime


def notices_answer(ask: SectionContext) -> NoticesAnswer:
    """Channels and notices, newest first. Raises InvalidInput."""
    states = tuple(NOTICE.states())
    state, after = _one_of(ask.params.get("state"), states), ask.params.get("after") or None
    found = list_notices(ask.conn, rows_max=NOTICES_SHOWN_MAX + 1, after=after, state=state, program_id=ask.program_id)
    known = {name: one.least for name, one in ask.extra.wiring.channels.known.items()}
    channels = None if ask.only else _channels(ask.conn, known, ask.clock())
    silences = count_silences(ask.conn, now=ask.clock(), program_id=ask.program_id)
    return NoticesAnswer(channels, tuple(found[:NOTICES_SHOWN_MAX]), state, states, _after(found), silences, ask.clock())


def silences_answer(ask: SectionContext) -> SilencesAnswer:
    """Silences, newest first. Raises InvalidInput."""
    states = tuple(SILENCE.states())
    state, after = _one_of(ask.params.get("state"), states), ask.params.get("after") or None
    found = list_silences(ask.conn, rows_max=NOTICES_SHOWN_MAX + 1, after=after, state=state, program_id=ask.program_id)
    return SilencesAnswer(tuple(found[:NOTICES_SHOWN_MAX]), state, states, _after(found), ask.clock())


def _after(found: Sequence[Any]) -> str | None:
    return str(found[NOTICES_SHOWN_MAX - 1].id) if len(found) > NOTICES_SHOWN_MAX else None


def _one_of(given: str | None, known: Sequence[str]) -> str | None:
    if not given:
        return None
    if given not in known:
        raise InvalidInput("state", f"one of {', '.join(known)}", got=given[:40])
    return given


def _channels(conn: Connection[Any], known: dict[str, str], now: datetime) -> tuple[ChannelRow, ...]:
    """Those that are set here, and those for which something waits or failed; what failed long ago is not said any more."""
    rows = conn.execute(
        """select n.channel, max(a.at) filter (where a.taken), max(a.at) filter (where not a.taken),
                  (array_agg(a.error order by a.at desc) filter (where not a.taken))[1],
                  count(distinct n.id) filter (where n.state = 'waiting'), count(distinct n.id) filter (where n.state = 'failed')
           from notice n left join notice_attempt a on a.notice_id = n.id
           where (n.channel = any(%s) or n.state <> 'delivered') and (n.state = 'waiting' or n.created_at > %s) group by n.channel""",
        [list(known), now - SINCE],
    ).fetchall()
    told = {row[0]: row[1:] for row in rows}
    names = sorted(known.keys() | told.keys())
    return tuple(ChannelRow(name, known.get(name), *told.get(name, (None, None, None, 0, 0))) for name in names)
