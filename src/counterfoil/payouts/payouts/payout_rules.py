"""Where a payout goes when an attempt ends, and what a person may do with it. Pure: the facts are read under lock by whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from counterfoil.payouts.disputes.standing import DisputeStanding
from counterfoil.payouts.machines import PAYOUT, PROVIDER_PAYOUT, RESERVED, UNDER_WAY
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout

TRIES_MAX: Final = 3
# An end that still leaves something owed; and failed, once its tries are used up.
REISSUED_FROM: Final = tuple(one for one in PAYOUT.final if one != "refunded")


class Effect(NamedTuple):
    """What a step of an attempt does to its payout, and the journal it posts; empty: nothing."""

    payout: str
    journal: str


EFFECTS: Final[Mapping[str, Effect]] = {
    "succeed": Effect("complete", "finalize"),
    "force_finalize": Effect("complete", "finalize"),
    "fail": Effect("unpaid", "release"),
    "mark_failed": Effect("unpaid", "release"),
    "cancel": Effect("unpaid", "release"),
    "release_cancelled": Effect("unpaid", "release"),
    "return": Effect("back", "return"),
    "lose": Effect("doubt", ""),
    "release_to_look_up": Effect("doubt", ""),
    "pay_late": Effect("late", "pay_late"),
    "return_late": Effect("", "return_late"),
}
NOTHING: Final = Effect("", "")


def where_next(
    state: str, effect: str, *, paid_by_another: bool, payable: int, unreserved: bool = False, disputed: bool = False
) -> str | None:
    """The verb that a payout in `state` takes when one of its attempts ended unpaid or came `back`; None: it stays.

    `disputed`: a dispute holds what is not paid out.
    `payable`: what is still owed for its settlement, after what the payee owes was netted, in minor units.
    """
    if effect == "doubt":
        return "doubt" if state == "processing" else None
    if effect == "complete":
        return None if state == "completed" else "complete"
    if paid_by_another:
        return None if state == "completed" else "complete"
    if state not in (("completed",) if effect == "back" else RESERVED):
        return None
    if payable <= 0:
        return "net_out"
    if effect == "back":
        return "return"
    if disputed:
        return "hold"
    return "unreserve" if unreserved else "fail"


class Matter(NamedTuple):
    """Everything that decides what may be done with a payout: it, its attempts, and what goes for its whole settlement.

    `tries` counts attempts that were not cancelled; `payable` is what is owed for the settlement now, in minor units;
    `open_calls` counts calls of all its attempts that may still arrive; `newest`: no later payout was issued for it.
    `attempts` are those of the settlement, `last` is this payout's own last; `disputed` is the attempt of the
    settlement with an open conflict, if any.
    """

    payout_id: str
    state: str
    program_id: str
    settlement_id: str
    tries: int
    payable: int
    open_calls: int
    newest: bool
    under_way: bool
    attempts: tuple[LockedProviderPayout, ...]
    last: LockedProviderPayout | None
    disputed: LockedProviderPayout | None
    dispute: DisputeStanding | None = None

    @property
    def live(self) -> LockedProviderPayout | None:
        """The attempt whose money may be on its way."""
        return self.last if self.last is not None and self.last.state in PROVIDER_PAYOUT.open else None


Guard = Callable[[Matter], str | None]


def _conflict(one: Matter) -> str | None:
    return "the provider contradicts itself about an attempt; end the conflict first" if one.disputed else None


def _dispute(one: Matter) -> str | None:
    return f"dispute {one.dispute.id} on its invoice is open" if one.dispute else None


def _ruled(*outcomes: str) -> Guard:
    def guard(one: Matter) -> str | None:
        return one.dispute.why_not(*outcomes) if one.dispute else "no dispute on its invoice is open"

    return guard


def _calls(one: Matter) -> str | None:
    return "a call of an earlier attempt may still arrive; wait until its horizon has passed" if one.open_calls else None


def _owed(one: Matter) -> str | None:
    return None if one.payable > 0 else "nothing is owed for this settlement any more"


def _tries(one: Matter) -> str | None:
    return None if one.tries < TRIES_MAX else f"it was tried {TRIES_MAX} times; issue it anew once the cause is mended"


def _in(*states: str) -> Guard:
    return lambda one: None if one.state in states else f"it is {one.state}"


def _attempt_in(*states: str) -> Guard:
    def guard(one: Matter) -> str | None:
        if one.last is None:
            return "it has no attempt"
        return None if one.last.state in states else f"its attempt is {one.last.state}"

    return guard


def _latest(one: Matter) -> str | None:
    if not one.newest:
        return "a later payout was issued for this settlement"
    return "a payout of this settlement is under way" if one.under_way else None


def _over(one: Matter) -> str | None:
    if one.state in REISSUED_FROM or (one.state == "failed" and one.tries >= TRIES_MAX):
        return None
    return "it can be retried" if one.state == "failed" else f"it is {one.state}"


def _unbegun(one: Matter) -> str | None:
    return "a call of it began: only a look-up may say what came of it" if one.last and one.last.calls else None


def _absent(one: Matter) -> str | None:
    if one.last is None or one.last.proven_not_there:
        return None
    asked = "have it looked up (force-reconcile) once its last call is closed"
    stop = "" if one.last.state == "quarantined" else "quarantine it, then "  # only what is unknown is marked as failed
    evidence = f"{stop}release-to-look-up, then give evidence (mark-failed)"
    return f"it is not proven that the provider has nothing of it: {asked}; where nobody can be asked, {evidence}"


def _no_open_call(one: Matter) -> str | None:
    return "a call of it may still arrive" if one.last and one.last.open_calls else None


def _not_announced(one: Matter) -> str | None:
    last = one.last
    calling = last is not None and last.state == "sending" and last.request_sent_at is not None
    return "its call is under way: its answer comes first" if calling else None


def _can_be_asked(one: Matter) -> str | None:
    if one.disputed is not None:
        return None
    if one.last is not None and one.last.state == "queued":
        return None if one.last.calls else "it was not sent yet: there is nothing to ask about; cancel-attempt takes it back"
    return _attempt_in("sent", "unknown", "quarantined")(one)


def _can_run(one: Matter) -> str | None:
    if one.state == "pending" or (one.last is not None and one.last.state in ("queued", "unknown")):
        return None
    if one.last is not None and one.last.state == "sending":
        return _not_announced(one)
    return f"nothing of it waits to be done: it is {one.state}"


# Every verb of a person, in the order they are shown: what must hold, each guard with the true reason when it does not.
GUARDS: Final[Mapping[str, tuple[Guard, ...]]] = {
    "retry": (_in("failed"), _tries, _latest, _calls, _conflict, _dispute, _owed),
    "cancel": (_in("pending", "failed", "held"), _conflict),
    "cancel_attempt": (_attempt_in("queued"), _absent),
    "reissue": (_over, _latest, _conflict, _dispute, _calls, _owed),
    "close": (_in("returned"), lambda one: None if one.payable <= 0 else "money is still owed for it"),
    "force_reconcile": (_can_be_asked,),
    "rerun": (_can_run,),
    "mark_failed": (_in("reconcile_required"), _attempt_in("unknown"), _no_open_call, _conflict),
    "force_finalize": (_attempt_in("sent", "unknown", "quarantined"),),
    "quarantine": (_attempt_in("queued", "sending", "sent", "unknown"), _not_announced),
    "release_to_queue": (_attempt_in("quarantined"), _unbegun),
    "release_to_look_up": (
        _attempt_in("quarantined"),
        lambda one: None if one.last and one.last.calls else "none of its calls began: there is nothing to look up",
    ),
    "release_cancelled": (_attempt_in("quarantined"), _absent),
    "release_hold": (_in("held"), _ruled("provider_win", "partial")),
    "refund": (_in("held"), _ruled("customer_win")),
    "end_conflict": (lambda one: None if one.disputed else "no conflict is open",),
}


def refusal_of(verb: str, one: Matter) -> str | None:
    """Why `verb` may not be said now; None when it may."""
    return next((why for guard in GUARDS[verb] if (why := guard(one))), None)


def offered(one: Matter) -> list[str]:
    """The verbs that may be said now."""
    return [verb for verb in GUARDS if refusal_of(verb, one) is None]


_TAKES_BACK: Final = ("refund", "cancel", "cancel_attempt", "quarantine", "mark_failed", "release_hold")


def instead_of(verb: str, one: Matter) -> str:
    """What is safe in the place of a verb that is refused."""
    if offered(one):
        return f"one of what is allowed; counterfoil payouts show {one.payout_id} --timeline says which is safe"
    if one.state == "completed" and verb in _TAKES_BACK:
        return "the money went out: counterfoil refunds open --invoice-id … owes it to the customer, and takes it back of the payee"
    if one.state in UNDER_WAY:
        return f"wait: counterfoil payouts show {one.payout_id} --timeline says for what"
    return "nothing: it is paid" if one.state == "completed" else "nothing: it is over"
