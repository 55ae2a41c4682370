"""The reconciliation report of a period: one canonical form; what was not checked stands in it, and is never green."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.problems import Tell
from counterfoil.matching.findings.recorded import FindingDetail, RecordRead, RunReport
from counterfoil.reconciliation.breaks.ages import AGES, age_of
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.runs.continuous import sources_in_use
from counterfoil.reconciliation.runs.pairings import Pairing
from counterfoil.reconciliation.runs.rows import Run, Success, last_successes, select_runs

FORMAT: Final = "counterfoil-reconciliation-report-1"
ITEMS_MAX: Final = 10_000
RUNS_MAX: Final = 5_000
EXPECTED_MAX: Final = 2_000
DONE: Final = frozenset(BREAK.final) - {"matched"}


class _Chosen(NamedTuple):
    """A run, and those of its days for which no later run speaks."""

    run: Run
    days: frozenset[date]

    @property
    def read_at(self) -> datetime:
        """Up to which moment it has looked."""
        return self.run.read_until or self.run.started_at

    def not_to_their_end(self, today: date) -> list[date]:
        """Its days that were not over when it read them, and are by `today`: what came after that moment nobody has seen."""
        return sorted(day for day in self.days if day < today and self.read_at < datetime.combine(day + timedelta(days=1), time(), UTC))


def report_of_period(
    conn: Connection[Any], known: Sequence[Pairing], program_id: str, *, first: date, last: date, today: date
) -> dict[str, Any]:
    """What is known of these days, from what, and what is not. The same rows give the same report, to the byte, once it is written down.

    For each day the latest finished run speaks, up to the moment when it read: a day that was not over then was not checked. `today` is
    the day that is not over; days after it are not asked about. What runs said of later days alone changes nothing, and `watermark` is
    `last` at most.
    """
    due = {first + timedelta(days=n) for n in range((min(last, today) - first).days + 1)}
    runs = _runs(conn, program_id, first, last)
    successes = {one.source: one for one in last_successes(conn, program_id=program_id, until=last)}
    names = sorted({*(one.name for one in sources_in_use(conn, known, program_id)), *(run.source for run in runs)})
    questions = {one.name: one.question for one in known}
    chosen = {name: _choose([run for run in runs if run.source == name and run.state == "finished"], due) for name in names}
    sources = [_source(name, questions.get(name, ""), chosen[name], due, successes.get(name), today) for name in names]
    tell = tell_in(known_assets(conn))
    items = [item for name in names for one in chosen[name] for item in _items(conn, one, last, tell)]
    told = [one.run for name in names for one in chosen[name]]
    reports = {run.id: RunReport.read(run.report) for run in told}
    expected = [row for name in names for one in chosen[name] for row in _expected(one)]
    missing = _without_client_money(conn, program_id, first, min(last, today - timedelta(days=1)))
    not_checked = [
        *({"source": one["source"], "why": why} for one in sources for why in one["not_checked"]),
        *({"source": run.source, "why": why} for run in told for why in reports[run.id].not_checked),
        *({"source": "runs", "why": f"more than {RUNS_MAX:,} touch these days: the oldest were not read"} for _ in runs[RUNS_MAX:]),
        *({"source": "client money", "why": f"no statement was drawn up for {_spans(missing)}"} for _ in missing[:1]),
    ]
    return {
        "format": FORMAT,
        "program": program_id,
        "first_on": first.isoformat(),
        "last_on": last.isoformat(),
        "verdict": _verdict(items, sources, told, reports, missing),
        "sources": sources,
        "footing": [{"pairing": run.source, "run": run.id, **row.written()} for run in told for row in reports[run.id].footing],
        "balances": [{"source": run.source, "run": run.id, **row.written()} for run in told for row in reports[run.id].balances],
        "kinds": _kinds(items),
        "ageing": _ageing(conn, program_id, last),
        "tolerances_used": [
            {"source": run.source, "run": run.id, **row.written()} for run in told for row in reports[run.id].tolerances_used
        ],
        "expected_total": len(expected),
        "expected_later": expected[:EXPECTED_MAX],
        "lists_cut": [{"source": run.source, "why": why} for run in told for why in reports[run.id].lists_cut],
        "not_checked": not_checked,
        "items_total": len(items),
        "items": items[:ITEMS_MAX],
    }


def _without_client_money(conn: Connection[Any], program_id: str, first: date, last: date) -> list[date]:
    """Days that are over and have no statement of client money, since the first that there is."""
    rows = conn.execute(
        """select day::date from (select min(on_day) as since from client_money where program_id = %(program)s) s
           cross join lateral generate_series(greatest(%(first)s::date, s.since), %(last)s::date, interval '1 day') day
           where s.since is not null
             and not exists (select from client_money where program_id = %(program)s and on_day = day::date) order by 1""",
        {"program": program_id, "first": first, "last": last},
    ).fetchall()
    return [row[0] for row in rows]


def _runs(conn: Connection[Any], program_id: str, first: date, last: date) -> list[Run]:
    return select_runs(
        conn,
        """where program_id = %s and last_on >= %s and first_on <= %s and state <> 'running'
           order by number desc limit %s""",
        [program_id, first, last, RUNS_MAX + 1],
    )


def _choose(runs: Sequence[Run], due: set[date]) -> list[_Chosen]:
    """The newest runs, each with the days that no newer one covers; those that have none left say nothing."""
    left = set(due)
    found = []
    for run in runs:
        mine = frozenset(day for day in left if run.first_on <= day <= run.last_on)
        if mine:
            found.append(_Chosen(run, mine))
            left -= mine
    return found


def _source(name: str, question: str, chosen: Sequence[_Chosen], due: set[date], success: Success | None, today: date) -> dict[str, Any]:
    covered: set[date] = set()
    for one in chosen:
        covered |= one.days
    missing = sorted(due - covered)
    why = []
    if missing and success is None:
        why.append("not checked: it was never reconciled")
    elif missing and success is not None:
        reach = f"the last conclusion reaches to {success.watermark}" if success.watermark else "there is no conclusion"
        why.append(f"{'stale' if success.watermark else 'not checked'}: {_spans(missing)}: no run; {reach}")
        if success.attempt == "failed":
            why.append(f"the last attempt failed: {success.error}")
    why.extend(
        f"not checked: {_spans(early)}: read on {one.read_at:%Y-%m-%d at %H:%M} UTC, before the day was over"
        for one in chosen
        if (early := one.not_to_their_end(today))
    )
    return {
        "source": name,
        "question": question,
        "watermark": success.watermark.isoformat() if success and success.watermark else None,
        "succeeded_at": success.succeeded_at.isoformat() if success and success.succeeded_at else None,
        "not_checked": why,
        "runs": [
            {
                "id": one.run.id,
                "scope": one.run.scope,
                "first_on": one.run.first_on.isoformat(),
                "last_on": one.run.last_on.isoformat(),
                "days": len(one.days),
                "verdict": one.run.verdict,
                "finished_at": one.run.finished_at.isoformat() if one.run.finished_at else None,
                "read_at": one.read_at.isoformat(),
                "as_of": report.as_of.isoformat() if report.as_of else None,
                "rules_sha256": report.rules_sha256 or None,
                "agrees": (one.run.comparison or {}).get("agrees"),
            }
            for one in chosen
            for report in (RunReport.read(one.run.report),)
        ],
    }


def _spans(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days)} days from {days[0]} to {days[-1]}"


def _items(conn: Connection[Any], one: _Chosen, last: date, tell: Tell) -> list[dict[str, Any]]:
    """The breaks of a run on the days for which it speaks, each with what people have decided."""
    rows = conn.execute(
        """select b.identity, b.kind, b.severity, b.asset, b.at_stake, b.cause, b.day, b.detail, c.id,
                  case when c.state = 'accepted' and c.accepted_at_stake <> b.at_stake then 'open' else c.state end, c.duplicate_of
           from run_finding b
           left join lateral (select id, state, accepted_at_stake, duplicate_of from break c
                              where c.program_id = %(program)s and c.source = %(source)s and c.identity = b.identity
                              order by c.id desc limit 1) c on true
           where b.run_id = %(run)s and (b.day is null or b.day = any(%(days)s)) order by b.number limit %(most)s""",
        {
            "program": one.run.program_id,
            "source": one.run.source,
            "run": one.run.id,
            "days": sorted(one.days),
            "most": ITEMS_MAX + 1,
        },
    ).fetchall()
    return [
        {
            "source": one.run.source,
            "break": case or None,
            "identity": identity,
            "kind": kind,
            "severity": severity,
            "asset": asset,
            "at_stake_minor": str(at_stake),
            "day": day.isoformat() if day else None,
            "age_days": (last - day).days if day else None,
            "cause": cause,
            "state": state or "open",
            "accepted": state in DONE,
            "duplicate_of": original,  # told there, and counted there
            "left": _records(detail.left, tell),
            "right": _records(detail.right, tell),
            "fields": _differing(detail, tell),
            "action": detail.action.sentence,
        }
        for identity, kind, severity, asset, at_stake, cause, day, kept, case, state, original in rows
        for detail in (FindingDetail.read(kept),)
    ]


def _expected(one: _Chosen) -> list[dict[str, Any]]:
    rows = RunReport.read(one.run.report).expected_later
    return [{"source": one.run.source, **row.written()} for row in rows if row.day in one.days]


def _differing(detail: FindingDetail, tell: Tell) -> str:
    """What is not the same on both sides: `amount: 1,234.56 EUR ≠ 1,234.26 EUR; status: paid ≠ open`."""
    parts = []
    for one in detail.fields:
        left, right = one.left, one.right
        if one.name == "amount" and detail.left and detail.right:
            left, right = tell(int(left), detail.left[0].asset), tell(int(right), detail.right[0].asset)
        parts.append(f"{one.name}: {left} ≠ {right}")
    return "; ".join(parts)


def _records(records: Sequence[RecordRead], tell: Tell) -> str:
    return "; ".join(f"{one.id} {tell(one.amount, one.asset)}" for one in records)


def _kinds(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for one in items:
        if one["state"] == "duplicate":
            continue
        row = sums[one["source"], one["kind"], one["asset"]]
        row[0] += 1
        row[1] += int(one["at_stake_minor"])
        row[2] += one["accepted"]
    return [
        {
            "source": source,
            "kind": kind,
            "asset": asset,
            "breaks": n,
            "at_stake_minor": str(minor),
            "accepted": accepted,
        }
        for (source, kind, asset), (n, minor, accepted) in sorted(sums.items())
    ]


def _ageing(conn: Connection[Any], program_id: str, last: date) -> list[dict[str, Any]]:
    """Everything that is still open and began by the end of the period, by age at that end; older days count, too."""
    rows = conn.execute(
        """select %(last)s::date - first_on as age, asset, count(*), sum(at_stake)::bigint from break
           where program_id = %(program)s and state = any(%(live)s) and first_on <= %(last)s group by 1, 2 order by 1, 2""",
        {"program": program_id, "live": list(BREAK.open), "last": last},
    ).fetchall()
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for age, asset, count, minor in rows:
        sums[age_of(age), asset][0] += count
        sums[age_of(age), asset][1] += minor
    return [
        {"age": age, "asset": asset, "breaks": count, "at_stake_minor": str(minor)}
        for (age, asset), (count, minor) in sorted(sums.items(), key=lambda one: (AGES.index(one[0][0]), one[0][1]))
    ]


def _verdict(
    items: Sequence[dict[str, Any]],
    sources: Sequence[dict[str, Any]],
    runs: Sequence[Run],
    reports: Mapping[str, RunReport],
    missing: Sequence[date],
) -> str:
    """What no item explains is a difference, whoever accepted what; what nobody looked at is never green."""
    if any(not one["accepted"] for one in items) or any(reports[run.id].unexplained() for run in runs):
        return "not reconciled"
    if (
        not sources
        or missing
        or any(one["not_checked"] or not one["runs"] for one in sources)
        or any(r.verdict == "incomplete" for r in runs)
    ):
        return "incomplete"
    return "reconciled with accepted items" if items else "reconciled"
