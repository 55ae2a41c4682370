"""The money map: where the money lies, whose it is, and what moved on a day, drawn from left to right. Both bars are to one scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.maps.drawing import OUTSIDE, MapDrawing, MapHeld, MapWay, drawn
from counterfoil.dashboard.maps.oldest import oldest_of_parts
from counterfoil.dashboard.pages.provider_balances import OLD_AFTER, RunSeen, provider_balances
from counterfoil.dashboard.web.format import span
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, measure
from counterfoil.ledger.reads.books import BookFlow, BookLine, BookOfSpan, books_of_span, flows_of_span
from counterfoil.reconciliation.reach import due_sources
from counterfoil.reconciliation.runs.standing import NOT_RECONCILED

# Lines of a book in the order of the bars: where money lies, then whose it is. What the house has, gave and lost is one part, its own.
PLACES: Final[Mapping[str, str]] = {
    "cash:bank:client": "Bank, clients' money",
    "clearing:*": "At",  # with the provider's name: each is a part
    "cash:bank:own": "Bank, our own",
    "receivable:payee:*": "Owed by payees",
    "receivable:customer:*": "Owed by customers",
    "receivable:validator": "Owed by validators",
}
OWNERS: Final[Mapping[str, str]] = {
    "escrow:*": "Customers, in escrow",
    "payable:payee:*": "Payees",
    "holdback:payee:*": "Payees, held back",
    "in_transit:*": "On the way to payees",
    "refund_payable:customer:*": "Refunds owed",
    "payable:validator": "Validators",
    "accrued:affiliate:*": "Affiliates, not due yet",
    "payable:affiliate:*": "Affiliates",
    "treasury:agent:*": "Agents",
    "two_phase": "Between agents",
    "suspense": "Nobody knows yet",
}
HOUSE: Final = "The house"
CLEARING: Final = "clearing:"
APART: Final = "carbon:"  # grams are no money
WIDTH, LEAST = 1000, 4  # of a bar, and of the smallest part that is drawn
LABEL_MIN, SUM_MIN = 120, 240  # a part that is narrower has its words, or its figure, in the table alone
NAMED_MAX: Final = 2  # places that a verdict names
HUES: Final = 7  # and one of the house alone
WORST_FIRST: Final[Sequence[Grade]] = ("wrong", "attention", "unknown", "accepted", "right", "plain")
Proof = tuple[Grade, str]


class MapPart(NamedTuple):
    """One part of a bar, and its row of the table. `x` and `width` are in units of the drawing; `came` and `went`: on the day."""

    kind: str
    words: str
    accounts: int
    balance: Money
    came: Money
    went: Money
    x: int
    width: int
    hue: int  # by its kind, so that it has one colour wherever it stands
    grade: Grade
    said: str
    oldest: datetime | None  # since when the oldest of it waits, where it has an age of its own

    @property
    def is_labelled(self) -> bool:
        """Is there room for its words?"""
        return self.width >= LABEL_MIN

    @property
    def is_figured(self) -> bool:
        """And for its figure?"""
        return self.width >= SUM_MIN


class MapFlow(NamedTuple):
    """What moved on the day from one part to another. `account` and `with_`: the part whose entries it is made of, and the part on their
    other side; `way`: as that part sees them."""

    giver: str
    taker: str
    amount: Money
    account: str
    way: str
    with_: str


class MoneyMap(NamedTuple):
    """One book: both bars, their difference, which must be nothing, and what moved between its parts."""

    program_id: str
    asset: str
    places: tuple[MapPart, ...]
    owners: tuple[MapPart, ...]
    held: Money
    owed: Money
    difference: Money
    flows: tuple[MapFlow, ...]
    drawing: MapDrawing


class _KnownOfParts(NamedTuple):
    """What is known of parts beside their figures."""

    proofs: Mapping[tuple[str, str], Proof]
    oldest: Mapping[tuple[str, str, str], datetime]
    now: datetime


class MoneyMapAnswer(NamedTuple):
    """What the page shows."""

    readings: dict[str, SectionReading]


def money_map_answer(ask: SectionContext) -> MoneyMapAnswer:
    """How the books stood at the end of the day, or stand now, with what moved on it."""
    return MoneyMapAnswer(measure(ask, MAP))


def _map(ask: SectionContext) -> SectionAnswer:
    within: dict[str, Any] = {"start": ask.day.start, "end": ask.day.end, "program_id": ask.only or ask.program_id}
    books = [one for one in books_of_span(ask.conn, now=ask.clock(), **within) if any(not _is_apart(line.account) for line in one.lines)]
    if not books:
        return SectionAnswer("No money was in these books", state="empty")
    flows, told = (
        flows_of_span(ask.conn, **within),
        _KnownOfParts(_proofs(ask), oldest_of_parts(ask.conn) if ask.day.is_today else {}, ask.clock()),
    )
    found = tuple(_book(one, [flow for flow in flows if _of(flow) == _of(one)], told) for one in books)
    grade, said = min((_verdict(one) for one in found), key=lambda one: WORST_FIRST.index(one[0]))
    return SectionAnswer(said, grade, found)


def _of(one: BookFlow | BookOfSpan) -> tuple[str, str]:
    """Of which book something is."""
    return one.program_id, one.amount.asset if isinstance(one, BookFlow) else one.asset


def _verdict(book: MoneyMap) -> Proof:
    """How one book stands: worst first, and nothing is right that was not compared up to now."""
    named = f"{book.program_id} in {book.asset}"
    if book.difference.minor:
        return "wrong", f"{named}: what is held is not what is owed"
    below = [part.words for part in (*book.places, *book.owners) if part.balance.minor < 0]
    if HOUSE in below:
        return "wrong", f"{named}: the house is below nothing, so others' money covers what it lost"
    grades = [part.grade for part in book.places if part.grade != "plain"]
    worst: Grade = min(grades, key=WORST_FIRST.index, default="unknown")
    if worst == "wrong":
        return "wrong", f"{named}: the other side contradicts {_named(book, 'wrong')}"
    if below:
        return "attention", f"{named}: below nothing: {', '.join(below)}"
    if worst == "unknown":
        return "unknown", f"{named}: not proven: {_named(book, 'unknown')}"
    return worst, f"All that is held is owed to somebody, and every place is {'accepted' if worst == 'accepted' else 'proven'}"


def _named(book: MoneyMap, grade: Grade) -> str:
    """The places that stand so, the first of them by name."""
    words = [one.words for one in book.places if one.grade == grade]
    return ", ".join(words[:NAMED_MAX]) + (f" and {len(words) - NAMED_MAX} more" if len(words) > NAMED_MAX else "")


def _proofs(ask: SectionContext) -> dict[tuple[str, str], Proof]:
    """By program and account: is it proven that the money lies there, up to now? By the runs that Today's page goes by."""
    told = provider_balances(ask).value
    runs = {(run.program_id, run.provider): run for run in told.runs}
    known = due_sources(ask.conn, program_id=ask.only or ask.program_id)
    return {(one.program_id, one.account): _proof(ask, runs.get((one.program_id, one.source))) for one in known}


