"""What people are told: every event of the level critical, alerts, and a few warnings. Of alerts not what is silenced, snoozed, or follows
from something graver; what belongs together, once. The events themselves are kept whether or not somebody is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.base.ids import MakeId
from counterfoil.integrity.alerts.queries import count_live
from counterfoil.integrity.alerts.untold import is_inhibited, keep_for_later
from counterfoil.integrity.runs import newest_run
from counterfoil.integrity.silences import count_silences, is_silent
from counterfoil.operations.events.events import Event, EventKind, Follower
from counterfoil.operations.notices.channels import Channels
from counterfoil.operations.notices.heartbeat import monitors_silent
from counterfoil.operations.notices.notices import FAILED, Telling, refusing, tell
from counterfoil.operations.webhooks_out.owners import owner_tellers
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.reconciliation.runs.schedule import take_set_slot
from counterfoil.reconciliation.runs.slot_ends import end_slot

HEARTBEAT: Final = "heartbeat"
REST_S: Final = 20.0
FAILING_FOR: Final = timedelta(days=1)
FULL_WITHIN: Final = timedelta(hours=26)  # a night's run and its lateness
ALERTS: Final = "alert_"
# Warnings that are told beside all that is critical; the others are alerts of their own once they last.
WARNINGS: Final = frozenset(
    {"alert_warning", "alert_lapsed", "alert_snooze_over", "post_mortem_overdue", "payout_failed", "payouts_waiting", FAILED}
)


def tellers(kinds: Sequence[EventKind], channels: Channels, make_id: MakeId) -> dict[str, Follower]:
    """Who follows which event, to tell people of it, and the owners of things. Without a channel nobody does."""
    owners = owner_tellers(channels, make_id)

    def following(kind: EventKind) -> Follower:
        def follow(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
            for one in events:
                telling = _telling(conn, kind, one, now)
                if telling is not None:
                    tell(conn, telling, _others(conn, one, channels.taking(telling.level), now), make_id=make_id, now=now)
            if kind.name in owners:
                owners[kind.name](conn, events, now)

        return follow

    told = [kind for kind in kinds if kind.level == "critical" or kind.name in WARNINGS]
    return {kind.name: following(kind) for kind in told} if channels.names else {}


def _others(conn: Connection[Any], one: Event, names: Sequence[str], now: datetime) -> list[str]:
    """Of a channel that does not work only those are told which do: there would be no end to it."""
    if one.name != FAILED:
        return list(names)
    failing = refusing(conn, names, since=now - FAILING_FOR) | {one.payload.get("channel")}
    return [name for name in names if name not in failing]


def _telling(conn: Connection[Any], kind: EventKind, one: Event, now: datetime) -> Telling | None:
    """What to tell of an event; None where nobody wants to hear it now."""
    told: Mapping[str, Any] = one.payload
    code = str(told.get("code", ""))
    if one.name.startswith(ALERTS) and _is_kept_back(conn, code, one, now):
        keep_for_later(conn, one.subject_id, now=now)
        return None
    where = f" in {one.program_id}" if one.program_id else ""
    words = one.name.replace("_", " ").capitalize()
    title = f"{told.get('level', '')} {words}{': ' if code else ''}{code}{where}".strip()
    about = told.get("subject") or told.get("title") or kind.says
    parts = (about, told.get("error"), told.get("why"), one.subject_id, *_asked(told))
    line = " · ".join(str(part) for part in parts if part)
    return Telling(f"{one.name}:{code}:{one.program_id}", kind.level, title, line, one.program_id)


def _asked(told: Mapping[str, Any]) -> Iterator[str]:
    """Who is asked, by when, and what stands still meanwhile."""
    if told.get("to"):
        yield f"asked now: {str(told['to']).replace('_', ' ')}"
    if told.get("respondBy"):
        yield f"to be answered by {datetime.fromisoformat(told['respondBy']).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if told.get("paused"):
        yield f"the queue {told['paused']} is paused"


def _is_kept_back(conn: Connection[Any], code: str, one: Event, now: datetime) -> bool:
    return (
        is_silent(conn, code, one.program_id, now=now) or _is_snoozed(conn, one.subject_id, now) or is_inhibited(conn, code, one.program_id)
    )


def _is_snoozed(conn: Connection[Any], alert_id: str, now: datetime) -> bool:
    row = conn.execute("select snoozed_until > %s from alert where id = %s", [now, alert_id]).fetchone()
    return bool(row and row[0])


def _beat(context: JobContext, _: str | None) -> Tally:
    """One tick: when its schedule wants it, tell every channel how things stand, also when all is well."""
    cron, now = context.crons.get(HEARTBEAT) if context.channels.names else None, context.clock()
    with context.database.transaction() as conn:
        slot = take_set_slot(conn, HEARTBEAT, cron, by=context.runner.owner, now=now)
        if slot is None:
            return Tally()
        end_slot(conn, slot, now=now)  # what it says is written with it
        telling = how_things_stand(conn, now)
        made = tell(conn, telling, context.channels.taking(telling.level), make_id=context.make_id, now=now)
    return Tally(handled=len(made))


def how_things_stand(conn: Connection[Any], now: datetime) -> Telling:
    """The heartbeat: open alerts, silences, and the newest full run. It is sent on good days too, so that its absence says something."""
    counts, full, silences = count_live(conn), newest_run(conn, "full"), count_silences(conn, now=now)
    if full is None:
        said, level = "No full run of the sentinel yet: nothing is known.", "warning"
    elif full.state != "finished":
        said, level = "The last full run was cut short: not everything was checked.", "warning"
    elif now - full.started_at > FULL_WITHIN:
        said, level = f"The last full run began at {full.started_at:%Y-%m-%d %H:%M} UTC: what is since then is not known.", "warning"
    else:
        said, level = f"Everything was checked up to {full.watermark:%Y-%m-%d %H:%M} UTC.", "info"
    if (since := monitors_silent(conn, now=now)) is not None:
        said, level = f"{said} The monitors were not asked to their end since {since}: what must hold in time is not known.", "warning"
    if silences:
        said = f"{said} {counted(silences, 'silence keeps', 'silences keep')} notices back."
    title = f"counterfoil lives: {counts.critical} critical, {counts.warning} warning alerts open"
    return Telling(f"{HEARTBEAT}:{now.date()}", level, title, said)


JOBS: Final = (Job("heartbeat", None, _beat, "Tells every channel how things stand, also when all is well.", every=REST_S),)
