"""What needs a person, grouped by its cause: one line each, with how many, their sum, the oldest, a time limit, and one way on. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote

from counterfoil.base.money import Money
from counterfoil.dashboard.pages.alerts import AlertsAnswer
from counterfoil.dashboard.today.needs import ActionKind, InNeed, Needs
from counterfoil.dashboard.web.sections import Grade
from counterfoil.dashboard.work.payloads import page_of
from counterfoil.payouts.return_reasons import reason_in

OLDEST_SHOWN_MAX: Final = 5  # of one cause; its button leads to the others
_DECIDED_TOGETHER: Final = ("approval", "batch", "client_money", "proof", "transaction")  # each of them has a reason of its own
_GRADES: Final[Mapping[str, Grade]] = {"provider": "unknown", "conflict": "wrong", "in_doubt": "unknown", "break": "wrong"}
_SAYS: Final = re.compile(r"^the provider says \w+: ")  # that it is the provider's word stands in the lines behind
_WORST_FIRST: Final[Sequence[Grade]] = ("wrong", "unknown", "attention")


class CauseAction(NamedTuple):
    """The one button of a cause."""

    words: str
    path: str


class Cause(NamedTuple):
    """Things of one kind that wait for one reason. `sums`: by asset; `due`: the first time limit among them; `rows`: the oldest."""

    key: str
    kind: str
    grade: Grade
    title: str
    why: str
    meaning: str
    number: int
    sums: tuple[Money, ...]
    oldest: datetime | None
    due: datetime | None
    on: CauseAction
    rows: tuple[InNeed, ...]
    command: str

    @property
    def unshown(self) -> int:
        """How many are not in `rows`."""
        return self.number - len(self.rows)


# Of each kind: the button for one of them, and for several, with the list that holds them.
_WAYS: Final[Mapping[str, tuple[str, str, str]]] = {
    "provider": ("What to set", "What to set", "/admin/day#action_required-provider"),
    "conflict": ("Settle it", "See the payouts", "/admin/payouts?state=processing"),
    "in_doubt": ("Ask the provider", "Ask the provider", "/admin/payouts?state=reconcile_required"),
    "quarantined": ("Release or cancel", "See the payouts", "/admin/payouts?state=processing"),
    "failed": ("Try again", "See the payouts", "/admin/payouts?state=failed"),
    "returned": ("Issue anew", "See the payouts", "/admin/payouts?state=returned"),
    "owed": ("Issue anew", "See the payouts", "/admin/payouts?view=owed"),
    "waiting": ("See the payout", "See the payouts", "/admin/payouts?state=pending"),
    "break": ("Look into it", "Look into them", "/admin/breaks?state=live"),
    "transaction": ("Decide it", "Decide them", "/admin/transactions?state=pending"),
    "intent": ("Try again", "See the intents", "/admin/intents?state=failed"),
    "approval": ("Review", "Review", "/admin/approvals"),
    "batch": ("Review", "See the batches", "/admin/batches?state=pending_approval"),
    "client_money": ("What to sign", "What to sign", "/admin/client-money"),
    "proof": ("What to sign", "What to sign", "/admin/proofs?state=waiting"),
    "webhook": ("Why it is parked", "Why they are parked", "/admin/webhooks"),
    "event": ("Why it is parked", "Why they are parked", "/admin/day#action_required-event"),
}


def causes_of(needs: Needs | None, alerts: AlertsAnswer | None) -> tuple[Cause, ...]:
    """All of them, the worst first, then by their time limit, then in the order of the kinds."""
    found = [*_of_alerts(alerts), *(one for kind in needs.kinds for one in _of_kind(kind))] if needs else list(_of_alerts(alerts))
    last = max((one.due for one in found if one.due), default=None)
    return tuple(sorted(found, key=lambda one: (_WORST_FIRST.index(one.grade), one.due is None, one.due or last)))


def _of_kind(kind: ActionKind) -> Iterator[Cause]:
    groups: dict[tuple[str, str], list[InNeed]] = {}
    for row in kind.rows:
        groups.setdefault(_cause(kind.key, row), []).append(row)
    for (why, payee), rows in groups.items():
        yield _grouped(kind, why, f"{why} {payee}", rows)
    if kind.total > len(kind.rows):
        yield _not_read(kind)


def _cause(kind: str, row: InNeed) -> tuple[str, str]:
    """What is one cause: the same reason, and where that is a payee's own, the same payee."""
    why = "" if kind in _DECIDED_TOGETHER else row.why or ""
    if kind == "waiting":
        why = why.partition(": ")[0]  # behind it stand the figures of each
    return why, row.whose if _is_payees(why) else ""


