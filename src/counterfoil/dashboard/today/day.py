"""Is today's money where it should be? The sections of the day's page, and the one answer that they add up to."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.dashboard.pages.alerts import alerts_answer
from counterfoil.dashboard.pages.integrity_checks import everything_true
from counterfoil.dashboard.pages.provider_balances import ProviderBalances, provider_balances
from counterfoil.dashboard.today.action_required import action_required, shown_of
from counterfoil.dashboard.web.format import short
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, measure
from counterfoil.integrity.standing import workers_standing
from counterfoil.ledger.reads.books import books_of_span, known_programs
from counterfoil.operations.work.queries import QueueDepth, queue_depths, unusual_events, workers_seen
from counterfoil.payouts.queries import payouts_by_state
from counterfoil.settlement.queries import invoices_of, payments_of_span, processing_of_last, settlements_of_span

_DEPTHS: Final[dict[str, Grade]] = {"fine": "right", "slow": "attention", "backlog": "wrong"}
_PACES: Final[dict[str, Grade]] = {"fast": "right", "degraded": "attention", "slow": "wrong"}


class TodayVerdict(NamedTuple):
    """The answer to the page's question. `because` are the sections that do not let it be a plain yes, the worst first."""

    word: str
    grade: Grade
    sentence: str
    because: tuple[SectionReading, ...]


class DayAnswer(NamedTuple):
    """All that the page of a day shows."""

    verdict: TodayVerdict
    readings: dict[str, SectionReading]
    programs: dict[str, str]


def day_answer(ask: SectionContext) -> DayAnswer:
    """Measure every section of the day, and say what they add up to."""
    return day_of(ask, measure(ask, SECTIONS))


def day_of(ask: SectionContext, measured: dict[str, SectionReading]) -> DayAnswer:
    """The page of a day out of what was measured of it."""
    readings = measured | {"action_required": shown_of(measured["action_required"])}
    return DayAnswer(verdict_of(list(readings.values())), readings, known_programs(ask.conn))


def verdict_of(readings: list[SectionReading]) -> TodayVerdict:
    """Yes only when all that speaks of the money was measured, up to now, and is right: what is not known is never green."""
    worst = {"wrong": 0, "unknown": 1, "attention": 2, "accepted": 3}
    because = tuple(sorted((one for one in readings if one.grade in worst), key=lambda one: worst[one.grade]))
    money = {one.grade for one in because if one.about == "money"}
    work = {one.grade for one in because if one.about == "work"}
    if "wrong" in money:
        return TodayVerdict("No", "wrong", "Something does not agree. Begin with the first line.", because)
    if _stands_still(readings):
        said = "Work waits, and no worker does it: nothing is sent, settled or applied."
        return TodayVerdict("No", "wrong", said, because)
    if "unknown" in money:
        through = _only_since(because)
        if through is not None:
            word = f"Not verified since {through:%H:%M}"
            return TodayVerdict(word, "unknown", "All that was compared agrees; what moved after that was not compared yet.", because)
        return TodayVerdict("Not known", "unknown", "Nothing contradicts, but not all of it is known.", because)
    if "attention" in money or work:
        grade: Grade = "attention"
        return TodayVerdict("Yes, but", grade, "The money is where it should be; something waits for you.", because)
    if "accepted" in money:
        said = "What does not agree was accepted by a person; nothing else contradicts."
        return TodayVerdict("Accepted", "accepted", said, because)
    return TodayVerdict("Yes", "right", "All that was asked was measured, and agrees to the unit.", because)


def _stands_still(readings: list[SectionReading]) -> bool:
    """Does work wait, and is nobody there to do it? Where the queues are not known, they are not taken for empty."""
    by_key = {one.key: one for one in readings}
    workers, queues = by_key.get("workers"), by_key.get("queues")
    if workers is None or workers.grade != "wrong":
        return False
    return queues is None or queues.state == "failed" or any(one.due for one in queues.value or ())


def _only_since(because: tuple[SectionReading, ...]) -> datetime | None:
    """The moment up to which the provider agrees, if what moved since is all that is not known about the money."""
    unknown = [one for one in because if one.about == "money" and one.grade == "unknown"]
    if len(unknown) != 1 or unknown[0].state != "measured" or not isinstance(unknown[0].value, ProviderBalances):
        return None
    return unknown[0].value.verified_through if unknown[0].said.startswith("Verified through") else None


def _books(ask: SectionContext) -> SectionAnswer:
    books = books_of_span(ask.conn, start=ask.day.start, end=ask.day.end, now=ask.clock(), program_id=ask.program_id)
    if not books:
        return SectionAnswer("No books are open", "unknown", books, "empty")
    off = [book for book in books if not book.balances]
    if off:
        return SectionAnswer(f"{len(off)} of {len(books)} books do not balance", "wrong", books)
    return SectionAnswer("Balanced" if len(books) == 1 else f"All {len(books)} books balance", "right", books)


def _invoices(ask: SectionContext) -> SectionAnswer:
    found = invoices_of(ask.conn, start=ask.day.start, end=ask.day.end, program_id=ask.program_id)
    return _listed(found, sum(one.number for one in found), "issued", "No invoice was issued")


