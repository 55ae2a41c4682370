"""What stands beside the causes on Today: what I may approve, the morning's checks as they stand, and the money under way by its age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.counting import counted
from counterfoil.base.money import Money
from counterfoil.dashboard.today.needs import Needs
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading
from counterfoil.dashboard.work.approvals import label_of
from counterfoil.operations.access.access import APPROVE
from counterfoil.operations.approval_inbox import count_waiting, waiting_proposals
from counterfoil.operations.webhooks.counts import webhook_counts
from counterfoil.payouts.batches.batches import batches_waiting
from counterfoil.payouts.queries import IN_FLIGHT_AGES, payouts_in_flight
from counterfoil.wiring import PAIRED, cannot_be_done_now

APPROVALS_SHOWN_MAX: Final = 3
_LOOKED_THROUGH: Final = 200  # proposals, for those that this person may decide
WEBHOOKS_MAY_FAIL: Final = 5  # as the morning's checklist has it


class MyApproval(NamedTuple):
    """Something that this person may approve, until `due`."""

    what: str
    by: str
    path: str
    amount: Money | None
    due: datetime | None


class MyApprovals(NamedTuple):
    """What I may approve, the first to expire first; `mine` of them in all, `cut`: not all that wait were looked through. `others`: what
    waits for somebody else."""

    rows: tuple[MyApproval, ...]
    mine: int
    cut: bool
    others: int
    lacking: tuple[str, ...]  # for what takes two people

    @property
    def unshown(self) -> int:
        """How many are not in `rows`."""
        return self.mine - len(self.rows)


class MorningCheck(NamedTuple):
    """One line of the morning's checklist, ticked by what the page just measured."""

    title: str
    grade: Grade
    said: str
    path: str


class AgeOfFlight(NamedTuple):
    """Payouts under way for so long: how many, and what they come to by asset. `share`: of the largest bar, in a hundred."""

    age: str
    late: bool
    number: int
    sums: tuple[Money, ...]
    share: int


def my_approvals(ask: SectionContext) -> SectionAnswer:
    """What this person may approve now: nobody approves what they proposed, and a key approves nothing."""
    now, me = ask.clock(), ask.caller
    proposals = waiting_proposals(ask.conn, now=now, rows_max=_LOOKED_THROUGH, program_id=ask.program_id)
    total = count_waiting(ask.conn, now=now, program_id=ask.program_id)
    waiting, batches = batches_waiting(ask.conn, rows_max=_LOOKED_THROUGH, program_id=ask.program_id)
    found: list[MyApproval] = []
    if me is not None and me.session_id is not None:
        for one in proposals:
            paired = PAIRED.get((one.machine, one.verb))
            if one.maker_id != me.principal_id and me.may(paired.approved_by if paired else APPROVE, "approvals"):
                found.append(MyApproval(label_of(one), one.maker, f"/admin/approvals#{one.id}", None, one.expires_at))
        for batch in batches:
            if batch.maker != me.actor and me.may(APPROVE, "batches"):
                path, what = f"/admin/batches/{batch.id}", f"Batch of {counted(batch.lines, 'payout')}"
                found.append(MyApproval(what, batch.maker, path, Money(batch.amount, batch.asset), batch.approve_by))
    last = max((one.due for one in found if one.due), default=None)
    found.sort(key=lambda one: (one.due is None, one.due or last))
    cut = total > len(proposals) or waiting > len(batches)
    lacking = () if ask.only else tuple(one.short for one in cannot_be_done_now(ask.conn, now, issuer=ask.extra.wiring.login_issuer))
    value = MyApprovals(tuple(found[:APPROVALS_SHOWN_MAX]), len(found), cut, total + waiting - len(found), lacking)
    if not found:
        said = f"{value.others:,} for others" if value.others else "none waits"
        return SectionAnswer(said, "plain" if value.others else "right", value)
    return SectionAnswer(f"over {len(found)}" if cut else str(len(found)), "attention", value)


