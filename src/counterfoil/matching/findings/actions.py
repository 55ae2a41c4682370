"""The one safe action for each break: it follows from the kind and from what the tests support, and it never moves money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.matching.findings.hypotheses import CUT_SHORT, SUPPORTED, Hypothesis


class NextAction(NamedTuple):
    """The one safe thing to do next, and why nothing else is offered."""

    verb: str
    sentence: str
    not_offered: str


def action(kind: str, hypotheses: Sequence[Hypothesis], *, is_one_off: bool) -> NextAction:
    """The action for the best supported cause; without one, the kind's own. A run over two files has no next run that closes anything,
    and no provider to pull from: `is_one_off` says what its reader can do."""
    best = next((each for each in hypotheses if each.verdict == SUPPORTED), None)
    cause = best.cause if best is not None and best.cause in BY_CAUSE else kind
    usual = BY_CAUSE.get(cause) or BY_KIND[kind]
    return usual._replace(sentence=ONE_OFF[cause]) if is_one_off and cause in ONE_OFF else usual


LOOK_UP: Final = NextAction(
    "look_up",
    "Ask the other side for this record by its id before anything else.",
    "Re-sending could pay twice; booking would hide the gap.",
)
OVERPAID_ACTION: Final = NextAction(
    "recover",
    "Ask the provider to recall what went out beyond the payout; what the payee owes is kept from their next payouts by itself.",
    "Sending less next time, or booking it by hand, would count it twice: what was booked as paid is a debt already.",
)
ROUNDED: Final = NextAction(
    "allow_rounding",
    "Find out which side rounds, and where; if it will recur, write `amount_tolerance` into the pass: each use is counted and told.",
    "Changing either amount would hide the next difference behind it.",
)
BY_KIND: Final[Mapping[str, NextAction]] = {
    "MISSING_RIGHT": LOOK_UP,
    "MISSING_LEFT": NextAction(
        "look_up",
        "Find out what this record is; until then it belongs to nobody.",
        "Booking it without a cause would invent a debt.",
    ),
    "AMOUNT_MISMATCH": NextAction(
        "investigate",
        "Compare both records with the order behind them.",
        "An adjustment needs the cause and a second person.",
    ),
    "CURRENCY_MISMATCH": NextAction(
        "investigate",
        "Check which currency was ordered.",
        "No exchange is made here: amounts of two currencies are not netted.",
    ),
    "STATUS_MISMATCH": NextAction(
        "pull_status",
        "Pull the status from the provider again.",
        "A state set by hand could finalise what never arrived.",
    ),
    "DATE_MISMATCH": NextAction(
        "accept_timing",
        "Check the cut-off; widen the window in the rule set if it recurs.",
        "Dates are never rewritten.",
    ),
    "COUNTERPARTY_MISMATCH": NextAction(
        "investigate",
        "Check who was paid before the next payment to either.",
        "A wrong payee is not corrected by renaming.",
    ),
    "DUPLICATE_LEFT": NextAction(
        "mark_duplicate",
        "Mark it as a duplicate once the first one's partner is confirmed.",
        "Deleting would change the books; reversing needs two people.",
    ),
    "DUPLICATE_RIGHT": NextAction(
        "ask_counterparty",
        "Ask whether money moved twice, and recall the second.",
        "Booking it would make the double payment look intended.",
    ),
    "OVERPAID": OVERPAID_ACTION,
    "AMBIGUOUS": NextAction(
        "choose", "Choose the partner among the candidates.", "The machine does not guess: each candidate fits equally."
    ),
}
BY_CAUSE: Final[Mapping[str, NextAction]] = {
    CUT_SHORT: NextAction(
        "narrow",
        "Give the rule set a finer key, or run fewer days at once: then the search comes to its end.",
        "Its partner may be there: nothing is proven missing, so nothing is booked, sent again or waited for.",
    ),
    "late": NextAction(
        "wait",
        "Wait for the next file of the other side; the break closes by itself when it comes.",
        "Nothing is wrong yet.",
    ),
    "fee netted": NextAction(
        "map_fee",
        "Name the fee column in the rule set, or book the fee by its rate.",
        "The gross amount is right; adjusting the payment would be wrong.",
    ),
    "provider's fee": NextAction(
        "map_fee",
        "Book it as the provider's fee; where the other side keeps no fees, leave them out with a `where` on the status.",
        "It belongs to the payment in its line, which has its partner or its own break.",
    ),
    "scale": NextAction("fix_unit", "Check the unit in the rule set: minor or major.", "The amounts agree once the unit does."),
    "sign": NextAction("fix_sign", "Check which side turns debit and credit around.", "The amounts agree once the sign does."),
    "off by a cent": ROUNDED,
    "rounding": ROUNDED,
    "doubled file": NextAction(
        "drop_file",
        "Leave the second copy of the file out, and run again.",
        "Single duplicates are not marked while a file is there twice.",
    ),
    "missing webhook or finalise": NextAction(
        "pull_status", "Pull the status, then finalise by the provider's answer.", "Sending again could pay twice."
    ),
    "sync lag": NextAction("wait", "Wait for the other side to catch up, and run again.", "Nothing is wrong with the money."),
    "returned": NextAction("book_return", "Book the return against the payout.", "A returned payout is not sent again; a new one is made."),
}
ONE_OFF: Final[Mapping[str, str]] = {
    "late": "Look for it in the other side's next file, and run again with that file beside this one.",
    "sync lag": "Take both files anew once the other side has caught up, and run again.",
    "STATUS_MISMATCH": "Ask the other side how it stands now.",
    "missing webhook or finalise": "Ask the other side how it stands now, and go by the answer.",
    "DUPLICATE_LEFT": "Find out whether it was entered twice: the first one has its partner.",
    "returned": "Hold the return against the payment that it takes back; that payment did not arrive.",
    "fee netted": "Name the fee's column in the rule set (`fee`), or the fee itself (`less_ppm`, `less_minor`), and run again.",
}
