"""How the acts of settings are offered, and which of them another administrator has approved and are done by whoever proposed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.money import Asset
from counterfoil.base.text import camel
from counterfoil.dashboard.web.fields import field_filled
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.ledger.reads.books import known_assets
from counterfoil.operations.acts import Act
from counterfoil.operations.approval_inbox import approved_proposals
from counterfoil.operations.approvals import Proposal
from counterfoil.operations.verbs import Field

APPROVED_SHOWN_MAX: Final = 20


class ActOffer(NamedTuple):
    """An act as it is offered; `on_row`: it is done with a row of the page, which gives its id; `whole`: whoever sees one program does
    not do it; `why_not`: the true reason why it cannot be done now."""

    name: str
    label: str
    effect: str
    takes: tuple[Field, ...]
    paired: bool
    area: str
    permission: str
    on_row: str
    whole: bool
    why_not: str | None


class ApprovedAct(NamedTuple):
    """What another administrator approved: its act, the fields of its form, and until when whoever proposed it may do it."""

    name: str
    label: str
    fields: dict[str, str]
    reason: str
    maker_id: str
    maker: str
    checker: str | None
    expires_at: datetime


def offer(one: Act, why_not: str | None = None) -> ActOffer:
    """As the page shows it."""
    row = one.row.name if one.row else ""
    return ActOffer(one.name, one.label, one.effect, one.takes, one.two is not None, one.area, one.permission, row, one.whole, why_not)


def refuse_one_program(ask: SectionContext) -> None:
    """Who may act is of the whole installation. Raises WholeInstallation for whoever sees one program only."""
    if ask.only is not None:
        raise WholeInstallation(program=ask.only)


def approved_acts(ask: SectionContext, acts: Sequence[Act], *, subject_id: str | None = None) -> tuple[ApprovedAct, ...]:
    """Those that are approved and not done yet, the one whose approval expires first before the others."""
    by_verb = {(one.two.machine, one.two.verb): one for one in acts if one.two is not None}
    found = approved_proposals(ask.conn, list(by_verb), subject_id=subject_id, now=ask.clock(), rows_max=APPROVED_SHOWN_MAX)
    assets = known_assets(ask.conn)
    return tuple(_approved(by_verb[one.machine, one.verb], one, assets) for one in found)


def _approved(act: Act, one: Proposal, assets: Mapping[str, Asset]) -> ApprovedAct:
    return ApprovedAct(act.name, act.label, _fields(act, one, assets), one.reason, one.maker_id, one.maker, one.checker, one.expires_at)


def _fields(act: Act, one: Proposal, assets: Mapping[str, Asset]) -> dict[str, str]:
    """The form as it was filled in, out of what was approved."""
    asset = assets.get(str(one.payload.get("asset")))
    return {field.name: field_filled(one.payload.get(camel(field.name)), field, asset) for field in act.takes}