def in_flight(ask: SectionContext) -> SectionAnswer:
    """Payouts whose money is set aside or sent, and of which nobody knows yet that they arrived; by the age of their newest attempt."""
    rows = payouts_in_flight(ask.conn, now=ask.clock(), program_id=ask.program_id)
    if not rows:
        return SectionAnswer("nothing", "plain", (), "empty")
    by_age = [[one for one in rows if one.age == place] for place in range(len(IN_FLIGHT_AGES))]
    numbers = [sum(one.number for one in of_age) for of_age in by_age]
    ages = tuple(
        AgeOfFlight(words, late, number, tuple(one.amount for one in of_age), -(-100 * number // max(numbers)))
        for (words, _, late), number, of_age in zip(IN_FLIGHT_AGES, numbers, by_age, strict=True)
    )
    late = sum(one.number for one in ages if one.late)
    said = counted(sum(numbers), "payout") + (f", {late:,} for over a day" if late else "")
    return SectionAnswer(said, "attention" if late else "plain", ages)


def webhooks_in(ask: SectionContext) -> SectionAnswer:
    """Webhooks of providers that are parked, or that were refused today."""
    found = webhook_counts(ask.conn, since=ask.clock())
    if not found.ever:
        return SectionAnswer("None ever came", "unknown", found, "not_checked")
    if not found.parked and not found.rejected:
        return SectionAnswer("None failed", "right", found)
    said = ", ".join(f"{number:,} {word}" for number, word in ((found.parked, "parked"), (found.rejected, "refused")) if number)
    return SectionAnswer(said, "attention" if found.parked or found.rejected > WEBHOOKS_MAY_FAIL else "right", found)


def morning_checks(readings: Mapping[str, SectionReading], needs: Needs | None) -> tuple[MorningCheck, ...]:
    """The checklist of the morning as it stands now, out of what the page measured: what was not measured is not ticked."""
    return tuple(_checks(readings, needs))


def _checks(readings: Mapping[str, SectionReading], needs: Needs | None) -> Iterator[MorningCheck]:
    workers, queues = readings["workers"], readings["queues"]
    worst = min((workers, queues), key=lambda one: _WORST_FIRST.index(one.grade))
    yield MorningCheck("Workers, queues green", worst.grade, worst.said if worst.grade != "right" else workers.said, "/admin/queues")
    alerts = readings["alerts"]
    unasked = alerts.state == "not_checked"
    yield MorningCheck("All asked, no alert", "unknown" if unasked else alerts.grade, alerts.said, "/admin/alerts")
    yield _none_of("No intent stands still", ("intent",), needs, "/admin/intents")
    books = readings["books"]
    yield MorningCheck("Debits are credits", books.grade, books.said, "/admin/day#books")
    yield _none_of("What waits was reviewed", ("batch", "approval"), needs, "/admin/approvals")
    hooks = readings["webhooks"]
    yield MorningCheck(f"{WEBHOOKS_MAY_FAIL} webhooks or fewer failed", hooks.grade, hooks.said, "/admin/webhooks")


_WORST_FIRST: Final[Sequence[Grade]] = ("wrong", "unknown", "attention", "accepted", "plain", "right")


def _none_of(title: str, kinds: Sequence[str], needs: Needs | None, path: str) -> MorningCheck:
    if needs is None:
        return MorningCheck(title, "unknown", "not measured", path)
    number = sum(kind.total for kind in needs.kinds if kind.key in kinds)
    return MorningCheck(title, "attention" if number else "right", f"{number:,} left" if number else "none", path)


BESIDE: Final[tuple[Section, ...]] = (
    Section("webhooks", "Webhooks", "work", "webhooks that are parked, and those refused today", webhooks_in, whole=True),
    Section("approvals", "My approvals", "work", "proposals and batches that wait", my_approvals),
    Section("in_flight", "Money in flight", "work", "payouts that are set aside or sent, by their newest attempt", in_flight),
)


def levels_kept(ask: SectionContext) -> SectionAnswer:
    """What was promised, over 30 days; counted at most every five minutes, since it reads them all."""
    at, levels = ask.extra.levels.latest(ask.conn, ask.clock())
    measured: list[Any] = [one for one in levels if one.verdict != "not_measured"]
    missed = [one for one in measured if one.verdict == "missed"]
    if not measured:
        return SectionAnswer("Not measured yet", "unknown", levels, "not_checked", at)
    if missed:
        return SectionAnswer(f"{len(missed)} of {len(measured)} missed", "wrong", levels, as_of=at)
    burning = any(one.burning for one in measured)
    left = len(levels) - len(measured)
    said = f"{len(measured)} kept" + (f", {left} unknown" if left else "")
    return SectionAnswer(said, "attention" if burning else "plain" if left else "right", levels, as_of=at)
