"""What a minus in a debit means, and whether the file's own balance leads from row to row: told by the whole table, before its rows.

One rule: a debit is money out whether or not it carries a minus; a credit is taken as it is signed. Where debits come with both signs
a minus may mean money that came back: the balance decides, and without one such a row is rejected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from counterfoil.statements.amounts import does_not_carry
from counterfoil.statements.shape import Gathering, ParsedLine, StatementInfo

Debits = Literal["out", "signed", "refused"]


class SignedRow(NamedTuple):
    """A row as the balance sees it, in minor units."""

    line: int
    amount: int
    balance: int
    day: date | None


@dataclass
class Trail:
    """The balances of one table, row by row, while its lines pass by."""

    steps: list[SignedRow] = field(default_factory=list)
    assets: set[str] = field(default_factory=set)
    is_whole: bool = True  # every row had a balance and could be read

    def add(self, line: ParsedLine) -> None:
        """One more row."""
        if line.balance is None:
            self.is_whole = False
            return
        self.assets.add(line.asset)
        self.steps.append(SignedRow(line.line, line.amount, line.balance, line.booked_on or line.value_on))

    def oldest_first(self) -> bool | None:
        """Does the balance lead from row to row, downwards (True) or upwards (False)? None where it does neither."""
        down = all(after.balance - before.balance == after.amount for before, after in pairwise(self.steps))
        up = all(before.balance - after.balance == before.amount for before, after in pairwise(self.steps))
        days = [step.day for step in self.steps if step.day]
        if down and up:
            return not days or days[0] <= days[-1]
        return True if down else False if up else None

    def gaps(self) -> list[tuple[SignedRow, SignedRow]]:
        """Neighbours of which the earlier one's balance does not lead to the later one's, in the direction that has fewer of them."""
        pairs = list(pairwise(self.steps))
        down = [(before, after) for before, after in pairs if after.balance - before.balance != after.amount]
        up = [(after, before) for before, after in pairs if before.balance - after.balance != before.amount]
        days = [step.day for step in self.steps if step.day]
        return min((up, down) if days and days[0] > days[-1] else (down, up), key=len)

    def leads_in_some_order(self) -> bool:
        """Is there an order at all in which each balance leads to the next? Rows are ways between balances: all of them are walked in one
        go where each is begun as often as it is reached, but for the first and the last, and none lies apart."""
        ways = [(step.balance - step.amount, step.balance) for step in self.steps]
        begins, ends = (Counter(each) for each in zip(*ways, strict=True))
        joined: dict[int, int] = {}

        def place(balance: int) -> int:
            while (further := joined.get(balance)) is not None:
                joined[balance] = joined.get(further, further)
                balance = further
            return balance

        for begin, end in ways:
            here, there = place(begin), place(end)
            if here != there:
                joined[here] = there
        return (ends - begins).total() <= 1 and len({*begins, *ends}) - len(joined) == 1


def settle(found: Gathering, trail: Trail, column: str, *, is_running: bool = False, account: str | None = None) -> None:
    """The table as a statement, where its balance leads from row to row; a row that is missing among rows that do stops the file.

    A column that leads nowhere is no running balance, and a remark says so; `is_running`: whoever wrote the file says that it is one.
    `account`: whose balance it is, where the file has several.
    """
    if found.rejected and trail.steps:
        found.notes.append(f"the balances in {column} are not used: rows between them were rejected")
        return
    if not trail.steps or not trail.is_whole or len(trail.assets) != 1:
        if trail.steps:
            found.notes.append(f"the balances in {column} are not used: they do not stand in every row of one currency")
        return
    direction = trail.oldest_first()
    if direction is None:
        _refuse_a_gap(found, trail, column, is_running=is_running)
        return
    steps = trail.steps if direction else trail.steps[::-1]
    first, last = steps[0], steps[-1]
    days = [step.day for step in steps if step.day]
    opening = first.balance - first.amount
    found.statements.append(
        StatementInfo(
            account=account,
            statement_id=None,
            sequence=None,
            asset=next(iter(trail.assets)),
            opening=opening,
            closing=last.balance,
            opening_on=min(days, default=None),
            closing_on=max(days, default=None),
            entries=len(steps),
            total=sum(step.amount for step in steps),
            line=trail.steps[0].line,
        )
    )


def _refuse_a_gap(found: Gathering, trail: Trail, column: str, *, is_running: bool) -> None:
    wrong = trail.gaps()
    if trail.leads_in_some_order():
        found.notes.append(f"the balances in {column} lead from row to row in another order than that of the rows, so they are not used")
        return
    if not is_running and len(wrong) * 2 > len(trail.steps) - 1:
        place = min(after.line for _, after in wrong)
        found.notes.append(
            f"the column {column} does not lead from row to row (line {place}), so it is taken for no running balance and is not used"
        )
        return
    before, after = wrong[0]
    reason = does_not_carry(before.balance, after.amount, after.balance, next(iter(trail.assets)))
    found.unbalanced(after.line, column, f"{reason}: a row is missing, or an amount or a balance is wrong")


def how_debits_are_meant(rows: Iterable[Mapping[Debits, int | None]], balances: Iterable[int | None], debits: Iterable[int]) -> Debits:
    """Out of every row's amount under both readings, its balance, and the debits as they are signed."""
    signs = {debit > 0 for debit in debits if debit}
    if len(signs) < 2:
        return "out"
    known = list(balances)
    amounts = list(rows)
    ways: tuple[Debits, Debits] = ("signed", "out")
    for way in ways:
        trail = Trail()
        for row, balance in zip(amounts, known, strict=True):
            amount = row.get(way)
            if amount is None or balance is None:
                break
            trail.add(ParsedLine(amount, "", 0, NO_CELLS, balance=balance))
        else:
            if len(trail.steps) > 1 and trail.oldest_first() is not None:
                return way
    return "refused"


NO_CELLS: Mapping[str, Any] = {}
