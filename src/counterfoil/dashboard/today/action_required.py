"""What needs a person: every open thing that the machine will not move by itself, with the one command to type next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from counterfoil.base.formats.counting import counted
from counterfoil.base.money import Money
from counterfoil.dashboard.today.needs import READ_MAX, SHOWN_MAX, ActionKind, InNeed, Needs
from counterfoil.dashboard.today.waiting import drills_due, waiting_of_nouns
from counterfoil.dashboard.web.format import break_words, span, told_error
from counterfoil.dashboard.web.sections import Grade, SectionAnswer, SectionContext, SectionReading
from counterfoil.dashboard.work.approvals import label_of
from counterfoil.operations.access.administering.second import waiting_seconds
from counterfoil.operations.approval_inbox import count_waiting, waiting_proposals
from counterfoil.operations.work.queries import Parked, parked_events, parked_webhooks
from counterfoil.payouts.batches.batches import batches_waiting
from counterfoil.payouts.batches.machine import SERVICE_LEVEL
from counterfoil.payouts.next_action import NEEDS, advised
from counterfoil.payouts.providers_in_use import providers_not_set
from counterfoil.payouts.queries import PayoutInNeed, payouts_in_need
from counterfoil.proofs.proofs import unsigned_proofs
from counterfoil.reconciliation.breaks.queries import Filter, count_breaks, list_breaks
from counterfoil.reconciliation.client_money import unsigned_client_money
from counterfoil.settlement.queries import intents_in_need
from counterfoil.treasury.two_phase.model import late_transactions
from counterfoil.treasury.verification.rules import PENDING_MAX

_URGENCY: Final[dict[str, Grade]] = {"provider": "unknown", "conflict": "wrong", "in_doubt": "unknown"}


def action_required(ask: SectionContext) -> SectionAnswer:
    """All that waits for a person, of whatever day; of each kind as many as are read."""
    found = [
        _providers(ask),
        *_payout_kinds(ask),
        _breaks(ask),
        _transactions(ask),
        _intents(ask),
        _approvals(ask),
        _batches(ask),
        _statements(ask),
        *([] if ask.only else [_proofs(ask)]),  # proofs are of the whole installation
        *_parked(ask),
        *waiting_of_nouns(ask),
        *([] if ask.only else [drills_due(ask), _seconds(ask)]),  # as are drills, and who administers
    ]
    kinds = tuple(kind for kind in found if kind.rows)
    total = sum(kind.total for kind in kinds)
    if not total:
        return SectionAnswer("Nothing waits for a person", "right", Needs((), 0), "empty")
    said = counted(total, "thing waits for a person", "things wait for a person")
    return SectionAnswer(said, _URGENCY.get(kinds[0].key, "attention"), Needs(kinds, total))


def shown_of(reading: SectionReading) -> SectionReading:
    """With no more of each kind than a page shows."""
    if not isinstance(reading.value, Needs):
        return reading
    kinds = tuple(kind._replace(rows=kind.rows[:SHOWN_MAX]) for kind in reading.value.kinds)
    return reading._replace(value=reading.value._replace(kinds=kinds))


def _providers(ask: SectionContext) -> ActionKind:
    """Providers of rows that nobody can ask: what is under way with one waits for ever."""
    found = providers_not_set(ask.conn, list(ask.extra.wiring.providers), now=ask.clock(), program_id=ask.program_id)
    shown = tuple(
        InNeed(
            one.name,
            ", ".join(one.programs),
            None,
            one.since or ask.clock(),
            f"{one.sentence()}. {one.do}",
            None,
            "counterfoil doctor",
        )
        for one in found
    )
    meaning = "Destinations, payouts or money stand at a provider that nobody here can ask: its payouts wait for ever."
    return ActionKind("provider", "Providers that are not set", meaning, len(found), shown, "counterfoil health")


def _approvals(ask: SectionContext) -> ActionKind:
    """Proposals that a second person decides, the one that expires first before the others."""
    now = ask.clock()
    rows = waiting_proposals(ask.conn, now=now, rows_max=READ_MAX, program_id=ask.program_id)
    command = 'counterfoil approvals approve {id} --sha256 {sha256} --reason "…"'
    shown = tuple(
        InNeed(
            row.id,
            label_of(row),
            None,
            row.made_at,
            f"{row.subject_id}, proposed by {row.maker}: {row.reason}",
            None,
            command.format(id=row.id, sha256=row.payload_sha256),
            row.expires_at,
        )
        for row in rows
    )
    total = count_waiting(ask.conn, now=now, program_id=ask.program_id)
    meaning = "One person proposed it; another decides within 24 hours, on the page of approvals or by the command."
    return ActionKind("approval", "Waits for a second person", meaning, total, shown, "counterfoil approvals list")


def _batches(ask: SectionContext) -> ActionKind:
    """Payout batches that are frozen: nothing of them is sent before people have approved them."""
    total, rows = batches_waiting(ask.conn, rows_max=READ_MAX, program_id=ask.program_id)
    shown = tuple(
        InNeed(
            one.id,
            counted(one.lines, "payout"),
            Money(one.amount, one.asset),
            one.approve_by - SERVICE_LEVEL if one.approve_by else one.created_at,
            f"{one.approvals} of {one.approvers} approved; gathered by {one.maker}" + (f"; {one.not_by_rule}" if one.not_by_rule else ""),
            None,
            f"counterfoil batches approve {one.id}",
            one.approve_by,
        )
        for one in rows
    )
    meaning = "Nothing of a batch is sent before people approved it, within 24 hours, on its page or by the command."
    return ActionKind("batch", "Payout batches that wait", meaning, total, shown, "counterfoil batches list --state pending_approval")


def _statements(ask: SectionContext) -> ActionKind:
    """Statements of client money that nobody signed yet; a second person does."""
    total, rows = unsigned_client_money(ask.conn, rows_max=READ_MAX, program_id=ask.program_id)
    shown = tuple(
        InNeed(
            one.id,
            f"program {one.program_id}, {one.asset} at the end of {one.on_day}",
            None,
            one.made_at,
            f"made by {one.made_by}",
            None,
            f'counterfoil client-money sign {one.id} --sha256 {one.sha256.hex()} --reason "…"',
        )
        for one in rows
    )
    meaning = "Client money was reconciled by one person; another looks at the statement and signs it."
    return ActionKind("client_money", "Client money to be signed", meaning, total, shown, "counterfoil client-money list")


def _breaks(ask: SectionContext) -> ActionKind:
    """Differences on which nobody has decided; those that are expected to go by themselves do not wait for a person."""
    by = Filter(program_id=ask.program_id, state="live")
    rows = [one for one in list_breaks(ask.conn, by, rows_max=READ_MAX) if one.state != "timing"]
    shown = tuple(
        InNeed(
            one.id,
            one.reference or one.record_id,
            one.stake,
            one.opened_at,
            f"{break_words(one.kind)}: {one.cause}" if one.cause else break_words(one.kind),
            None,
            f"counterfoil breaks show {one.id}",
            datetime(one.due_on.year, one.due_on.month, one.due_on.day, tzinfo=UTC) + timedelta(days=1),
        )
        for one in reversed(rows)
    )
    total = count_breaks(ask.conn, by) - count_breaks(ask.conn, by._replace(state="timing"))
    meaning = "A statement and our books do not say the same. Its page holds both records, what was tested, and the one safe action."
    return ActionKind("break", "Differences found", meaning, total, shown, "counterfoil breaks list --state live")


def _transactions(ask: SectionContext) -> ActionKind:
    """Transactions between agents that are neither committed nor aborted for too long: what their participants promised is held."""
    total, rows = late_transactions(ask.conn, before=ask.clock() - PENDING_MAX, rows_max=READ_MAX, program_id=ask.program_id)
    shown = tuple(
        InNeed(
            one.id,
            one.reference,
            Money(one.amounts[0], one.assets[0]) if len(one.assets) == 1 else None,
            one.created_at,
            one.last_error or f"{one.state}, between {', '.join(one.agents)}",
            None,
            f"counterfoil transactions inspect --txn-id {one.id}",
        )
        for one in rows
    )
    meaning = f"Neither committed nor aborted after {span(PENDING_MAX)}: what was promised is held. Its page says what is safe."
    every = "counterfoil transactions list --state pending --age '>5m'"
    return ActionKind("transaction", "Transactions that do not go on", meaning, total, shown, every)


def _proofs(ask: SectionContext) -> ActionKind:
    """Proofs of periods that too few people have signed yet."""
    total, rows = unsigned_proofs(ask.conn, rows_max=READ_MAX)
    shown = tuple(
        InNeed(
            one.id,
            f"{one.from_at:%Y-%m-%d %H:%M} to {one.to_at:%Y-%m-%d %H:%M} UTC",
            None,
            one.requested_at,
            f"signed by {one.signed} of {counted(one.quorum, 'person', 'people')}",
            None,
            f"counterfoil proof sign {one.id} --key KEY.pem",
        )
        for one in rows
    )
    meaning = "A proof counts once enough people have signed it, each with their own key. Its page says who is missing."
    return ActionKind("proof", "Proofs that wait for signatures", meaning, total, shown, "counterfoil proof list --state waiting")


def _seconds(ask: SectionContext) -> ActionKind:
    """Administrators who were announced at the server's machine, and whom somebody may still stop."""
    shown = tuple(
        InNeed(
            one.id,
            one.name,
            None,
            one.announced_at,
            f"announced by {one.announced_by}: {one.reason}",
            None,
            f'counterfoil people stop-second {one.id} --reason "…"',
            one.begins_at,
        )
        for one in waiting_seconds(ask.conn, now=ask.clock())
    )
    meaning = "One administrator was left alone, and another is announced. Whoever knows of no such person stops it."
    way = ("Look at it", "Look at them", "/admin/people#seconds")
    return ActionKind("second", "Announced as an administrator", meaning, len(shown), shown, "counterfoil people seconds", way)


