"""What the entries of a camt statement add up to, held against its control totals (`TxsSummry`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from counterfoil.statements.amounts import Unreadable, known_scale, parse_amount, told
from counterfoil.statements.camt.entries import CamtEntry
from counterfoil.statements.camt.xml_nodes import Node
from counterfoil.statements.shape import Gathering


@dataclass
class EntryTotals:
    """Number and sum of entries by (booked, asset, credit), kept while they pass by."""

    parts: dict[tuple[bool, str, bool], tuple[int, int]] = field(default_factory=dict)

    def add(self, entry: CamtEntry) -> None:
        """Count one entry."""
        key = (entry.status == "booked", entry.asset, entry.is_credit)
        count, total = self.parts.get(key, (0, 0))
        self.parts[key] = (count + 1, total + entry.amount)

    def booked(self, asset: str | None) -> tuple[int, int]:
        """How many entries are booked, and the signed sum of those in this asset."""
        count = sum(part[0] for key, part in self.parts.items() if key[0])
        return count, sum(part[1] for key, part in self.parts.items() if key[0] and key[1] == asset)

    def booked_assets(self) -> set[str]:
        """The currencies of booked entries."""
        return {asset for is_booked, asset, _ in self.parts if is_booked}

    def some(self, sign: int, *, booked_only: bool) -> Iterator[tuple[str, int, int]]:
        """(asset, number, sum without sign) of the credits (+1), the debits (-1) or all (0)."""
        for (is_booked, asset, is_credit), (count, total) in self.parts.items():
            if (is_booked or not booked_only) and (not sign or is_credit == (sign > 0)):
                yield asset, count, abs(total)


def check(found: Gathering, statement: Node, tally: EntryTotals) -> None:
    """Compare what the summary says with the entries. Some banks count what is pending, so both counts are allowed."""
    summary = statement.find("TxsSummry")
    if summary is None:
        return
    for name, sign in (("TtlNtries", 0), ("TtlCdtNtries", 1), ("TtlDbtNtries", -1)):
        totals = summary.find(name)
        if totals is not None and not any(_agrees(found, totals, tally, sign, booked_only=only) for only in (True, False)):
            some = list(tally.some(sign, booked_only=True))
            reason = f"the control total is {totals.value('NbOfNtries') or '?'} entries of {totals.value('Sum') or '?'}"
            shown = " and ".join(f"{count} of {told(total, asset)}" for asset, (count, total) in _by_asset(some).items()) or "none"
            found.unbalanced(totals.line, name, f"{reason}, the entries are {shown}")


def _by_asset(some: list[tuple[str, int, int]]) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for asset, count, total in some:
        before = sums.get(asset, (0, 0))
        sums[asset] = (before[0] + count, before[1] + total)
    return sums


def _agrees(found: Gathering, totals: Node, tally: EntryTotals, sign: int, *, booked_only: bool) -> bool:
    some = list(tally.some(sign, booked_only=booked_only))
    number, amount = totals.value("NbOfNtries"), totals.value("Sum")
    if number is not None and (not number.isdecimal() or int(number[:18]) != sum(count for _, count, _ in some)):
        return False
    assets = {asset for asset, *_ in some}
    if amount is None or len(assets) > 1:
        return True  # a sum over several currencies is a number without a meaning
    try:
        scale = known_scale(next(iter(assets))) if assets else 4
        return parse_amount(amount, scale, decimal=".") == sum(total for *_, total in some)
    except Unreadable as fault:
        found.broken(totals.line, "Sum", str(fault))
