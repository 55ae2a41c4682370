"""What a provider's word does to a payout. Pure, and one table: no event is trusted for its order, and none goes backwards.

A word is judged on the row as it is, under lock, by whom it came: a *webhook* alone neither gives money back nor books a return
(the provider is asked first); an *answer* is the provider's own reply to a call of ours; a *look-up* is its present word, and
the only one that decides between two words that exclude each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from counterfoil.base.money import Money
from counterfoil.operations.providers import Accepted, Answer, Found, Later, NotThere, PayoutFact, Refused, Unclear
from counterfoil.operations.providers.capabilities import FULL, Capabilities
from counterfoil.operations.work.runner import ATTEMPTS_MAX, delay_before
from counterfoil.payouts.machines import GIVEN_BACK, PROVIDER_PAYOUT

CONFLICT_ASKED_EVERY: Final = timedelta(hours=1)
ASKED_IN_VAIN_EVERY: Final = timedelta(hours=24)

Source = Literal["webhook", "answer", "look_up"]

# (our state, the provider's status) → verbs; () is "we know". What is not listed contradicts what we know: a conflict.
PATHS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("queued", "pending"): ("accept",),
    ("queued", "paid"): ("accept", "succeed"),
    ("queued", "failed"): ("fail",),
    ("queued", "returned"): ("accept", "succeed", "return"),
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
    ("quarantined", "pending"): (),
    ("quarantined", "paid"): ("succeed",),
    ("quarantined", "failed"): ("fail",),
    ("quarantined", "returned"): ("succeed", "return"),
    ("succeeded", "pending"): (),
    ("succeeded", "paid"): (),
    ("succeeded", "returned"): ("return",),
    ("failed", "pending"): (),
    ("failed", "failed"): (),
    ("failed", "returned"): ("return_late",),
    ("concluded", "paid"): ("pay_late",),
    ("concluded", "failed"): (),
    ("concluded", "returned"): ("return_late",),
    ("returned", "pending"): (),
    ("returned", "paid"): (),
    ("returned", "failed"): (),
    ("returned", "returned"): (),
}
# A look-up decides where the provider said both "failed" and "paid"; on its own, "paid" after "failed" is a conflict.
DECIDED: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {("failed", "paid"): ("pay_late",)}
# Verbs that give money back or book a return: a webhook alone does not do that.
CONFIRMED_FIRST: Final = frozenset({"fail", "return", "return_late"})
# Words that end a conflict when the provider says them now.
ENDS: Final = frozenset(
    {
        ("failed", "failed"),
        ("concluded", "failed"),
        ("failed", "paid"),
        ("concluded", "paid"),
        ("failed", "returned"),
        ("concluded", "returned"),
        ("succeeded", "returned"),
        *((state, status) for state in PROVIDER_PAYOUT.open for status in ("paid", "failed", "returned")),
    }
)


class LockedProviderPayout(NamedTuple):
    """A provider payout and its payout as they are, under lock. Amounts in minor units.

    `calls` to `noes`: what is known of its calls (see `operations.work.calls`). `conflict`: one is open on this attempt;
    `paid_beside`: another attempt of the same settlement succeeded; `unconfirmed`: what a webhook alone said.
    """

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
    settlement_id: str = ""
    failed_by: str | None = None
    unconfirmed: str | None = None
    not_there_at: datetime | None = None
    paid: int | None = None
    beyond: int = 0
    number: int = 1
    calls: int = 0
    open_calls: int = 0
    first_call_at: datetime | None = None
    last_call_at: datetime | None = None
    closed_at: datetime | None = None
    noes: int = 0
    conflict: bool = False
    paid_beside: bool = False

    @property
    def row(self) -> str:
        """Its row of the table: a failure that we concluded, and a cancelled attempt, are no word of the provider."""
        if self.state == "cancelled" or (self.state == "failed" and self.failed_by != "provider"):
            return "concluded"
        return self.state

    @property
    def refused_each_time(self) -> bool:
        """Did each of its calls bring a definite no? Silence until the horizon is none: such a call may have landed and be paid."""
        return self.noes == self.calls and not self.open_calls

    @property
    def proven_not_there(self) -> bool:
        """Nothing of it can be, or come to be, at the provider: it never called, or was looked for after its last call was closed."""
        return self.absent_at(self.not_there_at)

    def absent_at(self, looked_at: datetime | None) -> bool:
        """Does a look-up made at `looked_at` that found nothing prove it?"""
        if not self.calls:
            return True
        if self.open_calls or looked_at is None or self.closed_at is None:
            return False
        return looked_at >= self.closed_at


class Conflict(NamedTuple):
    """The provider says `said` where we expected `expected`: two words that exclude each other, with the amounts that do."""

    said: str
    expected: str
    amounts: tuple[Money, Money] | None = None  # what the provider says, and what we expected


class OutcomeDecision(NamedTuple):
    """What is to be written. `verbs` in order; `again` is when to look next; `error` is shown with the row.

    `failed_by`: whose word a failure rests on. `unconfirmed`: what a webhook alone said and the provider is asked about now.
    `not_there_at`: a look-up made then did not find it. `settled`: the provider's present word ends what conflicts there are.
    """

    standing: LockedProviderPayout
    verbs: tuple[str, ...] = ()
    fact: PayoutFact | None = None
    conflict: Conflict | None = None
    again: timedelta | None = None
    error: str | None = None
    error_class: str | None = None
    failed_by: str | None = None
    unconfirmed: str | None = None
    not_there_at: datetime | None = None
    settled: bool = False
    unreserved: bool = False  # its payout is pending again, not failed
    keeps: bool = False  # nothing new: what is due stays due

    @property
    def state(self) -> str:
        """The provider payout's state when the verbs are carried out."""
        state = self.standing.state
        for verb in self.verbs:
            state = PROVIDER_PAYOUT.next_state(state, verb, reason=verb)
        return state


