"""The pages of notices and silences: whom was told, whether it reached them, and what is kept back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.integrity.silences import SILENCE, SILENCE_NOUN, Silence, count_silences
from counterfoil.operations.notices.notices import NOTICE, NOTICE_NOUN, Notice

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
    asked: AskedPage
    silences: int
    measured_at: datetime


class SilencesAnswer(NamedTuple):
    """What the list of silences shows."""

    rows: tuple[Silence, ...]
    state: str | None
    states: tuple[str, ...]
    after: str | None
    asked: AskedPage
    measured_at: datetime


def notices_answer(ask: SectionContext) -> NoticesAnswer:
    """Channels and notices, newest first unless sorted otherwise. Raises InvalidInput, CursorBroken."""
    page = plain_page(ask, NOTICE_NOUN, rows_max=NOTICES_SHOWN_MAX, program_id=ask.program_id)
    known = {name: one.least for name, one in ask.extra.wiring.channels.known.items()}
    channels = None if ask.only else _channels(ask.conn, known, ask.clock())
    silences = count_silences(ask.conn, now=ask.clock(), program_id=ask.program_id)
    state, states = ask.params.get("state") or None, tuple(NOTICE.states())
    return NoticesAnswer(channels, tuple(page.rows), state, states, page.after, page.asked, silences, ask.clock())


def notices_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All notices as rows of a file, narrowed and sorted as the page is."""
    return plain_export(ask, NOTICE_NOUN, NOTICE_NOUN.columns, asked=asked_here(ask, NOTICE_NOUN, ask.program_id))


def silences_answer(ask: SectionContext) -> SilencesAnswer:
    """Silences, newest first unless sorted otherwise. Raises InvalidInput, CursorBroken."""
    page = plain_page(ask, SILENCE_NOUN, rows_max=NOTICES_SHOWN_MAX, program_id=ask.program_id)
    state, states = ask.params.get("state") or None, tuple(SILENCE.states())
    return SilencesAnswer(tuple(page.rows), state, states, page.after, page.asked, ask.clock())


def silences_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All silences as rows of a file, narrowed and sorted as the page is."""
    return plain_export(ask, SILENCE_NOUN, Silence._fields, asked=asked_here(ask, SILENCE_NOUN, ask.program_id))


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
