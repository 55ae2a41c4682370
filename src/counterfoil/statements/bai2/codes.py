"""BAI2's type codes: which way the money went, and which codes are the balances."""

from __future__ import annotations

from typing import Final

OPENING_LEDGER: Final = "010"
CLOSING_LEDGER: Final = "015"
NON_MONETARY: Final = "890"
# Loan codes: what is paid to the loan comes in, what is drawn goes out (760 to 789 are disbursements).
_LOAN_DEBITS: Final = range(760, 790)


def sign_of(code: str) -> int:
    """+1 for a credit, -1 for a debit, 0 for a code that moves no money or is not defined.

    100 to 399 are credits, 400 to 699 debits, 700 to 799 loans; banks define 920 to 959 as credits, 960 to 999 as debits.
    """
    if not (len(code) == 3 and code.isascii() and code.isdecimal()):
        return 0
    number = int(code)
    if 100 <= number <= 399 or 920 <= number <= 959 or (700 <= number <= 799 and number not in _LOAN_DEBITS):
        return 1
    if 400 <= number <= 699 or 960 <= number <= 999 or number in _LOAN_DEBITS:
        return -1
    return 0