def decide_fact(
    standing: LockedProviderPayout,
    fact: PayoutFact,
    *,
    silent_after: timedelta,
    source: Source = "webhook",
    capabilities: Capabilities = FULL,
) -> OutcomeDecision:
    """What a word of the provider changes, by whom it came."""
    if wrong := _not_ours(standing, fact):
        return _doubt(standing, fact, wrong)
    cell = (standing.row, fact.status)
    path = PATHS.get(cell)
    if path is None and source == "look_up":
        path = DECIDED.get(cell)
    if path is None:
        return _doubt(standing, fact, Conflict(fact.status, standing.state))
    if source == "webhook" and capabilities.looks_up and CONFIRMED_FIRST & set(path):
        return _ask_first(standing, fact)
    error = f"the provider says {fact.status}: {fact.failure}" if fact.failure else None
    by = "provider" if fact.status == "failed" and standing.row in (*PROVIDER_PAYOUT.open, "concluded") else None
    settled = source == "look_up" and cell in ENDS
    decision = OutcomeDecision(standing, path, fact, error=error, error_class="provider" if error else None, failed_by=by, settled=settled)
    if not path and source != "look_up":
        return decision._replace(keeps=True)
    if standing.conflict and not settled and not path and standing.row not in PROVIDER_PAYOUT.open:
        return decision._replace(again=CONFLICT_ASKED_EVERY)
    return decision._replace(again=silent_after) if decision.state in ("sent", "quarantined") else decision


def _not_ours(standing: LockedProviderPayout, fact: PayoutFact) -> Conflict | None:
    """A word about another order than ours: another amount or asset, or a second order under our key."""
    if standing.provider_ref is not None and fact.provider_ref != standing.provider_ref:
        return Conflict(f"{fact.status} as {fact.provider_ref}", standing.provider_ref)
    amount = standing.paid or standing.amount  # what two people found counts from then on
    if fact.status != "failed" and (fact.amount, fact.asset) != (amount, standing.asset):
        return Conflict(fact.status, "", (Money(fact.amount, fact.asset), Money(amount, standing.asset)))
    return None


def _ask_first(standing: LockedProviderPayout, fact: PayoutFact) -> OutcomeDecision:
    """A webhook alone says that the money is not there: ask now. What is about to be sent waits for the answer."""
    stops = ("lose",) if standing.state in ("queued", "sending") else ()
    return OutcomeDecision(
        standing,
        stops,
        fact,
        again=timedelta(),
        error=f"a webhook says {fact.status}; the provider is asked",
        error_class="unconfirmed",
        unconfirmed=fact.status,
    )


