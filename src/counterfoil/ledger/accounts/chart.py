"""The chart of accounts: which names there are, on which side they grow, and which must never fall below nothing.

A name is words separated by colons; `*` stands for one word that the caller chooses (a provider, a payee, an agent).
Source: Money, Chart of accounts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from counterfoil.base.problems import InvalidInput

NAME_LENGTH_MAX: Final = 200
DEBIT, CREDIT = "debit", "credit"


class ChartRule(NamedTuple):
    """One line of the chart."""

    pattern: str
    normal: str
    no_overdraft: bool
    meaning: str


CHART: Final = (
    ChartRule("cash:bank:client", DEBIT, False, "client money at the bank"),
    ChartRule("cash:bank:own", DEBIT, False, "the house's own money at the bank"),
    ChartRule("clearing:*", DEBIT, False, "what a provider has taken for us and not yet paid out"),
    ChartRule("receivable:payee:*", DEBIT, True, "what a payee owes back"),
    ChartRule("receivable:customer:*", DEBIT, True, "what a customer owes: charged back after a refund, or after it funded an escrow"),
    ChartRule("receivable:validator", DEBIT, True, "what validators got of fees that went back; their next distribution is less by it"),
    ChartRule("escrow:*", CREDIT, True, "what a customer has paid and nobody has earned yet"),
    ChartRule("payable:payee:*", CREDIT, True, "what is owed to a payee"),
    ChartRule("holdback:payee:*", CREDIT, True, "what is kept back from a payee for a while"),
    ChartRule("in_transit:*", CREDIT, True, "what is on its way to payees through a provider"),
    ChartRule("payable:validator", CREDIT, True, "what is owed to validators"),
    ChartRule("accrued:affiliate:*", CREDIT, True, "commission earned that may still be reversed"),
    ChartRule("payable:affiliate:*", CREDIT, True, "commission that is due"),
    ChartRule("refund_payable:customer:*", CREDIT, True, "what is owed back to a customer"),
    ChartRule("treasury:agent:*", CREDIT, True, "an agent's share of the treasury"),
    ChartRule("two_phase", CREDIT, False, "what agents gave in transactions and other agents did not get yet"),
    ChartRule("carbon:agent:*", CREDIT, True, "grams that an agent emitted"),
    ChartRule("carbon:emitted", DEBIT, False, "grams that all agents emitted"),
    ChartRule("carbon:bought", DEBIT, False, "grams of carbon credits that were bought"),
    ChartRule("carbon:held", CREDIT, True, "grams of carbon credits that are not retired"),
    ChartRule("carbon:retired:*", CREDIT, True, "grams of carbon credits that were retired for an agent, or for the house"),
    ChartRule("suspense", CREDIT, False, "receipts that nobody has identified yet"),
    ChartRule("fee:platform", CREDIT, False, "what the platform has earned"),
    ChartRule("provider_fee", DEBIT, False, "what providers took"),
    ChartRule("gas", DEBIT, False, "what transactions on a chain cost"),
    ChartRule("commission_expense", DEBIT, False, "what commissions cost"),
    ChartRule("bad_debt", DEBIT, False, "what was written off"),
    ChartRule("dispute_fee", DEBIT, False, "what disputes cost"),
    ChartRule("platform:own_funds", CREDIT, False, "what the house has put in"),
)


def rule_for(name: str) -> ChartRule | None:
    """The line of the chart that a name falls under, if there is one."""
    words = name.split(":")
    for rule in CHART:
        pattern = rule.pattern.split(":")
        if len(pattern) == len(words) and all(p in ("*", w) and w for p, w in zip(pattern, words, strict=True)):
            return rule
    return None


def valid_name(name: str, field: str = "account") -> str:
    """`name`, if an account may be called so: 1 to 200 printable characters, no space at either end. Raises InvalidInput."""
    if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable() or name != name.strip():
        raise InvalidInput(field, f"1 to {NAME_LENGTH_MAX} printable characters without spaces around", got=name[:40])
    return name