def _proof(ask: SectionContext, run: RunSeen | None) -> Proof:
    if run is None:
        return "unknown", "never compared"
    if run.failed:
        return "unknown", "the last run could not conclude"
    if run.stands.verdict == NOT_RECONCILED:
        return "wrong", run.stands.sentence()
    if not run.agrees:
        return "unknown", run.stands.sentence()
    if not run.covers_day:
        return "unknown", f"compared through {run.last_on}"
    if ask.day.is_today and ask.clock() - run.finished_at > OLD_AFTER:
        return "unknown", f"not compared since {run.finished_at:%Y-%m-%d %H:%M} UTC"
    if run.since and run.verified_through is not None:
        return "unknown", f"compared through {run.verified_through:%H:%M} UTC; it moved since"
    return "accepted" if run.stands.decided else "right", run.stands.sentence()


def _book(book: BookOfSpan, flows: Sequence[BookFlow], told: _KnownOfParts) -> MoneyMap:
    parts: dict[str, list[BookLine]] = {}
    for line in book.lines:
        if not _is_apart(line.account):
            parts.setdefault(_part_of(line.account), []).append(line)
    places, owners = _in_order(parts, PLACES), _in_order(parts, {**OWNERS, HOUSE: HOUSE})
    longest = max(*(sum(max(_stands(part, parts[part]), 0) for part in bar) for bar in (places, owners)), 1)
    lies, owes = (tuple(_bar(book, {part: parts[part] for part in bar}, longest, told)) for bar in (places, owners))
    held, owed = (Money(sum(one.balance.minor for one in bar), book.asset) for bar in (lies, owes))
    ways = _ways(flows)
    boxes = [
        MapHeld(
            one.kind,
            one.words,
            is_place(one.kind),
            one.grade,
            one.hue,
            one.balance,
            f"oldest {span(told.now - one.oldest)}" if one.oldest else "",
            one.came,
            one.went,
        )
        for one in (*lies, *owes)
    ]
    return MoneyMap(book.program_id, book.asset, lies, owes, held, owed, held.minus(owed), _moved(ways), drawn(boxes, ways))


