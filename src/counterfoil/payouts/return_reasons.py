"""Why a bank or a provider refused a payout or sent it back, by the code that it gave, and what is true to do about it. Pure.

Codes are those of ISO 20022 (external return and status reasons), of Stripe's payout failures, of ACH returns, and the simulator's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Mend = Literal["destination", "other_account", "twice", "whose", "cover", "ours", "ask", "again"]


class ReturnReason(NamedTuple):
    """What a code means, as a whole sentence, and what mends it.

    `destination`: the same account again fails again. `other_account`: the account may be right again, but not now. `twice`: it may be
    paid already. `whose`: nobody knows who is owed it. `cover`: our own account was short; `ours`: or is told wrongly. `ask`: somebody
    decided it, who is asked first. `again`: nothing says that it would fail again.
    """

    code: str
    meaning: str
    mend: Mend

    @property
    def to_do(self) -> str:
        """What comes before it is paid again, as a sentence; empty where nothing does."""
        return _TO_DO[self.mend]

    @property
    def is_accounts(self) -> bool:
        """Is the payee's account the cause, so that everything that is paid to it meets it?"""
        return self.mend in ("destination", "other_account")


_TO_DO: Final[Mapping[Mend, str]] = {
    "destination": "Set another destination first.",
    "other_account": "Set another destination first, or issue it anew once the payee says that the account takes money again.",
    "twice": "Compare the payee's other payouts with the bank's statement first: it may have been paid.",
    "whose": "Find out first who is owed the money now.",
    "cover": "Fill our account there first.",
    "ours": "Have the bank, or whoever set up the provider, correct what it says of us first.",
    "ask": "Ask the payee, or who called it back, before it is paid again.",
    "again": "",
}
_CLOSED: Final = "The account that it went to is closed."
_NO_ACCOUNT: Final = "There is no account of this number."
_BLOCKED: Final = "The account that it went to is blocked."
_WRONG_KIND: Final = "This kind of account does not take such a payment."
_WRONG_BANK: Final = "The bank that it went to is not known, or not reached."
_WRONG_NAME: Final = "The name or address of the payee is not that of the account."
_DECEASED: Final = "The holder of the account has died."
_SHORT: Final = "Our own account had too little money."
_SENT_BACK: Final = "The payee, or the payee's bank for the payee, sent it back."
_CALLED_BACK: Final = "It came back since somebody had called it back."
_NO_REASON: Final = "It names nothing that is wrong with the account."
_OURS: Final = "The bank finds our own account, bank or name wrong, and not the payee's."
_REASONS: Final[tuple[tuple[str, str, Mend], ...]] = (
    ("AC04 AC07 R02 account_closed", _CLOSED, "destination"),
    ("AC01 AC03 R03 R04 no_account invalid_account_number invalid_account_number_length", _NO_ACCOUNT, "destination"),
    ("destination_unknown", "The provider does not know this destination.", "destination"),
    ("AC15 bank_ownership_changed R12", "The account has another number or bank now.", "destination"),
    ("AC14 AG01 AG03 R20 incorrect_account_type unsupported_card", _WRONG_KIND, "destination"),
    ("AC11 AM03 CURR invalid_currency", "The account does not take this currency.", "destination"),
    ("RC01 RC04 RC07 RC10 CNOR AGNT R13 R28", _WRONG_BANK, "destination"),
    ("BE01 BE04 BE06 RR03 incorrect_account_holder_name incorrect_account_holder_address", _WRONG_NAME, "destination"),
    ("incorrect_account_holder_tax_id", "The payee's tax id is not that of the account.", "destination"),
    ("AC06 AC16 R16 account_frozen bank_account_restricted", _BLOCKED, "other_account"),
    ("MD07 R14 R15", _DECEASED, "whose"),
    ("AM05 DUPL R24", "The bank takes it for a payment that was made before.", "twice"),
    ("AM04 insufficient_funds insufficient_balance", _SHORT, "cover"),
    ("AC02 AC05 AC13 RC03 BE05 BE07 RR01 RR02 DNOR", _OURS, "ours"),
    ("CUST MS02 R23 UPAY", _SENT_BACK, "ask"),
    ("FOCR TECH", _CALLED_BACK, "ask"),
    ("AM09", "The amount is not the one that was expected.", "ask"),
    ("FRAD FR01", "The bank suspects a fraud.", "ask"),
    ("RR04 LEGL", "The bank refuses it for a reason of the law.", "ask"),
    ("declined", "The bank declined it.", "ask"),
    ("MS03 NARR ED05 TM01 DT01 could_not_process returned_by_bank", _NO_REASON, "again"),
)
REASONS: Final[Mapping[str, ReturnReason]] = {
    code: ReturnReason(code, meaning, mend) for codes, meaning, mend in _REASONS for code in codes.split()
}
# Four signs with a digit, and a provider's own words, mean nothing else wherever they stand. What is also a word of people (CUST), or a
# number of theirs (R02), is a code where the reason begins.
_ANYWHERE: Final = re.compile(r"\b(?:" + "|".join(one for one in REASONS if re.fullmatch(r"[A-Z]{2}\d\d|[a-z_]+_[a-z_]+", one)) + r")\b")
_FIRST: Final = re.compile(r"(?:^|: )(" + "|".join(REASONS) + r")\b(?=$|[:;,. ])")


def reason_in(said: str | None) -> ReturnReason | None:
    """The first reason that a text of a bank or provider names by its code, or None."""
    found = [REASONS[one[1]] for one in _FIRST.finditer(said or "")]
    anywhere = _ANYWHERE.search(said or "")
    return found[0] if found else REASONS[anywhere[0]] if anywhere else None