def decide_answer(
    standing: LockedProviderPayout,
    answer: Answer,
    *,
    silent_after: timedelta,
    tries_left: bool,
    capabilities: Capabilities = FULL,
) -> OutcomeDecision:
    """What the answer to our own request changes, its call being closed by it when it is definite.

    A refusal speaks of its own call, not of an earlier one that may have landed: where the provider can be asked, it is asked
    before money is given back; where it cannot be, each call must have been refused, else two people say what became of it.
    """
    knows = capabilities.looks_up or standing.refused_each_time
    match answer:
        case Accepted(fact):
            return decide_fact(standing, fact, silent_after=silent_after, source="answer", capabilities=capabilities)
        case Later(error, after_s) if tries_left and (capabilities.remembers_keys or (knows and not standing.open_calls)):
            wait = max(timedelta(seconds=after_s), delay_before(standing.attempt + 1, standing.id))
            return OutcomeDecision(standing, ("requeue",), again=wait, error=error, error_class="later")
        case Later(error) | Refused(error):
            if capabilities.looks_up or not knows:
                return OutcomeDecision(standing, ("lose",), again=timedelta(), error=error, error_class="refused")
            return OutcomeDecision(standing, ("fail",), error=error, error_class="refused", failed_by="inference")
        case Unclear(error):
            return OutcomeDecision(standing, ("lose",), again=timedelta(), error=error, error_class="unclear")


def decide_lookup(
    standing: LockedProviderPayout,
    found: Found,
    *,
    now: datetime,
    silent_after: timedelta,
    asked_at: datetime | None = None,
    capabilities: Capabilities = FULL,
    brake: str | None = None,
) -> OutcomeDecision:
    """What a look-up changes. `asked_at`: when it was made; only one made after the last call was closed proves anything.
    `brake`: why it may not go out now. Then it is not queued again: once it is proven not to be there, its money comes back.
    Where a look-up may miss what came lately (`absent_after`), what it does not find was not there that much earlier.
    """
    seen_at = (asked_at or now) - capabilities.absent_after
    match found:
        case Accepted(fact):
            return _found(standing, fact, now, silent_after, capabilities)
        case NotThere():
            return _not_found(standing, seen_at, now, capabilities, refusal=None, brake=brake)
        case Refused(error):
            return _not_found(standing, seen_at, now, capabilities, refusal=error)
        case Unclear(error):
            return _not_told(standing, error, now, silent_after, capabilities)


def _not_told(
    standing: LockedProviderPayout, error: str, now: datetime, silent_after: timedelta, capabilities: Capabilities
) -> OutcomeDecision:
    """No answer, or nobody to ask. Who cannot be asked is looked at once a day: silence for too long is for a person to end."""
    again = silent_after if capabilities.looks_up else ASKED_IN_VAIN_EVERY
    decision = OutcomeDecision(standing, again=again, error=error, error_class="unclear", unconfirmed=standing.unconfirmed)
    if not capabilities.looks_up and standing.state == "sent" and _overdue(standing, now, capabilities):
        return decision._replace(verbs=("lose",), error=f"{_too_silent(capabilities)}; {error}")
    return decision


def _overdue(standing: LockedProviderPayout, now: datetime, capabilities: Capabilities) -> bool:
    return now - (standing.sent_at or now) > capabilities.settles_within


def _too_silent(capabilities: Capabilities) -> str:
    hours = capabilities.settles_within // timedelta(hours=1)
    return f"accepted more than {hours} hours ago, and still neither paid nor failed"


def _found(
    standing: LockedProviderPayout, fact: PayoutFact, now: datetime, silent_after: timedelta, capabilities: Capabilities
) -> OutcomeDecision:
    decision = decide_fact(standing, fact, silent_after=silent_after, source="look_up", capabilities=capabilities)
    heard = standing.unconfirmed
    if heard and decision.conflict is None and fact.status == "paid":
        # A webhook's word that the provider itself contradicts: what it says now is booked, and the two words are shown.
        conflict = Conflict(f"{heard}, by webhook", fact.status)
        return decision._replace(conflict=conflict, again=CONFLICT_ASKED_EVERY, settled=False)
    if decision.state == "sent" and _overdue(standing, now, capabilities):
        decision = decision._replace(verbs=(*decision.verbs, "lose"), again=silent_after, error=_too_silent(capabilities))
    return decision._replace(unconfirmed=heard) if fact.status == "pending" else decision


