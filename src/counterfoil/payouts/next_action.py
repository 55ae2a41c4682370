"""The one safe next action of a payout: what needs a person, and the command that moves it on. Today, pages, API and commands say it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.operations.noun_pages import SafeNextAction
from counterfoil.payouts.payouts.matter import matter_of, matters_of
from counterfoil.payouts.payouts.payout_rules import GUARDS, Matter, refusal_of
from counterfoil.payouts.queries import Need, PayoutInNeed, payouts_in_need

OUT_OF_TRIES: Final = 'counterfoil payouts reissue {id} --reason "…"'
NEVER_CALLED: Final = 'counterfoil payouts release-to-queue {id} --reason "…"'  # nothing of it is there that could be looked up
NO_BATCH: Final = "counterfoil batches gather --asset {asset} --program {program}"
NO_DESTINATION: Final = "counterfoil destinations set {payee} --program {program}"  # it asks for the account, unseen


class NeedOfPayouts(NamedTuple):
    """A kind of need: its title, what it means, the command for one payout, and the command that lists them all."""

    need: Need
    title: str
    meaning: str
    one: str
    every: str


class AdvisedCommand(NamedTuple):
    """The command that moves a payout on; empty where none is allowed now, which `refused` says."""

    command: str
    refused: str


NEEDS: Final = (  # the most urgent first
    NeedOfPayouts(
        "conflict",
        "Provider conflicts",
        "Two words about an attempt exclude each other. Nothing of it is sent or given back until one of them is right.",
        "counterfoil payouts show {id}",
        "counterfoil events list --name provider_status_conflict",
    ),
    NeedOfPayouts(
        "in_doubt",
        "Payouts in doubt",
        "Nobody knows whether the money went out. It is never sent again until the provider has answered.",
        "counterfoil payouts force-reconcile {id}",
        "counterfoil payouts list --state reconcile_required",
    ),
    NeedOfPayouts(
        "quarantined",
        "Payouts in quarantine",
        "A person stopped them: they are not sent while that lasts.",
        'counterfoil payouts release-to-look-up {id} --reason "…"',
        "counterfoil payouts list --state processing",
    ),
    NeedOfPayouts(
        "failed",
        "Failed payouts",
        "The provider refused for certain; the money is owed to the payee again.",
        'counterfoil payouts retry {id} --reason "…"',
        "counterfoil payouts list --state failed",
    ),
    NeedOfPayouts(
        "returned",
        "Returned payouts",
        "They came back after they had arrived; the money is owed again and is never sent again by itself.",
        'counterfoil payouts reissue {id} --reason "…"',
        "counterfoil payouts list --state returned",
    ),
    NeedOfPayouts(
        "waiting",
        "Payouts that wait",
        "The payee has no active destination, or the ledger refuses to set the money aside.",
        "counterfoil payouts show {id}",
        "counterfoil payouts list --state pending",
    ),
)
_RERUN: Final = "counterfoil payouts rerun {id}"  # never sends again what was sent
_BY_ITSELF: Final = {
    "pending": "Nothing is to be done: the worker sets its money aside when it is due.",
    "processing": "Nothing is to be done: the worker sends it, and asks the provider when no word comes.",
    "reconcile_required": "Nothing is to be done: the provider is asked, and its answer decides.",
    "held": "Nothing is to be done here: a dispute holds it, and its ruling decides.",
}
_OWED: Final = "A person cancelled it, and its money is still owed: nothing pays it until it is issued anew."
_OVER: Final = "Nothing is to be done: it is over."


def command_of(need: NeedOfPayouts, one: PayoutInNeed) -> str:
    """The one command for a payout in need: what mends its cause where that is known, as a new account for a closed one."""
    why, command = one.why or "", need.one
    if one.account_closed or (need.need == "waiting" and "destination" in why):
        command = NO_DESTINATION
    elif need.need == "failed" and not one.tries_left:
        command = OUT_OF_TRIES
    elif need.need == "waiting" and "approved batch" in why:
        command = NO_BATCH
    elif need.need == "quarantined" and not one.called:
        command = NEVER_CALLED
    return command.format(id=one.id, payee=one.payee_id, program=one.program_id, asset=one.amount.asset)


def next_action(conn: Connection[Any], payout_id: str, now: datetime) -> SafeNextAction:
    """The one safe next action of a payout. Raises NotFound."""
    matter = matter_of(conn, payout_id, now=now)
    for need in NEEDS:
        for one in payouts_in_need(conn, need.need, rows_max=1, program_id=matter.program_id, payout_id=payout_id):
            why = f"{need.meaning} ({one.why})" if one.why else need.meaning
            command, refused = _allowed(command_of(need, one), matter)
            return SafeNextAction(need.need, f"{why} {refused}." if refused else why, command)
    if matter.state == "cancelled" and refusal_of("reissue", matter) is None:
        return SafeNextAction("owed", _OWED, OUT_OF_TRIES.format(id=payout_id))
    return SafeNextAction("none", _BY_ITSELF.get(matter.state, _OVER), "")


def advised(conn: Connection[Any], need: NeedOfPayouts, rows: Sequence[PayoutInNeed], *, now: datetime) -> list[AdvisedCommand]:
    """For each of these payouts in one need the command that moves it on, as `next_action` says it; read by set."""
    matters = matters_of(conn, [one.id for one in rows], now=now)
    return [AdvisedCommand(*_allowed(command_of(need, one), matters[one.id])) for one in rows]


def _allowed(command: str, matter: Matter) -> tuple[str, str]:
    """A command that is allowed now, and why the one that was meant is not: it, or `rerun` in its place, or none."""
    verb = _verb_of(command)
    refused = refusal_of(verb, matter) if verb in GUARDS else None
    if refused is None:
        return command, ""
    instead = _RERUN.format(id=matter.payout_id) if refusal_of("rerun", matter) is None else ""
    return instead, f"{verb.replace('_', '-')} is refused now: {refused}"


def _verb_of(command: str) -> str:
    """Of `counterfoil payouts retry ID …` the verb; of other commands nothing."""
    words = command.split()
    return words[2].replace("-", "_") if words[1] == "payouts" else ""
