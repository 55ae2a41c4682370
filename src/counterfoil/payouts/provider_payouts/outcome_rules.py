"""What a provider's word does to a payout. Pure, and one table: no event is trusted for its order, and none goes backwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from counterfoil.operations.providers import Accepted, Answer, Found, Later, NotThere, PayoutFact, Refused, Unclear
from counterfoil.payouts.machines import PROVIDER_PAYOUT

KEY_MEMORY: Final = timedelta(
    hours=23
)  # providers forget idempotency keys after 24 h: from then on "not there" proves nothing
UNKNOWN_AFTER: Final = timedelta(hours=24)

PATHS: Final[
    Mapping[tuple[str, str], tuple[str, ...]]
] = {  # (our state, the provider's status) → verbs; () is "we know"
    ("queued", "pending"): ("send", "accept"),
    ("queued", "paid"): ("send", "accept", "succeed"),
    ("queued", "failed"): ("send", "fail"),
    ("queued", "returned"): ("send", "accept", "succeed", "return"),
    ("sending", "pending"): ("accept",),
    ("sending", "paid"): ("accept", "succeed"),
    ("sending", "failed"): ("fail",),
    ("sending", "returned"): ("accept", "succeed", "return"),
    ("sent", "pending"): (),
    ("sent", "paid"): ("succeed",),
    ("sent", "failed"): ("fail",),
    ("sent", "returned"): ("succeed", "return"),
    ("unknown", "pending"): ("accept",),
    ("unknown", "paid"): ("succeed",),
    ("unknown", "failed"): ("fail",),
    ("unknown", "returned"): ("succeed", "return"),
    ("succeeded", "pending"): (),
    ("succeeded", "paid"): (),
    ("succeeded", "returned"): ("return",),
    ("failed", "pending"): (),
    ("failed", "failed"): (),
    ("returned", "pending"): (),
    ("returned", "paid"): (),
    ("returned", "failed"): (),
    ("returned", "returned"): (),
}  # what is not listed contradicts what we know: it changes nothing and is shown to a person
EFFECTS: Final[Mapping[str, tuple[str, str]]] = {  # verb → what it does to the payout, and the journal it posts
    "succeed": ("complete", "finalize"),
    "fail": ("fail", "release"),
    "return": ("return", "return"),
    "lose": ("doubt", ""),
}


class Standing(NamedTuple):
    """A provider payout and its payout as they are, under lock. Amount in minor units."""

    id: str
    payout_id: str
    program_id: str
    payee_id: str
    provider: str
    asset: str
    amount: int
    key: str
    state: str
    payout_state: str
    provider_ref: str | None
    request_sent_at: datetime | None
    sent_at: datetime | None
    attempt: int


class Conflict(NamedTuple):
    """The provider says `said` where we expected `expected`."""

    said: str
    expected: str


class Decision(NamedTuple):
    """What is to be written. `verbs` in order; `again` is when to look next; `error` is shown with the row."""

    standing: Standing
    verbs: tuple[str, ...] = ()
    fact: PayoutFact | None = None
    conflict: Conflict | None = None
    again: timedelta | None = None
    error: str | None = None
    error_class: str | None = None

    @property
    def state(self) -> str:
        """The provider payout's state when the verbs are carried out."""
        state = self.standing.state
        for verb in self.verbs:
            state = PROVIDER_PAYOUT.next_state(state, verb)
        return state


def decide_fact(standing: Standing, fact: PayoutFact, *, silent_after: timedelta) -> Decision:
    """What the provider's present word changes."""
    if (fact.amount, fact.asset) != (standing.amount, standing.asset) and fact.status != "failed":
        conflict = Conflict(f"{fact.status} {fact.amount} {fact.asset}", f"{standing.amount} {standing.asset}")
        return _doubt(standing, fact, conflict)
    path = PATHS.get((standing.state, fact.status))
    if path is None:
        return Decision(standing, fact=fact, conflict=Conflict(fact.status, standing.state))
    error = f"the provider says {fact.status}: {fact.failure}" if fact.failure else None
    decision = Decision(standing, path, fact, error=error, error_class="provider" if error else None)
    return decision._replace(again=silent_after) if decision.state == "sent" else decision


def decide_answer(standing: Standing, answer: Answer, *, silent_after: timedelta, tries_left: bool) -> Decision:
    """What the answer to our own request changes. Only a definite "no" gives money back; anything unclear is looked up."""
    match answer:
        case Accepted(fact):
            return decide_fact(standing, fact, silent_after=silent_after)
        case Later(error, after_s) if tries_left:
            again = timedelta(seconds=after_s)
            return Decision(standing, ("requeue",), again=again, error=error, error_class="later")
        case Later(error) | Refused(error):
            return Decision(standing, ("fail",), error=error, error_class="refused")
        case Unclear(error):
            return Decision(standing, ("lose",), again=timedelta(), error=error, error_class="unclear")


def decide_lookup(standing: Standing, found: Found, *, now: datetime, silent_after: timedelta) -> Decision:
    """What a look-up changes. "Not there" lets us send again only while the provider surely remembers our key."""
    match found:
        case Accepted(fact):
            decision = decide_fact(standing, fact, silent_after=silent_after)
            if decision.state == "sent" and now - (standing.sent_at or now) > UNKNOWN_AFTER:
                error = "accepted more than 24 hours ago, and still neither paid nor failed"
                return decision._replace(verbs=(*decision.verbs, "lose"), again=silent_after, error=error)
            return decision
        case NotThere():
            proven = standing.provider_ref is None and now - (standing.request_sent_at or now) < KEY_MEMORY
            if standing.state == "unknown" and proven:
                return Decision(standing, ("requeue",), again=timedelta(), error="the request never arrived")
            return _doubt(standing, None, Conflict("not there", standing.state))
        case Refused(error) if standing.state == "unknown":
            return Decision(standing, ("fail",), error=error, error_class="refused")
        case Refused(error):
            return _doubt(standing, None, Conflict(f"refused: {error}", standing.state))
        case Unclear(error):
            return Decision(standing, again=silent_after, error=error, error_class="unclear")


def decide_orphan(standing: Standing) -> Decision:
    """A send whose worker is gone: before the call it is queued again; after it began, only a look-up may say."""
    if standing.request_sent_at is None:
        return Decision(standing, ("requeue",), again=timedelta(), error="its worker was lost before it called")
    return Decision(
        standing, ("lose",), again=timedelta(), error="its worker was lost during the call", error_class="unclear"
    )


def _doubt(standing: Standing, fact: PayoutFact | None, conflict: Conflict) -> Decision:
    known = {"queued": ("send", "lose"), "sending": ("lose",), "sent": ("lose",)}
    return Decision(
        standing,
        known.get(standing.state, ()),
        fact,
        conflict,
        error=f"the provider says: {conflict.said}",
        error_class="conflict",
    )


def journal_lines(journal: str, one: Standing, fee: int) -> list[tuple[str, str, int]]:
    """The postings of a step: debit, credit, minor units. A return's fee is ours, as a payout's is."""
    transit, clearing, payable = (
        f"in_transit:{one.provider}",
        f"clearing:{one.provider}",
        f"payable:payee:{one.payee_id}",
    )
    main = {
        "finalize": (transit, clearing, one.amount),
        "release": (transit, payable, one.amount),
        "return": (clearing, payable, one.amount),
    }[journal]
    return [main, ("provider_fee", clearing, fee)] if fee and journal == "finalize" else [main]