def _not_found(
    standing: LockedProviderPayout,
    seen_at: datetime,
    now: datetime,
    capabilities: Capabilities,
    *,
    refusal: str | None,
    brake: str | None = None,
) -> OutcomeDecision:
    """The provider had nothing under our key at `seen_at`, or remembers that it refused it."""
    said = f"refused: {refusal}" if refusal else "not there"
    known = standing.provider_ref is not None or standing.conflict
    if standing.state in ("sent", "succeeded") or (standing.state == "unknown" and known):
        return _doubt(standing, None, Conflict(said, standing.state))  # it was there: gone is not failed
    noted = OutcomeDecision(
        standing,
        error=refusal or "the provider has nothing under its key",
        error_class="refused" if refusal else None,
        not_there_at=seen_at,
        settled=True,
    )
    if standing.state != "unknown":  # quarantined: shown to who releases it; over: what was booked is confirmed
        return noted._replace(settled=standing.state in GIVEN_BACK)
    if refusal is None and brake is None and _may_go_again(standing, seen_at, now, capabilities):
        wait = delay_before(standing.attempt + 1, standing.id)
        return noted._replace(verbs=("requeue",), again=wait, error="the request never arrived")
    if not standing.absent_at(seen_at):
        wait = _look_again_in(standing, now, capabilities)
        said = f"{noted.error}; a call may still arrive" + (f"; it is not sent again: {brake}" if brake else "")
        return noted._replace(again=wait, error=said, settled=False)
    if refusal is None and brake is not None:
        return give_up(standing, brake, looked_at=seen_at)
    return noted._replace(verbs=("fail",), failed_by="inference")


def _look_again_in(standing: LockedProviderPayout, now: datetime, capabilities: Capabilities) -> timedelta:
    """When a look-up can prove more than this one: of the last call, so that its key may be sent again; else of all that may land."""
    moments = [standing.closed_at or now]
    if capabilities.remembers_keys and standing.last_call_at is not None:
        moments.insert(0, standing.last_call_at)
    waits = [moment + capabilities.absent_after - now for moment in moments]
    return next((wait for wait in waits if wait > timedelta()), timedelta(seconds=1))


def _may_go_again(standing: LockedProviderPayout, seen_at: datetime, now: datetime, capabilities: Capabilities) -> bool:
    """May an order that was not there at `seen_at` go out again under its key, so that it can never be two?

    While the provider remembers the key, also beside a call that may still land; where keys mean nothing, only once it is proven that
    none can.
    """
    if standing.attempt + 1 >= ATTEMPTS_MAX or standing.paid_beside:
        return False
    if not capabilities.remembers_keys:
        return standing.absent_at(seen_at)
    first, last = standing.first_call_at, standing.last_call_at
    remembered = first is None or now - first < capabilities.key_memory
    return remembered and (last is None or seen_at >= last)


def give_up(standing: LockedProviderPayout, why: str, *, looked_at: datetime | None = None) -> OutcomeDecision:
    """Its money comes back, for something holds it back and the provider has nothing of it, as a look-up at `looked_at` proved."""
    return OutcomeDecision(
        standing, ("cancel",), error=why, error_class="changed", not_there_at=looked_at, settled=looked_at is not None, unreserved=True
    )


def _doubt(standing: LockedProviderPayout, fact: PayoutFact | None, conflict: Conflict) -> OutcomeDecision:
    """Two words that exclude each other: nothing is booked, nothing is sent again, the provider is asked, a person is told."""
    verbs = ("lose",) if standing.state in PROVIDER_PAYOUT.before("lose") else ()
    return OutcomeDecision(
        standing,
        verbs,
        fact,
        conflict,
        again=CONFLICT_ASKED_EVERY if standing.conflict else timedelta(),
        error=f"the provider says: {conflict.said}",
        error_class="conflict",
    )
