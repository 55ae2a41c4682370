"""Playbooks: what to do about a finding, by the name that each check gives. None of them repairs money by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Owner = Literal["on_call", "treasury_lead", "engineering", "security", "legal"]


class Playbook(NamedTuple):
    """What to do, in order, and whose it is."""

    name: str
    title: str
    owner: Owner
    steps: tuple[str, ...]


def _of(name: str, title: str, owner: Owner, *steps: str) -> Playbook:
    return Playbook(name, title, owner, steps)


_ALL: Final = (
    _of(
        "P1",
        "The books do not balance",
        "engineering",
        "New settlements of the program are paused; two people let them go.",
        "Look at the journal in the evidence: its postings, its source, the version that wrote it, what was posted beside it.",
        "There is no repair. Correct by a journal that two people approve, once the cause is known.",
        "Resume when the next full run finds nothing. The post-mortem is due within 24 hours.",
    ),
    _of(
        "P2",
        "A record was changed",
        "security",
        "Verify from the last proof that is known to be good, and find the first record that differs.",
        "Restore a backup beside the database and compare.",
        "Change the database's passwords and the encryption keys.",
    ),
    _of(
        "P3",
        "A total is not the sum of its postings",
        "engineering",
        "Recompute the account (`counterfoil accounts explain`) and find the first posting that differs.",
        "Find what wrote it before anything is rebuilt.",
    ),
    _of(
        "P4",
        "An account is short",
        "treasury_lead",
        "Pause payouts of the account's program.",
        "Read the account's statement to the posting at which it fell short.",
    ),
    _of(
        "P5", "One key, two effects", "engineering", "Compare both requests and both journals.", "Reverse the one that should not be there."
    ),
    _of(
        "P6",
        "Paid and not booked, or booked and not paid",
        "on_call",
        "Ask the provider (`counterfoil payouts force-reconcile`).",
        "When the money arrived, finalize it (`counterfoil payouts force-finalize`): once, however often it is said.",
        "Acknowledge the alert, and resolve it: it is asked again.",
    ),
    _of(
        "P7",
        "Money may go out twice",
        "treasury_lead",
        "Quarantine what has not gone; cancel or recall at the provider what has.",
        "Book what was paid too much as a receivable of the payee, and tell them.",
    ),
    _of("P8", "A call was begun and never ended", "on_call", "Have the provider asked whether it arrived. It is never sent again blindly."),
    _of(
        "P9",
        "The other side says something else, or nothing",
        "on_call",
        "Ask the provider or the bank (`counterfoil jobs run reconcile-pull`, `counterfoil reconcile run`).",
        "Match what came late; explain what is left.",
    ),
    _of("P10", "A dispute and its money", "on_call", "Look at the dispute, and hold, release or return what it is about."),
    _of(
        "P11",
        "A payout must not go out",
        "security",
        "Quarantine it.",
        "Look into it. Two people release it, or cancel it.",
    ),
    _of(
        "P12",
        "A record and the books disagree",
        "treasury_lead",
        "Recompute the amount from the record, its rates and its journal.",
        "Correct by a journal that two people approve.",
    ),
    _of("P13", "Paid and not carried on", "on_call", "Retry the intent, or execute the payout of the invoice."),
    _of("P14", "Held back, or owed to us", "treasury_lead", "Release what is due, or net it against what the payee owes."),
    _of("P15", "Held money hangs", "on_call", "Look at every participant. Two people force what the rules of two phases allow."),
    _of("P16", "A control was passed over", "security", "Compare what was approved, by whom, with what was done."),
    _of(
        "P17",
        "Client money is short",
        "treasury_lead",
        "Top it up from own funds by a journal that two people approve.",
        "Tell the regulator within the time that your rules name.",
    ),
    _of(
        "P18",
        "Webhooks are not applied, or a secret is old",
        "on_call",
        "Look at the errors; change the secret if signatures fail; replay the range.",
        "Change the database's password with `counterfoil credentials rotate`.",
    ),
    _of(
        "P19",
        "Nobody looks",
        "on_call",
        "See `counterfoil workers list`, `counterfoil queue status` and `counterfoil jobs list`; restart or add workers.",
        "What was not looked at meanwhile is not known: run it again before calling anything green.",
    ),
    _of(
        "P20",
        "The backup is not proven",
        "engineering",
        "See what there is and why the last one failed (`counterfoil backup list`); make one (`counterfoil backup`).",
        "Run a restore drill (`counterfoil drills run restore`), and read which part of it failed (`counterfoil drills show`).",
        "Take no backup away by hand until one was restored.",
    ),
)
PLAYBOOKS: Final[Mapping[str, Playbook]] = {one.name: one for one in _ALL}
