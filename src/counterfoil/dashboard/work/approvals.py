"""The page of approvals: every proposal that waits for a second person, batches among them, and what was decided within a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.ids import valid_id
from counterfoil.base.money import Asset, Money
from counterfoil.base.problems import Problem
from counterfoil.dashboard.finding.ordering import EXPORTED_MAX
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.dashboard.work.payloads import PayloadFact, page_of, readable
from counterfoil.operations.access.access import APPROVE, ROLES
from counterfoil.operations.approval_inbox import count_waiting, decided_proposals, waiting_proposals
from counterfoil.operations.approvals import Paired, Proposal, find_proposal
from counterfoil.operations.verbs import Noun
from counterfoil.payouts.batches.batches import PayoutBatch, batches_waiting
from counterfoil.payouts.batches.executing import cover_of
from counterfoil.wiring import NOUNS, PAIRED

PROPOSALS_SHOWN_MAX: Final = 20
BATCHES_SHOWN_MAX: Final = 20
DECIDED_SHOWN_MAX: Final = 20
DECIDED_WITHIN: Final = timedelta(hours=24)
SOON: Final = timedelta(hours=3)  # what expires within it is marked
READ_AT_ONCE: Final = 1_000
FILE: Final = (
    *("id", "state", "what", "machine", "verb", "subject_id", "program_id", "reason", "maker", "made_at", "expires_at"),
    *("checker", "decided_at", "decision_reason", "result_id", "payload_sha256", "payload"),
)
GRADES: Final[Mapping[str, Grade]] = {"done": "right", "approved": "attention", "expired": "attention"}
NOUN_OF: Final[Mapping[str, Noun]] = {noun.machine.name: noun for noun in NOUNS}


class ProposalRow(NamedTuple):
    """A proposal as it is read. `permission`: whoever decides it holds that, as people of the roles `who` do. `at_once`: approving does it;
    else whoever proposed it does it afterwards. `soon`: it expires within three hours."""

    id: str
    label: str
    effect: str
    subject: str
    subject_path: str | None
    program_id: str | None
    facts: tuple[PayloadFact, ...]
    facts_cut: bool
    payload_sha256: str
    payload: Mapping[str, Any]
    reason: str
    maker: str
    maker_id: str
    made_at: datetime
    expires_at: datetime
    soon: bool
    permission: str
    who: tuple[str, ...]
    at_once: bool
    state: str
    grade: Grade
    checker: str | None
    decided_at: datetime | None
    decision_reason: str | None
    result_id: str | None


class BatchTreasury(NamedTuple):
    """What is there at a provider to pay a batch out of; `left_over`, in minor units: once it and what was begun before it is paid."""

    provider: str
    held: Money
    left_over: int


class BatchRow(NamedTuple):
    """A payout batch that is frozen and waits for people. `cover`: what there is to pay it out of."""

    id: str
    program_id: str
    amount: Money
    cover: tuple[BatchTreasury, ...]
    lines: int
    approvals: int
    approvers: int
    maker: str
    not_by_rule: str | None
    payload_sha256: str | None
    approve_by: datetime | None
    late: bool


class ApprovalsAnswer(NamedTuple):
    """What the page shows. `total`: proposals that wait, of which `waiting` are a page, the first to expire first; `after`: the id that the
    next page begins behind."""

    waiting: tuple[ProposalRow, ...]
    total: int
    after: str | None
    batches: tuple[BatchRow, ...]
    batches_cut: bool
    decided: tuple[ProposalRow, ...]
    decided_cut: bool
    measured_at: datetime


def approvals_answer(ask: SectionContext) -> ApprovalsAnswer:
    """What waits, of which batches are a part of their own, and what was decided within a day."""
    now, assets = ask.clock(), known_assets(ask.conn)
    waiting, next_after = _waiting(ask, now)
    since = now - DECIDED_WITHIN
    decided = decided_proposals(ask.conn, since=since, now=now, rows_max=DECIDED_SHOWN_MAX + 1, program_id=ask.program_id)
    batches_total, batches = batches_waiting(ask.conn, rows_max=BATCHES_SHOWN_MAX, program_id=ask.program_id)
    return ApprovalsAnswer(
        tuple(_row(ask, one, assets, now) for one in waiting),
        count_waiting(ask.conn, now=now, program_id=ask.program_id),
        next_after,
        tuple(_batch(ask, one) for one in batches),
        batches_total > len(batches),
        tuple(_row(ask, one, assets, now) for one in decided[:DECIDED_SHOWN_MAX]),
        len(decided) > DECIDED_SHOWN_MAX,
        now,
    )


def approvals_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """Every proposal that waits, the first to expire first, then those that were decided within a day; a last row says where it was cut."""
    now, count, after = ask.clock(), 0, None
    yield FILE
    while found := waiting_proposals(ask.conn, now=now, rows_max=READ_AT_ONCE, program_id=ask.program_id, after=after):
        for one in found[: EXPORTED_MAX - count]:
            yield _line(one, now)
        count, after = count + len(found), found[-1].id
        if count > EXPORTED_MAX:
            break
    since, left = now - DECIDED_WITHIN, max(EXPORTED_MAX - count, 0)
    decided = decided_proposals(ask.conn, since=since, now=now, rows_max=left + 1, program_id=ask.program_id)
    yield from (_line(one, now) for one in decided[:left])
    if len(decided) > left or count > EXPORTED_MAX:
        yield (f"cut at {EXPORTED_MAX} rows: all of them by `counterfoil approvals list --all`",)


def _line(one: Proposal, now: datetime) -> tuple[Any, ...]:
    told = {**one._asdict(), "what": label_of(one), "state": one.state(now), "payload": canonical_json(one.payload)}
    return tuple(told[name] for name in FILE)


def _waiting(ask: SectionContext, now: datetime) -> tuple[Sequence[Proposal], str | None]:
    """A page of those that wait, and behind which the next begins; one that somebody looks at just now stands on it, wherever it is."""
    after = valid_id(ask.params["after"], "prop", "after") if ask.params.get("after") else None
    found = waiting_proposals(ask.conn, now=now, rows_max=PROPOSALS_SHOWN_MAX + 1, program_id=ask.program_id, after=after)
    shown = found[:PROPOSALS_SHOWN_MAX]
    more = shown[-1].id if len(found) > PROPOSALS_SHOWN_MAX else None
    looked_at = ask.typed.get("proposal") if ask.typed.get("preview") else None
    if looked_at and all(one.id != looked_at for one in shown):
        shown.insert(0, find_proposal(ask.conn, looked_at))
    return shown, more


def label_of(one: Proposal) -> str:
    """What would be done, in a few words."""
    paired, verb = PAIRED.get((one.machine, one.verb)), _verb(one)
    said = (paired.label if paired else "") or (verb.label if verb else "")
    return said or f"{one.verb} {one.machine}".replace("_", " ").capitalize()


def deciding(one: Proposal) -> tuple[str, tuple[str, ...]]:
    """What whoever decides it may do, and the roles that may."""
    paired = PAIRED.get((one.machine, one.verb))
    permission = paired.approved_by if paired else APPROVE
    return permission, tuple(role for role, held in ROLES.items() if permission in held)


def _verb(one: Proposal) -> Any:
    noun = NOUN_OF.get(one.machine)
    return next((verb for verb in noun.verbs if verb.name == one.verb), None) if noun else None


def _row(ask: SectionContext, one: Proposal, assets: Mapping[str, Asset], now: datetime) -> ProposalRow:
    paired: Paired | None = PAIRED.get((one.machine, one.verb))
    verb, state = _verb(one), one.state(now)
    permission, who = deciding(one)
    facts, cut = readable(one.payload, _asset_of(ask, one, assets), assets)
    return ProposalRow(
        id=one.id,
        label=label_of(one),
        effect=verb.effect if verb else "",
        subject=one.subject_id,
        subject_path=_path_of(one),
        program_id=one.program_id,
        facts=facts,
        facts_cut=cut,
        payload_sha256=one.payload_sha256,
        payload=one.payload,
        reason=one.reason,
        maker=one.maker,
        maker_id=one.maker_id,
        made_at=one.made_at,
        expires_at=one.expires_at,
        soon=one.expires_at - now < SOON,
        permission=permission,
        who=who,
        at_once=bool(paired and paired.do),
        state=state,
        grade=GRADES.get(state, "plain"),
        checker=one.checker,
        decided_at=one.decided_at,
        decision_reason=one.decision_reason,
        result_id=one.result_id,
    )


def _path_of(one: Proposal) -> str | None:
    if one.machine == "queue":
        return f"/admin/queues#queue-{one.subject_id}"
    named = (one.payload.get(key) for key in ("payoutId", "payout_id"))  # of an attempt: its payout has the page
    return page_of(one.subject_id) or next((page_of(str(each)) for each in named if each), None)


def _asset_of(ask: SectionContext, one: Proposal, assets: Mapping[str, Asset]) -> str | None:
    """Of what the amounts of a payload are that does not say it: its subject is of an asset, or is named `program:asset`."""
    last = one.subject_id.rpartition(":")[2]
    if last in assets:
        return last
    noun = NOUN_OF.get(one.machine)
    if noun is None or not one.subject_id.startswith(f"{noun.prefix}_"):
        return None
    try:
        with ask.conn.transaction():
            return getattr(noun.show(ask.conn, one.subject_id), "asset", None)
    except Problem:
        return None  # it is not there any more, or not of the program that is seen: amounts are told in minor units


def _batch(ask: SectionContext, one: PayoutBatch) -> BatchRow:
    cover = tuple(BatchTreasury(each.provider, Money(each.in_treasury, each.asset), each.left_over) for each in cover_of(ask.conn, one.id))
    return BatchRow(
        one.id,
        one.program_id,
        Money(one.amount, one.asset),
        cover,
        one.lines,
        one.approvals,
        one.approvers,
        one.maker,
        one.not_by_rule,
        one.sha256,
        one.approve_by,
        one.late,
    )
