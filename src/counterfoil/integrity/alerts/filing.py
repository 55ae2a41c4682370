"""What a run found becomes alerts: one for each thing, counted while it is there, linked to the one before when it comes back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from shlex import quote
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.formats.runbook import filled
from counterfoil.base.ids import MakeId
from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed, record_birth, take_step
from counterfoil.integrity.alerts.machine import ALERT, EXTENTS, Alert
from counterfoil.integrity.alerts.queries import LIVE, select_alerts
from counterfoil.integrity.asking import CheckReply, Offence
from counterfoil.integrity.playbooks import PLAYBOOKS
from counterfoil.integrity.runs import ACTOR
from counterfoil.operations.events.events import NewEvent, emit

REGULATOR: Final = frozenset({"P17"})  # whose playbook tells the regulator
Key = tuple[str, str, str]


class Reading(NamedTuple):
    """Of which run an answer is, up to when it read, and of what it was asked: of everything, of what is new, or monitors alone."""

    run_id: str
    watermark: datetime
    kind: Literal["full", "recent", "monitors"]


def file_answer(
    conn: Connection[Any], check: Invariant, answer: CheckReply, reading: Reading, *, make_id: MakeId, now: datetime
) -> list[Alert]:
    """Count what stands, open what is new, and see to what is no longer there; returns the alerts that were opened.

    A check that failed says nothing about what it asks, so nothing is counted and nothing is over.
    """
    if answer.outcome == "failed":
        return []
    # Two runs at once would both open the same alert.
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"alert:{check.code}"])
    standing = {
        _key(one): one for one in select_alerts(conn, "where code = %s and state <> 'resolved' order by id for update", [check.code])
    }
    rest = answer.total - sum(len(one.rows) for one in answer.findings)
    opened = []
    for place, finding in enumerate(answer.findings, start=1):
        more = rest if place == len(answer.findings) else 0
        before = standing.pop((finding.program_id, finding.subject, finding.period), None)
        alert_id = before.id if before is not None else make_id("alt")
        evidence = _evidence(check, answer, finding, reading, alert_id)
        if before is not None:
            _seen_again(conn, before, finding, evidence, reading, more, now)
        else:
            opened.append(_open(conn, alert_id, check, finding, evidence, reading, more, now))
    if answer.whole and (reading.kind == "full" or check.monitor):
        for one in standing.values():
            _gone(conn, check, one, reading, now)
    _extend(conn, check, now)
    ids = [one for one, _ in opened]
    _tell(conn, opened, now)
    return select_alerts(conn, "where id = any(%s) order by id", [ids])


def _key(one: Alert) -> Key:
    return (one.program_id, one.subject, one.period)


def _evidence(check: Invariant, answer: CheckReply, finding: Offence, reading: Reading, alert_id: str) -> dict[str, Any]:
    """Enough to see it again without the system: what was asked, what was found, up to when; and what to do, as it is typed."""
    facts = {"alert": alert_id, "code": check.code, "program": finding.program_id, "subject": finding.subject}
    typed = {name: quote(said) for name, said in facts.items() if said}
    return {
        "question": check.question,
        "meaning": check.meaning,
        "playbook": check.playbook,
        "steps": [filled(one, typed) for one in PLAYBOOKS[check.playbook].steps],
        "query": answer.query,
        "columns": list(answer.columns),
        "rows": [list(row) for row in finding.rows],
        "run": reading.run_id,
        "watermark": reading.watermark.isoformat(),
        "kind": reading.kind,
    }


def _open(
    conn: Connection[Any],
    alert_id: str,
    check: Invariant,
    finding: Offence,
    evidence: dict[str, Any],
    reading: Reading,
    rest: int,
    now: datetime,
) -> tuple[str, Offence]:
    reach = EXTENTS["one"]
    conn.execute(
        """insert into alert (id, program_id, code, subject, period, severity, first_seen_at, last_seen_at, first_run, last_run, owner,
                              evidence, first_evidence, rest, previous, extent, escalated_to, respond_by, due_at, state, state_at)
           values (%(id)s, %(program)s, %(code)s, %(subject)s, %(period)s, %(severity)s, %(now)s, %(now)s, %(run)s, %(run)s, null,
                   %(evidence)s, %(evidence)s, %(rest)s,
                   (select id from alert where (code, program_id, subject, period) = (%(code)s, %(program)s, %(subject)s, %(period)s)
                    order by id desc limit 1),
                   'one', %(who)s, %(by)s, %(by)s, 'open', %(now)s)""",
        {
            "id": alert_id,
            "program": finding.program_id,
            "code": check.code,
            "subject": finding.subject,
            "period": finding.period,
            "severity": finding.severity,
            "now": now,
            "run": reading.run_id,
            "evidence": Jsonb(evidence),
            "rest": rest,
            "who": reach.who,
            "by": now + reach.within,
        },
    )
    record_birth(conn, ALERT, [alert_id], "open", actor=ACTOR, at=now, cause=reading.run_id)
    return alert_id, finding


def _seen_again(
    conn: Connection[Any], before: Alert, finding: Offence, evidence: dict[str, Any], reading: Reading, rest: int, now: datetime
) -> None:
    conn.execute(
        """update alert set times = times + 1, last_seen_at = greatest(%s, last_seen_at), last_run = %s, gone_run = null, evidence = %s,
                  rest = %s, severity = case when 'critical' in (severity, %s) then 'critical' else 'warning' end
           where id = %s""",
        [now, reading.run_id, Jsonb(evidence), rest, finding.severity, before.id],
    )
    if finding.severity == "critical" and before.severity != "critical":
        conn.execute("update alert set snoozed_until = null where id = %s", [before.id])  # what was not to be heard was a warning
        if before.state == "accepted":
            lapse(conn, before, now, "a warning was accepted, and it is critical now")
        emit(conn, [_event("alert_critical", before.id, before.program_id, before.code, finding, "critical")], at=now)


def _gone(conn: Connection[Any], check: Invariant, one: Alert, reading: Reading, now: datetime) -> None:
    """What a monitor no longer finds is over. What must never be is for a person to close: that it is gone is only said."""
    if check.monitor:
        resolve(conn, one, actor=ACTOR, now=now, cause=reading.run_id)
    if one.gone_run is None:
        conn.execute("update alert set gone_run = %s where id = %s", [reading.run_id, one.id])


def resolve(conn: Connection[Any], one: Alert, *, actor: str, now: datetime, reason: str | None = None, cause: str | None = None) -> str:
    """It is over: told once, and nothing of it is due any more."""
    state = take_step(conn, ALERT, one.id, one.state, "resolve", actor=actor, at=now, reason=reason, cause=cause)
    conn.execute("update alert set due_at = null, respond_by = null where id = %s", [one.id])
    emit(conn, [NewEvent("alert_resolved", one.program_id, one.id, {"code": one.code, "subject": one.subject})], at=now)
    return state


def lapse(conn: Connection[Any], one: Alert, now: datetime, cause: str) -> None:
    """What was accepted is open again, and its time limit begins anew."""
    reach = EXTENTS[one.extent]
    take_step(conn, ALERT, one.id, "accepted", "lapse", actor=ACTOR, at=now, cause=cause)
    conn.execute(
        """update alert set accepted_until = null, escalated_to = %(who)s, respond_by = %(by)s, due_at = %(by)s where id = %(id)s""",
        {"id": one.id, "who": reach.who, "by": now + reach.within},
    )


def _extend(conn: Connection[Any], check: Invariant, now: datetime) -> None:
    """How far what is open reaches; who is asked follows from it, and the time never grows."""
    rows = conn.execute(
        f"""select program_id, count(*), sum((extent = 'one')::int) from alert
            where code = %s and state in {listed(LIVE)} group by program_id""",
        [check.code],
    ).fetchall()
    for program_id, number, _ in rows:
        extent = _extent(check, program_id, number)
        if extent == "one":
            continue
        reach = EXTENTS[extent]
        conn.execute(
            f"""update alert set extent = %(extent)s, escalated_to = %(who)s,
                       respond_by = case when state = 'open' then least(respond_by, %(by)s) end,
                       due_at = case when state = 'open' then least(due_at, %(by)s) end
                where code = %(code)s and program_id = %(program)s and extent <> %(extent)s and state in {listed(LIVE)}
                  and escalated_to <> 'everyone'""",
            {"extent": extent, "who": reach.who, "by": now + reach.within, "code": check.code, "program": program_id},
        )


def _extent(check: Invariant, program_id: str, number: int) -> str:
    if check.playbook in REGULATOR:
        return "regulator"
    if not program_id:
        return "system" if check.severity == "critical" else "several"
    return "several" if number > 1 else "one"


def _tell(conn: Connection[Any], opened: Sequence[tuple[str, Offence]], now: datetime) -> None:
    rows = dict(conn.execute("select id, code from alert where id = any(%s)", [[one for one, _ in opened]]).fetchall())
    emit(
        conn,
        [_event(f"alert_{finding.severity}", alert_id, finding.program_id, rows[alert_id], finding, "1") for alert_id, finding in opened],
        at=now,
    )


def _event(name: str, alert_id: str, program_id: str, code: str, finding: Offence, once: str) -> NewEvent:
    told = {"code": code, "subject": finding.subject, "severity": finding.severity, "period": finding.period}
    return NewEvent(name, program_id, alert_id, told, once=once)
