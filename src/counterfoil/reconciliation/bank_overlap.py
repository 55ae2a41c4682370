"""Which lines of a bank's statement are new? Two that say the same are two where the balance shows it, and one where a file repeats it.

Pure. The evidence, strongest first: the statement is one that is known; its balances follow on from those of the statement that holds
the other line, so nothing of both is the same; the account's balance after each line; how many times a line is said. Where two of
them disagree, the one that leads from the first opening balance to the closing balance is right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

from counterfoil.statements import StatementInfo

CHAIN_MAX: Final = 10_000  # statements between two that follow on; more, and the lines are compared one by one


class BroughtLine(NamedTuple):
    """A line that a file brings: `plain` is all that it says, `position` what the account holds after it."""

    plain: bytes
    amount: int
    day: date
    position: int | None


class KnownLine(NamedTuple):
    """A line that is known, and the statement (its place among the known ones) that brought it."""

    statement: int | None
    position: int | None


def same_statement(one: StatementInfo, other: StatementInfo) -> bool:
    """Is it one statement that came twice? Only balances show that, and numbers contradict it where both are given."""
    if not (one.carries and other.carries and one.entries):
        return False
    numbers = ((one.sequence, other.sequence), (one.page, other.page))
    if any(None not in pair and pair[0] != pair[1] for pair in numbers):
        return False
    return all(
        getattr(one, name) == getattr(other, name) for name in ("account", "asset", "opening", "closing", "closing_on", "entries", "total")
    )


def apart(known: Sequence[StatementInfo], new: StatementInfo, first_day: date) -> set[int]:
    """Known statements (by their place) that share no line with this one: the balances lead from them to it, or from it to them.

    A statement whose lines come to nothing proves nothing: it begins and ends with the same balance.
    """
    found = {
        at
        for at in _reached(known, new, forwards=False)
        if (known[at].closing_on or date.max) <= first_day and _begins(known[at]) <= _begins(new)
    } | {
        at
        for at in _reached(known, new, forwards=True)
        if new.total and (known[at].closing_on or date.min) >= (new.closing_on or date.max) and _begins(known[at]) >= _begins(new)
    }
    return {at for at in found if known[at].total}


def _begins(info: StatementInfo) -> date:
    return info.opening_on or info.closing_on or date.min


def _reached(known: Sequence[StatementInfo], new: StatementInfo, *, forwards: bool) -> set[int]:
    """Statements from which (or to which) balances lead without a gap."""
    begins, ends = ("opening", "closing") if forwards else ("closing", "opening")
    by_balance: dict[int, list[int]] = defaultdict(list)
    for at, info in enumerate(known):
        if info.carries and (info.account, info.asset) == (new.account, new.asset) and not same_statement(info, new):
            by_balance[getattr(info, begins)].append(at)
    found: set[int] = set()
    ahead = [getattr(new, ends)]
    while ahead and len(found) < CHAIN_MAX:
        for at in by_balance.pop(ahead.pop(), []):
            found.add(at)
            ahead.append(getattr(known[at], ends))
    return found


def fresh_of(
    lines: Sequence[BroughtLine],
    held: Mapping[bytes, Sequence[KnownLine]],
    disjoint: set[int],
    leads: Sequence[Callable[[int], bool]],
) -> list[bool]:
    """For each line whether it is new.

    Each of `leads`, the strongest first, says whether the account adds up with new lines of this sum. Where none of them holds, as
    when a statement is missing, statements that follow on share nothing, and the rest is told by number.
    """
    after = {plain: [one for one in rows if one.statement not in disjoint] for plain, rows in held.items()}
    answers = [_by_number(lines, held), _by_position(lines, held), _by_number(lines, after), _by_position(lines, after)]
    if all(answer == answers[0] for answer in answers):
        return answers[0]
    for adds_up in leads:
        for answer in answers:
            if adds_up(sum(line.amount for line, is_new in zip(lines, answer, strict=True) if is_new)):
                return answer
    return answers[2]


def _by_number(lines: Sequence[BroughtLine], known: Mapping[bytes, Sequence[KnownLine]]) -> list[bool]:
    """What is said more often than it is known is new."""
    seen: Counter[bytes] = Counter()
    answer = []
    for line in lines:
        seen[line.plain] += 1
        answer.append(seen[line.plain] > len(known.get(line.plain, ())))
    return answer


def _by_position(lines: Sequence[BroughtLine], known: Mapping[bytes, Sequence[KnownLine]]) -> list[bool]:
    """What stands where no known line of the same words stands is new; by number, where a place is not known."""
    places = {plain: Counter(one.position for one in rows) for plain, rows in known.items()}
    by_number = _by_number(lines, known)
    answer = []
    for line, is_new in zip(lines, by_number, strict=True):
        there = places.get(line.plain, Counter())
        if line.position is None or None in there:
            answer.append(is_new)
            continue
        answer.append(there[line.position] <= 0)
        there[line.position] -= 1
    return answer