def _grouped(kind: ActionKind, why: str, of: str, rows: Sequence[InNeed]) -> Cause:
    first, whose = rows[0], list(dict.fromkeys(row.whose for row in rows))
    named = whose[0] if len(whose) == 1 else f"{whose[0]} and {len(whose) - 1:,} more"
    title, reason = kind.title, why or (first.why or "" if len(rows) == 1 else "")
    if kind.key == "break":
        title, _, reason = reason.partition(": ")
    return Cause(
        key=f"{kind.key}-{hashlib.sha256(of.encode()).hexdigest()[:8]}",
        kind=kind.key,
        grade=_GRADES.get(kind.key, "attention"),
        title=title,
        why=_told(kind.key, named, reason),
        meaning=kind.meaning,
        number=len(rows),
        sums=_sums(rows),
        oldest=min(row.since for row in rows),
        due=min((row.due for row in rows if row.due), default=None),
        on=_way(kind, why, rows),
        rows=tuple(rows[:OLDEST_SHOWN_MAX]),
        command=first.command if len(rows) == 1 else kind.command,
    )


def _told(kind: str, named: str, reason: str) -> str:
    """Whose it is and why: of a difference the cause goes first, since its reference says nothing to anybody."""
    told = re.sub("(?<=[a-z])_(?=[a-z])", " ", _SAYS.sub("", reason))  # a word of a provider's; an id stays as it is
    parts = (told, named) if kind == "break" else (named, told)
    return ": ".join(part for part in parts if part)


def _not_read(kind: ActionKind) -> Cause:
    """Those beyond what is read: counted, and neither grouped nor summed."""
    more = kind.total - len(kind.rows)
    words, path = (kind.way or _WAYS[kind.key])[1:]
    grade = _GRADES.get(kind.key, "attention")
    why = f"Only the first {len(kind.rows):,} of them are grouped by their cause and summed."
    on = CauseAction(words, path)
    return Cause(f"{kind.key}-more", kind.key, grade, f"{kind.title}, more", why, kind.meaning, more, (), None, None, on, (), kind.command)


def _is_payees(why: str) -> bool:
    """Is it mended once for each payee, by another destination?"""
    told = reason_in(why)
    return "destination" in why or (told is not None and told.is_accounts)


def _way(of: ActionKind, why: str, rows: Sequence[InNeed]) -> CauseAction:
    kind, (one, several, path) = of.key, of.way or _WAYS[of.key]
    if kind in ("failed", "returned", "waiting") and _is_payees(why) and "destinations set" in rows[0].command:
        return CauseAction("New destination", f"/admin/payees/{quote(rows[0].whose, safe='')}")
    if kind == "waiting" and "gather" in rows[0].command:
        return CauseAction("Gather a batch", "/admin/batches#begin")
    batch = next((page_of(word) for word in why.split() if word.startswith("bat_")), None)
    if kind == "waiting" and batch:
        return CauseAction("See the batch", batch)
    page = page_of(rows[0].id) if len(rows) == 1 and kind != "approval" else None
    return CauseAction(one, page or path) if len(rows) == 1 else CauseAction(several, path)


def _sums(rows: Sequence[InNeed]) -> tuple[Money, ...]:
    sums: dict[str, Money] = {}
    for row in rows:
        if row.amount is not None:
            asset = row.amount.asset
            sums[asset] = sums[asset].plus(row.amount) if asset in sums else row.amount
    return tuple(one for _, one in sorted(sums.items()))


def _of_alerts(found: AlertsAnswer | None) -> Iterator[Cause]:
    """Incidents one by one, and alerts by their code: what the machine found beside what is listed by itself."""
    if found is None:
        return
    for one in found.incidents:
        on, due = CauseAction("Go on with it", f"/admin/incidents/{one.id}"), one.respond_by if one.responded_at is None else None
        why, said = f"{one.code}, {one.state.replace('_', ' ')}", f"{one.level} incident: {one.title}"
        command = f"counterfoil incidents show {one.id}"
        yield Cause(f"incident-{one.id}", "incident", "wrong", said, why, "", 1, (), one.opened_at, due, on, (), command)
    by_code: dict[str, list[int]] = {}
    for place, alert in enumerate(found.alerts):
        by_code.setdefault(alert.code, []).append(place)
    for code, places in by_code.items():
        alerts = [found.alerts[place] for place in places]
        grade: Grade = "wrong" if any(alert.severity == "critical" for alert in alerts) else "attention"
        subjects = list(dict.fromkeys(alert.subject for alert in alerts))
        why = subjects[0] if len(subjects) == 1 else f"{subjects[0]} and {len(subjects) - 1} more"
        alone = f"/admin/alerts/{alerts[0].id}" if len(alerts) == 1 else "/admin/alerts?state=open"
        due = min((alert.respond_by for alert in alerts if alert.respond_by and alert.state == "open"), default=None)
        oldest = min(alert.first_seen_at for alert in alerts)
        on = CauseAction("Answer it" if len(alerts) == 1 else "Answer them", alone)
        command = f"counterfoil alerts show {alerts[0].id}" if len(alerts) == 1 else "counterfoil alerts list --state open"
        said = f"Alert: {code.replace('_', ' ').lower()}"
        yield Cause(f"alert-{code}", "alert", grade, said, why, "", len(alerts), (), oldest, due, on, (), command)
    if found.unshown:
        on = CauseAction("See all alerts", "/admin/alerts?state=open")
        said = "Only the gravest are told one by one."
        command = "counterfoil alerts list --state open"
        yield Cause("alert-more", "alert", "attention", "Alerts, more", said, "", found.unshown, (), None, None, on, (), command)
