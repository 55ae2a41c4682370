"""The money map: where the money lies, whose it is, and what moved today. Both bars are drawn to one scale: they must be as long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, measure
from counterfoil.ledger.reads.kinds import KindBalance, KindFlow, balances_by_kind, flows_by_kind
from counterfoil.reconciliation.runs.standing import concluded

# Kinds of accounts in the order of the bars: where money lies, then whose it is. What the house has, gave and lost is one part, its own.
PLACES: Final[Mapping[str, str]] = {
    "cash:bank:client": "Bank, clients' money",
    "clearing:*": "Providers",
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
OUTSIDE: Final = "Outside"
APART: Final = "carbon:"  # grams are no money
WIDTH, LEAST = 1000, 4  # of a bar, and of the smallest part that is drawn
LABEL_MIN: Final = 120  # a part that is narrower has its words in the table alone


class MapPart(NamedTuple):
    """One part of a bar, and its row of the table. `x` and `width` are in units of the drawing; `came` and `went`: today."""

    kind: str
    words: str
    accounts: int
    balance: Money
    came: Money
    went: Money
    x: int
    width: int
    grade: Grade
    said: str

    @property
    def is_labelled(self) -> bool:
        """Is there room for its words?"""
        return self.width >= LABEL_MIN


class MapFlow(NamedTuple):
    """What moved today from one part to another."""

    giver: str
    taker: str
    amount: Money


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


class MoneyMapAnswer(NamedTuple):
    """What the page shows."""

    readings: dict[str, SectionReading]


def money_map_answer(ask: SectionContext) -> MoneyMapAnswer:
    """The map of this moment, with what moved today."""
    return MoneyMapAnswer(measure(ask, MAP))


def _map(ask: SectionContext) -> SectionAnswer:
    if not ask.day.is_today:
        return SectionAnswer("The map is of this moment: choose today", state="empty")
    program = ask.only or ask.program_id
    balances = [one for one in balances_by_kind(ask.conn, program_id=program) if not one.kind.startswith(APART)]
    if not balances:
        return SectionAnswer("No money is in these books yet", state="empty")
    flows = flows_by_kind(ask.conn, program_id=program, start=ask.day.start, end=ask.day.end)
    proofs = _proofs(ask)
    books = sorted({(one.program_id, one.asset) for one in balances})
    found = tuple(_book(book, balances, flows, proofs) for book in books)
    if broken := [one for one in found if one.difference.minor]:
        return SectionAnswer(f"In {len(broken)} of {len(found)} books what is held is not what is owed", "wrong", found)
    places = [part for one in found for part in one.places if part.kind in ("clearing:*", "cash:bank:client", "cash:bank:own")]
    if contradicted := sum(part.grade == "wrong" for part in places):
        said = f"All that is held is owed to somebody; in {contradicted} of {len(places)} places the other side says otherwise"
        return SectionAnswer(said, "wrong", found)
    unproven = sum(part.grade != "right" for part in places)
    if unproven:
        return SectionAnswer(f"All that is held is owed to somebody; {unproven} of {len(places)} places are not proven", "unknown", found)
    return SectionAnswer("All that is held is owed to somebody, and every place is proven", "right", found)


def _proofs(ask: SectionContext) -> dict[tuple[str, str], tuple[Grade, str]]:
    """By program and source: is it proven that the money lies there, and by what?"""
    found: dict[tuple[str, str], tuple[Grade, str]] = {}
    for one, state in concluded(ask.conn, program_id=ask.only or ask.program_id):
        if state is None or one.watermark is None:
            found[one.program_id, one.source] = ("unknown", "never compared to an end")
            continue
        grade: Grade = "right" if state.green else "wrong" if state.open else "unknown"
        found[one.program_id, one.source] = (grade, f"{state.sentence()}, through {one.watermark}")
    return found


class _Sums(NamedTuple):
    """By part of one book: what it holds, how many accounts hold it, what came and went today; and what went which way."""

    balance: dict[str, int]
    accounts: dict[str, int]
    came: dict[str, int]
    went: dict[str, int]
    ways: dict[tuple[str, str], int]


def _summed(balances: Sequence[KindBalance], flows: Sequence[KindFlow]) -> _Sums:
    balance, accounts, came, went = (defaultdict[str, int](int) for _ in range(4))
    ways = defaultdict[tuple[str, str], int](int)
    for one in balances:
        part = _part_of(one.kind)
        balance[part] += one.net if _is_place(part) else -one.net
        accounts[part] += one.accounts
    for flow in flows:
        debit, credit = _part_of(flow.debit), _part_of(flow.credit)
        if debit == credit:
            continue  # within one part: nothing of the map moves
        (came if _is_place(debit) else went)[debit] += flow.minor
        (went if _is_place(credit) else came)[credit] += flow.minor
        ways[_way(debit, credit)] += flow.minor
    return _Sums(balance, accounts, came, went, ways)


def _book(
    book: tuple[str, str], balances: Sequence[KindBalance], flows: Sequence[KindFlow], proofs: Mapping[tuple[str, str], tuple[Grade, str]]
) -> MoneyMap:
    program, asset = book
    sums = _summed(
        [one for one in balances if (one.program_id, one.asset) == book], [one for one in flows if (one.program_id, one.asset) == book]
    )
    owners = {**OWNERS, HOUSE: HOUSE}
    whole = [sum(max(sums.balance[kind], 0) for kind in known) for known in (PLACES, owners)]
    held, owed = (sum(sums.balance[kind] for kind in known) for known in (PLACES, owners))

    def bar(known: Mapping[str, str]) -> tuple[MapPart, ...]:
        return tuple(
            MapPart(
                kind,
                words,
                sums.accounts[kind],
                Money(sums.balance[kind], asset),
                Money(sums.came[kind], asset),
                Money(sums.went[kind], asset),
                x,
                width,
                *_proven(program, kind, proofs),
            )
            for kind, words, x, width in _laid_out(known, sums, max(*whole, 1))
        )

    ways = sorted(sums.ways.items(), key=lambda one: (-one[1], one[0]))
    moved = tuple(MapFlow(giver, taker, Money(minor, asset)) for (giver, taker), minor in ways)
    return MoneyMap(program, asset, bar(PLACES), bar(owners), Money(held, asset), Money(owed, asset), Money(held - owed, asset), moved)


def _laid_out(known: Mapping[str, str], sums: _Sums, total: int) -> Iterator[tuple[str, str, int, int]]:
    """Each part that holds anything, or moved today, with where it begins and how wide it is. What is below nothing has no width."""
    x = 0
    for kind, words in known.items():
        minor = sums.balance[kind]
        if minor or sums.came[kind] or sums.went[kind]:
            width = max(minor * WIDTH // total, LEAST) if minor > 0 else 0
            yield kind, words, x, width
            x += width


def _proven(program: str, kind: str, proofs: Mapping[tuple[str, str], tuple[Grade, str]]) -> tuple[Grade, str]:
    """A place is proven by the other side's own word: a provider's statement, or the bank's."""
    if kind.startswith("cash:"):
        return proofs.get((program, kind.removeprefix("cash:")), ("unknown", "never compared"))
    if kind != "clearing:*":
        return "plain", ""
    found = [told for (of, source), told in proofs.items() if of == program and ":" not in source]
    if not found:
        return "unknown", "never compared"
    worst = max(found, key=lambda one: ("right", "unknown", "wrong").index(one[0]))
    return worst if len(found) == 1 else (worst[0], f"{len(found)} providers; the worst: {worst[1]}")


def _part_of(kind: str) -> str:
    """Which part of a bar a kind of account belongs to: what is neither a place nor somebody's is the house's."""
    return kind if kind in PLACES or kind in OWNERS else HOUSE


def _way(debit: str, credit: str) -> tuple[str, str]:
    """Who gave to whom. Between two places money went to the debited one, between two owners to the credited one; else both grew, and it
    came from outside, or both shrank, and it left."""
    if _is_place(debit) and _is_place(credit):
        return _words(credit), _words(debit)
    if not _is_place(debit) and not _is_place(credit):
        return _words(debit), _words(credit)
    if _is_place(debit):
        return OUTSIDE, f"{_words(credit)} ({_words(debit)})"
    return f"{_words(debit)} ({_words(credit)})", OUTSIDE


def _is_place(part: str) -> bool:
    return part in PLACES


def _words(part: str) -> str:
    return PLACES.get(part) or OWNERS.get(part) or HOUSE


MAP: Final = (Section("map", "Where does the money lie, and whose is it?", "money", "the accounts and today's postings", _map),)