def _bar(book: BookOfSpan, bar: Mapping[str, Sequence[BookLine]], longest: int, told: _KnownOfParts) -> Iterator[MapPart]:
    x = 0
    for part, lines in bar.items():
        minor, debits, credits_ = _stands(part, lines), sum(one.debits.minor for one in lines), sum(one.credits.minor for one in lines)
        came, went = (debits, credits_) if is_place(part) else (credits_, debits)
        width = max(minor * WIDTH // longest, LEAST) if minor > 0 else 0  # what is below nothing has none
        stands, in_, out = (Money(one, book.asset) for one in (minor, came, went))
        grade, said = _proven(book.program_id, part, told.proofs)
        oldest = told.oldest.get((book.program_id, book.asset, part)) if minor > 0 else None
        accounts = sum(one.accounts for one in lines)
        yield MapPart(part, words_of_part(part), accounts, stands, in_, out, x, width, hue_of(part), grade, said, oldest)
        x += width


def _in_order(parts: Mapping[str, Any], bar: Mapping[str, str]) -> list[str]:
    """The parts of a bar that there are, in its order; providers by name where they stand."""
    return [part for kind in bar for part in sorted(parts) if part == kind or (kind == "clearing:*" and part.startswith(CLEARING))]


def _stands(part: str, lines: Sequence[BookLine]) -> int:
    """What a part holds, in minor units: places by their debits, owners by their credits."""
    net = sum(one.debit_balance.minor - one.credit_balance.minor for one in lines)
    return net if is_place(part) else -net


def _moved(ways: Sequence[MapWay]) -> tuple[MapFlow, ...]:
    """What moved from part to part in words, the largest first."""
    flows = [
        MapFlow(
            _end(one.giver, "" if one.taker else one.through),
            _end(one.taker, "" if one.giver else one.through),
            one.amount,
            one.taker or one.giver,
            "came" if one.taker else "went",
            (one.giver if one.taker else "") or one.through,
        )
        for one in ways
    ]
    return tuple(sorted(flows, key=lambda one: (-one.amount.minor, one.giver, one.taker)))


def _end(part: str, through: str) -> str:
    if not part:
        return OUTSIDE
    return f"{words_of_part(part)} ({words_of_part(through)})" if through else words_of_part(part)


def _ways(flows: Sequence[BookFlow]) -> list[MapWay]:
    """What moved between parts; what moved within one moves nothing of the map."""
    ways: dict[tuple[str, str, str], Money] = {}
    for one in flows:
        debit, credit = _part_of(one.debit), _part_of(one.credit)
        if debit != credit:
            way = _way(debit, credit)
            ways[way] = ways[way].plus(one.amount) if way in ways else one.amount
    return [MapWay(*way, amount) for way, amount in ways.items()]


def _proven(program: str, part: str, proofs: Mapping[tuple[str, str], Proof]) -> Proof:
    """A place is proven by the other side's own word: a provider's statement, or the bank's. What is owed to us has none."""
    if not part.startswith(("cash:", CLEARING)):
        return "plain", ""
    return proofs.get((program, part), ("unknown", "its own records alone say it"))


def _is_apart(account: str) -> bool:
    return account.startswith(APART)


def _part_of(account: str) -> str:
    """Which part of a bar a line belongs to: what is neither a place nor somebody's is the house's; what is on its way is one part."""
    if account.startswith("in_transit:"):
        return "in_transit:*"
    return account if account in OWNERS or is_place(account) else HOUSE


def _way(debit: str, credit: str) -> tuple[str, str, str]:
    """Who gave to whom, and through which place. Between two places money went to the debited one, between two owners to the credited
    one; else both grew, and it came from outside, or both shrank, and it left: of the world outside there is no name."""
    if is_place(debit) == is_place(credit):
        return (credit, debit, "") if is_place(debit) else (debit, credit, "")
    return ("", credit, debit) if is_place(debit) else (debit, "", credit)


def is_place(part: str) -> bool:
    """Is it where money lies, a part or one account of it?"""
    return part in PLACES or any(kind.endswith("*") and part.startswith(kind[:-1]) for kind in PLACES)


def hue_of(part: str) -> int:
    """Which of the colours a part has: the next kind has the next one."""
    if part == HOUSE:
        return HUES
    kinds = list(PLACES) if is_place(part) else list(OWNERS)
    return kinds.index("clearing:*" if part.startswith(CLEARING) else part) % HUES


def words_of_part(part: str) -> str:
    """A part as people read it; one account by its name."""
    if part.startswith(CLEARING):
        return f"At {part.removeprefix(CLEARING)}"
    return PLACES.get(part) or OWNERS.get(part) or part


MAP: Final = (Section("map", "What lies where, and is it proven?", "money", "accounts, postings of the day, and runs", _map),)
