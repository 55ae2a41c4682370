"""The one safe next action of a payout: what needs a person, and the command that moves it on. Today, pages, API and commands say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.operations.noun_pages import SafeNextAction
from counterfoil.operations.work.pauses import Pause
from counterfoil.operations.work.worker import no_worker_since
from counterfoil.payouts.disputes.standing import in_dispute
from counterfoil.payouts.payouts.matter import matter_of, matters_of
from counterfoil.payouts.payouts.payout_rules import GUARDS, Matter, refusal_of
from counterfoil.payouts.provider_payouts.conflicts import conflicts_of
from counterfoil.payouts.queries import Need, PayoutInNeed, payouts_in_need
from counterfoil.payouts.return_reasons import Mend
from counterfoil.payouts.waits_for import SET_DESTINATION, InFile, command_for_reason, files_of, resuming, stopped_by

OUT_OF_TRIES: Final = 'counterfoil payouts reissue {id} --reason "…"'
NEVER_CALLED: Final = 'counterfoil payouts release-to-queue {id} --reason "…"'  # nothing of it is there that could be looked up
OVER_UNPAID: Final = 'counterfoil payouts close {id} --reason "…"'  # it came back, and nothing is owed for it any more


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
        "counterfoil payouts force-reconcile {id}",
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
        "owed",
        "Payouts that are over and still owed",
        "Money is still owed for its settlement, and nothing pays it until it is issued anew.",
        OUT_OF_TRIES,
        "counterfoil payouts list --state cancelled",
    ),
    NeedOfPayouts(
        "waiting",
        "Payouts that wait",
        "Their money is not set aside: a destination, an approval, a dispute or the ledger holds them back.",
        "counterfoil payouts rerun {id}",
        "counterfoil payouts list --state pending",
    ),
)
_RERUN: Final = "counterfoil payouts rerun {id}"  # never sends again what was sent
_BY_ITSELF: Final = {
    "pending": "Nothing is to be done: the worker sets its money aside when it is due.",
    "processing": "Nothing is to be done: the worker sends it, and asks the provider when no word comes.",
    "reconcile_required": "Nothing is to be done: the provider is asked, and its answer decides.",
    "held": "Nothing is to be done here: what held it has ended, and the worker moves it on.",
}
# What comes first where a bank or provider gave this kind of reason; where none stands here, the sentence says it beside the usual command.
_MENDS: Final[Mapping[Mend, str]] = {
    "destination": SET_DESTINATION,
    "other_account": SET_DESTINATION,
    "twice": "counterfoil payouts list --payee {payee} --program {program}",
    "whose": "counterfoil payees card {payee} --program {program}",
}
_OVER: Final = "Nothing is to be done: it is over."
_PAUSED: Final = "The queue {queue} is paused since {at:%Y-%m-%d %H:%M} UTC by {by}, and nothing of it moves until it is resumed: {why}"
_NO_WORKER: Final = "No worker was heard of since {since}: it does not move until one works. It then goes on where it stopped."
WORK: Final = "counterfoil worker"
_ENDED_BY_TWO: Final = (
    "Where its present word does not end it, two people do, by what they found: "
    'counterfoil payouts end-conflict {id} --conflict-id {conflict} --found … --reason "…"'
)
_CANNOT_BE_ASKED: Final = "cannot be asked"  # as a look-up says it of a provider where nobody can be


def command_of(need: NeedOfPayouts, one: PayoutInNeed, file: InFile | None, matter: Matter) -> str:
    """The one command for a payout in need: what mends its cause where that is known and something is owed, as a new account for a closed
    one. Empty where only time mends it."""
    why, command = one.why or "", need.one
    if one.reason is not None and matter.payable > 0 and one.reason.mend in _MENDS:
        command = _MENDS[one.reason.mend]
    elif need.need == "failed" and not one.tries_left:
        command = OUT_OF_TRIES
    elif need.need == "waiting":
        command = command_for_reason(why)
    elif need.need == "quarantined" and not one.called:
        command = NEVER_CALLED
    elif need.need == "in_doubt" and file is not None:
        command = file.command
    elif need.need == "in_doubt" and _CANNOT_BE_ASKED in why:
        command = ""
    return command.format(id=one.id, payee=one.payee_id, program=one.program_id, asset=one.amount.asset)


def next_action(conn: Connection[Any], payout_id: str, now: datetime) -> SafeNextAction:
    """The one safe next action of a payout. Raises NotFound."""
    matter = matter_of(conn, payout_id, now=now)
    file = files_of(conn, [payout_id], now).get(payout_id)
    for need in NEEDS:
        for one in payouts_in_need(conn, need.need, rows_max=1, program_id=matter.program_id, payout_id=payout_id):
            command, refused = _allowed(command_of(need, one, file, matter), matter)
            more = [f"({one.why})" if one.why else "", f"{refused}." if refused else ""]
            if one.reason is not None and matter.payable > 0:
                more += [one.reason.meaning, one.reason.to_do]
            if file is not None and command == file.command:
                more.append(file.why)
            if need.need == "conflict" and matter.disputed is not None:
                more.append(_ended_by_two(conn, matter.disputed.payout_id))
            if _verb_of(command) in ("force_reconcile", "rerun") and (stopped := stopped_by(conn, matter, file)):
                more.append(_told(stopped))
                command = resuming(stopped)
            return SafeNextAction(need.need, " ".join((need.meaning, *filter(None, more))), command)
    return _without_need(conn, matter, file, now)


def _without_need(conn: Connection[Any], matter: Matter, file: InFile | None, now: datetime) -> SafeNextAction:
    stopped = stopped_by(conn, matter, file)
    if stopped is not None:
        return SafeNextAction("paused", _told(stopped), resuming(stopped))
    if file is not None:
        return SafeNextAction("bank_file", file.why, file.command)
    if matter.state == "held" and (why := in_dispute(conn, [matter.settlement_id]).get(matter.settlement_id)):
        return SafeNextAction("held", f"Nothing is to be done with it here: {why}.", command_for_reason(why))
    if matter.state in _BY_ITSELF and (heard_of := no_worker_since(conn, now)):
        return SafeNextAction("worker", _NO_WORKER.format(since=heard_of), WORK)
    return SafeNextAction("none", _BY_ITSELF.get(matter.state, _OVER), "")


def _told(one: Pause) -> str:
    return _PAUSED.format(queue=one.queue, at=one.at, by=one.actor, why=one.reason)


def _ended_by_two(conn: Connection[Any], payout_id: str) -> str:
    found = next((one for one in conflicts_of(conn, payout_id) if one.state == "open"), None)
    return _ENDED_BY_TWO.format(id=payout_id, conflict=found.id) if found else ""


def advised(conn: Connection[Any], need: NeedOfPayouts, rows: Sequence[PayoutInNeed], *, now: datetime) -> list[AdvisedCommand]:
    """For each of these payouts in one need the command that moves it on, as `next_action` says it; read by set. Who is paused is told at
    the top of every page, and is not asked here."""
    ids = [one.id for one in rows]
    matters, files = matters_of(conn, ids, now=now), files_of(conn, ids, now)
    return [AdvisedCommand(*_allowed(command_of(need, one, files.get(one.id), matters[one.id]), matters[one.id])) for one in rows]


def _allowed(command: str, matter: Matter) -> tuple[str, str]:
    """A command that is allowed now, and why the one that was meant is not: it, or in its place `close`, `rerun` or what shows that which
    is to be ended first, or none."""
    verb = _verb_of(command)
    refused = refusal_of(verb, matter) if verb in GUARDS else None
    if refused is None:
        return command, ""
    instead = next((one for one in (OVER_UNPAID, _RERUN) if refusal_of(_verb_of(one), matter) is None), _ended_first(matter))
    return instead.format(id=matter.payout_id), f"{verb.replace('_', '-')} is refused now: {refused}"


def _ended_first(matter: Matter) -> str:
    """What shows the conflict of another payout of the settlement, or the dispute, that has to end before anything of it is paid."""
    if matter.disputed is not None and matter.disputed.payout_id != matter.payout_id:
        return f"counterfoil payouts show {matter.disputed.payout_id} --timeline"
    return command_for_reason(f"dispute {matter.dispute.id}") if matter.dispute is not None else ""


def _verb_of(command: str) -> str:
    """Of `counterfoil payouts retry ID …` the verb; of other commands, and of none, nothing."""
    words = command.split()
    return words[2].replace("-", "_") if words[1:2] == ["payouts"] else ""
