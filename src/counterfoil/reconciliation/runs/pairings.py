"""What is held against what: for each source the two sides and the rules. A source is a name that people use with `--source`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection, sql

from counterfoil.base.problems import NotFound
from counterfoil.matching.rules.model import KeyPass, RuleSet
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.reconciliation.movements import account_movements
from counterfoil.reconciliation.runs import books

CASH_ACCOUNTS: Final = ("client", "own")
BANK: Final = "bank"
WAIT_DAYS: Final = 14  # how far beyond its days a run looks for partners, and how long money may be under way

Query = Callable[..., sql.Composed]
Lines = Literal["all", "charges", "payouts"]


class Pairing(NamedTuple):
    """Two sides. `provider` gives the statement; without one it is bank `account`'s, out of imported files."""

    name: str
    question: str
    rules: str  # the name of a file in `rule_sets`
    ours: Callable[[Connection[Any], str, date, date], sql.Composed]
    provider: str | None
    account: str | None  # of our books: its balance is what the other side's must be
    lines: Lines = "all"  # which of the statement's lines
    wait_days: int = WAIT_DAYS

    def rules_as_of(self, as_of: date, *, late: int = 0) -> RuleSet:
        """The rules with their watermark: the last day that both sides cover.

        `late`: by how many days a fact of this run was booked later than it happened; the first pass, by key, reaches as far then.
        """
        rules = load_rules(_rule_set(self.rules))
        first, *rest = rules.passes
        if late and isinstance(first, KeyPass):
            days = {"before_days": max(first.before_days, late), "after_days": max(first.after_days, late)}
            first = first.model_copy(update=days)
        return rules.model_copy(update={"as_of": as_of, "passes": (first, *rest)})


def pairings(providers: Iterable[str]) -> dict[str, Pairing]:
    """Every pairing of these providers and of the bank, by name."""
    found = [one for name in sorted(providers) for one in _of_provider(name)]
    return {one.name: one for one in (*found, *map(_of_bank, CASH_ACCOUNTS))}


def pairing(known: Mapping[str, Pairing], name: str) -> Pairing:
    """One by its name. Raises NotFound with the names that there are."""
    if name not in known:
        raise NotFound(what="source", id=name[:64], known=sorted(known))
    return known[name]


@cache
def _rule_set(name: str) -> str:
    return (files("counterfoil.reconciliation.runs") / "rule_sets" / f"{name}.toml").read_text("utf-8")


def _of_provider(name: str) -> list[Pairing]:
    def clearing(conn: Connection[Any], program_id: str, first: date, last: date) -> sql.Composed:
        return account_movements(conn, program_id, f"clearing:{name}", first=first, last=last)

    def payouts(_: Connection[Any], program_id: str, first: date, last: date) -> sql.Composed:
        return books.attempted_payouts(program_id, name, first=first, last=last)

    def payments(_: Connection[Any], program_id: str, first: date, last: date) -> sql.Composed:
        return books.recorded_payments(program_id, name, first=first, last=last)

    return [
        Pairing(name, "Does the provider's statement say what our clearing account says?", "clearing", clearing, name, f"clearing:{name}"),
        Pairing(f"{name}:payouts", "Does the provider know every payout of ours as we know it?", "payouts", payouts, name, None, "payouts"),
        Pairing(
            f"{name}:charges", "Is every payment of a customer booked, in full, to its invoice?", "charges", payments, name, None, "charges"
        ),
    ]


def _of_bank(which: str) -> Pairing:
    account = f"cash:bank:{which}"

    def cash(conn: Connection[Any], program_id: str, first: date, last: date) -> sql.Composed:
        return account_movements(conn, program_id, account, first=first, last=last)

    return Pairing(f"{BANK}:{which}", "Is our cash at the bank?", "cash", cash, None, account)