def _payments(ask: SectionContext) -> SectionAnswer:
    found = payments_of_span(ask.conn, start=ask.day.start, end=ask.day.end, program_id=ask.program_id)
    told = _listed(found, sum(one.number for one in found), "received", "No payment came in")
    lost = any(one.unidentified.minor for one in found)
    return told._replace(grade="attention", said=f"{told.said}, some of no invoice") if lost else told


def _settlements(ask: SectionContext) -> SectionAnswer:
    found = settlements_of_span(ask.conn, start=ask.day.start, end=ask.day.end, program_id=ask.program_id)
    return _listed(found, sum(one.number for one in found), "settled", "Nothing was settled")


def _payouts(ask: SectionContext) -> SectionAnswer:
    found = payouts_by_state(ask.conn, start=ask.day.start, end=ask.day.end, program_id=ask.program_id)
    created, still_open = sum(one.number for one in found), sum(one.open_number for one in found)
    return _listed(found, created, f"created, {still_open} open", "No payout was created, and none is open")


def _listed(found: Any, number: int, verb: str, empty: str) -> SectionAnswer:
    return SectionAnswer(f"{number} {verb}", value=found) if found else SectionAnswer(empty, value=found, state="empty")


def _workers(ask: SectionContext) -> SectionAnswer:
    found = workers_seen(ask.conn, now=ask.clock())
    if not found:
        return SectionAnswer("None heard of for an hour", "wrong", found, "empty")
    running = [one for one in found if one.health in ("healthy", "failing")]
    failing, down = _health(found, "failing"), _health(found, "down")
    if not running:
        return SectionAnswer("Down: no worker is running", "wrong", found)
    if failing or down:
        said = ", ".join(f"{number} {word}" for number, word in ((failing, "failing"), (down, "down")) if number)
        return SectionAnswer(f"{len(running)} running, of all {said}", "attention", found)
    standing = workers_standing(ask.conn, now=ask.clock())
    if standing.status != "healthy":
        return SectionAnswer(f"{len(running)} running, {standing.status}: {standing.why}", "attention", found)
    return SectionAnswer(f"{len(running)} healthy", "right", found)


def _health(workers: Any, word: str) -> int:
    return len([one for one in workers if one.health == word])


def _queues(ask: SectionContext) -> SectionAnswer:
    found = queue_depths(ask.conn, ask.extra.queues, now=ask.clock())
    worst = max(found, key=lambda one: (list(_DEPTHS).index(one.depth), one.due))
    due = sum(one.due for one in found)
    broken = sorted({name for one in found for name in one.circuits_open})
    if broken:
        grade = max("attention", _DEPTHS[worst.depth], key=("attention", "wrong").index)
        return SectionAnswer(f"{_about(found, due)} due: {', '.join(broken)} does not work, its calls wait", grade, found)
    silent = sorted({peer.peer for one in found for peer in one.peers_silent})
    if silent:
        grade = max("attention", _DEPTHS[worst.depth], key=("attention", "wrong").index)
        return SectionAnswer(f"{_about(found, due)} due: {', '.join(silent)} does not answer, its transactions wait", grade, found)
    words = {"fine": "due", "slow": f"due: {worst.name} is slow", "backlog": f"due: {worst.name} has a backlog"}
    return SectionAnswer(f"{_about(found, due)} {words[worst.depth]}", _DEPTHS[worst.depth], found)


def _about(queues: list[QueueDepth], due: int) -> str:
    return f"over {due:,}" if any(one.more for one in queues) else f"{due:,}"


def _processing(ask: SectionContext) -> SectionAnswer:
    found = processing_of_last(ask.conn)
    if found is None:
        return SectionAnswer("No intent was completed yet", "plain", None, "empty")
    return SectionAnswer(f"{short(found.average)} on average", _PACES[found.pace], found)


def _unusual(ask: SectionContext) -> SectionAnswer:
    found = unusual_events(ask.conn, start=ask.day.start, end=ask.day.end, program_id=ask.program_id)
    return _listed(found, sum(one.number for one in found), "warnings", "Nothing out of the ordinary was told")


SECTIONS: Final = (
    Section("books", "Do the books balance?", "money", "postings of the day and totals of the accounts", _books),
    Section("provider", "Provider reconciliation", "money", "the last reconciliation run", provider_balances),
    Section(
        "integrity_checks",
        "Integrity checks",
        "money",
        "all rows, by one query for each question",
        everything_true,
        whole=True,
    ),
    Section("alerts", "Alerts", "money", "what the sentinel found, and its newest runs", alerts_answer),
    Section("action_required", "Needs action", "money", "states of payouts, intents, webhooks and events", action_required),
    Section("invoices", "What was invoiced?", "money", "invoices issued on the day, in their state of now", _invoices),
    Section("payments", "What came in?", "money", "payments recorded on the day", _payments),
    Section("settlements", "What was settled?", "money", "settlements made on the day", _settlements),
    Section("payouts", "What went out?", "money", "payouts created on the day, and all that are open", _payouts),
    Section("unusual", "Warnings", "work", "events of the day", _unusual),
    Section("workers", "Workers", "work", "heartbeats of the last hour", _workers, whole=True),
    Section("queues", "Queues", "work", "rows that are due now", _queues, whole=True),
    Section("processing", "How fast is it?", "work", "the last 100 settled intents", _processing),
)
