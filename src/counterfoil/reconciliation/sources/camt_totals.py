"""Control totals of a camt statement (`TxsSummry`): number and sum of all entries, of the credits and of the debits."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.reconciliation.sources.amounts import Unreadable, known_scale, parse_amount
from counterfoil.reconciliation.sources.camt_entries import Entry
from counterfoil.reconciliation.sources.shape import Gathering
from counterfoil.reconciliation.sources.xml_nodes import Node


def check(found: Gathering, statement: Node, entries: Sequence[Entry]) -> None:
    """Compare what the summary says with the entries. Some banks count what is pending, so both counts are allowed."""
    summary = statement.find("TxsSummry")
    if summary is None:
        return
    booked = [entry for entry in entries if entry.status == "booked"]
    for name, sign in (("TtlNtries", 0), ("TtlCdtNtries", 1), ("TtlDbtNtries", -1)):
        totals = summary.find(name)
        if totals is not None and not any(_agrees(found, totals, some, sign) for some in (booked, entries)):
            counted = _of_sign(booked, sign)
            reason = f"the control total is {totals.value('NbOfNtries') or '?'} entries of {totals.value('Sum') or '?'}"
            shown = sum(abs(entry.amount) for entry in counted)
            found.unbalanced(totals.line, name, f"{reason}, the entries are {len(counted)} of {shown} minor units")


def _agrees(found: Gathering, totals: Node, entries: Sequence[Entry], sign: int) -> bool:
    counted = _of_sign(entries, sign)
    number, amount = totals.value("NbOfNtries"), totals.value("Sum")
    if number is not None and (not number.isdecimal() or int(number[:18]) != len(counted)):
        return False
    if amount is None:
        return True
    assets = {entry.asset for entry in counted}
    if len(assets) > 1:
        return True  # a sum over several currencies is a number without a meaning
    try:
        scale = known_scale(next(iter(assets))) if assets else 4
        return parse_amount(amount, scale, decimal=".") == sum(abs(entry.amount) for entry in counted)
    except Unreadable as fault:
        found.broken(totals.line, "Sum", str(fault))


def _of_sign(entries: Sequence[Entry], sign: int) -> list[Entry]:
    return [
        entry for entry in entries if not sign or (entry.is_credit and sign > 0) or (not entry.is_credit and sign < 0)
    ]