def _payout_kinds(ask: SectionContext) -> list[ActionKind]:
    kinds = []
    for need in NEEDS:
        rows = payouts_in_need(ask.conn, need.need, rows_max=READ_MAX, program_id=ask.program_id)
        advice = advised(ask.conn, need, rows, now=ask.clock())
        shown = (
            InNeed(
                row.id,
                row.payee_id,
                row.amount,
                row.since,
                "; ".join(part for part in (row.why, _meant(row), one.refused) if part) or None,
                row.told,
                one.command or f"counterfoil payouts show {row.id}",
            )
            for row, one in zip(rows, advice, strict=True)
        )
        kinds.append(ActionKind(need.need, need.title, need.meaning, rows[0].total if rows else 0, tuple(shown), need.every))
    return kinds


def _meant(one: PayoutInNeed) -> str:
    """What the bank's code means; a provider's own says it itself (`account_closed`)."""
    return one.reason.meaning.removesuffix(".") if one.reason is not None and one.reason.code.isupper() else ""


def _intents(ask: SectionContext) -> ActionKind:
    stuck_before = ask.clock() - timedelta(minutes=ask.extra.stuck_minutes)
    rows = intents_in_need(ask.conn, stuck_before=stuck_before, rows_max=READ_MAX, program_id=ask.program_id)
    shown = tuple(
        InNeed(
            row.id,
            row.customer_id,
            row.amount,
            row.since,
            row.error or f"{row.state} without progress",
            None,
            f'counterfoil intents retry {row.id} --reason "…"',
        )
        for row in rows
    )
    meaning = f"A paid invoice is not settled: its intent failed, or stands still for {ask.extra.stuck_minutes} minutes."
    total = rows[0].total if rows else 0
    return ActionKind("intent", "Intents failed or stuck", meaning, total, shown, "counterfoil intents list --stuck")


def _parked(ask: SectionContext) -> list[ActionKind]:
    webhooks = _parked_kind(
        parked_webhooks(ask.conn, rows_max=READ_MAX),
        ActionKind(
            "webhook",
            "Parked webhooks",
            "They were received and could not be applied five times.",
            0,
            (),
            "counterfoil parked list",
        ),
        'counterfoil parked requeue {id} --reason "…"',
    )
    events = _parked_kind(
        parked_events(ask.conn, rows_max=READ_MAX),
        ActionKind("event", "Parked events", "What should follow them failed five times.", 0, (), "counterfoil parked list"),
        'counterfoil parked requeue {id} --reason "…"',
    )
    return [events] if ask.only else [webhooks, events]  # which program a webhook is of is known once it is applied


def _parked_kind(rows: Sequence[Parked], kind: ActionKind, command: str) -> ActionKind:
    shown = tuple(
        InNeed(row.id, row.what, None, row.since, told_error(row.error) or None, None, command.format(id=row.id, what=row.what))
        for row in rows
    )
    return kind._replace(total=rows[0].total if rows else 0, rows=shown)
