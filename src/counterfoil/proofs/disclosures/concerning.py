"""Which entries concern a payee, told from the entries alone: so that who makes a disclosure and who verifies it ask the same.

Journals only. What people did, and why, is not the payee's to read: a reason may be a suspicion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

DISCLOSURE: Final = "disclosure.json"
DISCLOSED: Final = "disclosed.jsonl"
INCLUSION: Final = "inclusion.jsonl"
FORMAT: Final = "counterfoil-disclosure-1"
ENDS: Final = ("checkpoint.open", "checkpoint.close")
COPIED: Final = ("VERIFY.md", *ENDS, "verify.py")  # as they lie in the package: its signatures cover them
PAYOUTS: Final = ("payout", "provider_payout")  # a journal of one of these is of one payee, also where no account says so
_PARTIES: Final = ("payee:", "affiliate:")
Source = tuple[str, str]


class Payee(NamedTuple):
    """Who it is, in which program."""

    id: str
    program: str

    def owns(self, account: str) -> bool:
        """Is this an account of theirs?"""
        return account.partition(":")[2] in [f"{party}{self.id}" for party in _PARTIES]

    def named_in(self, entry: Mapping[str, Any]) -> bool:
        """Is this a journal on an account of theirs?"""
        return self.may_see(entry) and any(self.owns(account) for account in accounts_of(entry))

    def may_see(self, entry: Mapping[str, Any]) -> bool:
        """Is this a journal of their program?"""
        return bool(entry["type"] == "journal" and entry["program"] == self.program)

    def is_beside_others(self, entry: Mapping[str, Any]) -> bool:
        """Are other payees named in it?"""
        return any(account.partition(":")[2].startswith(_PARTIES) and not self.owns(account) for account in accounts_of(entry))


def accounts_of(journal: Mapping[str, Any]) -> Iterator[str]:
    """The accounts of its lines."""
    for line in journal["lines"]:
        yield line["debit"]
        yield line["credit"]


def source_of(journal: Mapping[str, Any]) -> Source:
    """What it is about."""
    return journal["source_type"], journal["source_id"]


def begins_payout(journal: Mapping[str, Any]) -> bool:
    """Is it about a payout? Of a journal on a payee's account, that payout is theirs."""
    return journal["source_type"] in PAYOUTS
