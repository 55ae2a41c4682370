"""How the acts of settings are offered, and which of them another administrator has approved and are done by whoever proposed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.money import Asset
from counterfoil.base.text import camel
from counterfoil.dashboard.web.fields import field_filled
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.acts import Act
from counterfoil.operations.approval_inbox import approved_proposals
from counterfoil.operations.approvals import Proposal
from counterfoil.operations.verbs import Field

APPROVED_READ_MAX: Final = 100  # however many there are: each is gone within a day


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
    """What another administrator approved: its act, the fields of its form, and until when whoever proposed it may do it. `hidden`: some of
    these are kept nowhere, so that they are typed again."""

    name: str
    label: str
    fields: dict[str, str]
    reason: str
    maker_id: str
    maker: str
    checker: str | None
    expires_at: datetime
    hidden: bool


def offer(one: Act, why_not: str | None = None) -> ActOffer:
    """As the page shows it."""
    row = one.row.name if one.row else ""
    return ActOffer(one.name, one.label, one.effect, one.takes, one.two is not None, one.area, one.permission, row, one.whole, why_not)


def refuse_one_program(ask: SectionContext) -> None:
    """Who may act is of the whole installation. Raises WholeInstallation for whoever sees one program only."""
    if ask.only is not None:
        raise WholeInstallation(program=ask.only)


def approved_acts(ask: SectionContext, acts: Sequence[Act], *, subject_id: str | None = None) -> tuple[ApprovedAct, ...]:
    """Those that are approved and not done yet, the one whose approval expires first before the others; of an act with a subject those
    of the page's own."""
    by_verb = {(one.two.machine, one.two.verb): one for one in acts if one.two is not None}
    if not by_verb:
        return ()
    found = approved_proposals(ask.conn, list(by_verb), subject_id=subject_id, now=ask.clock(), rows_max=APPROVED_READ_MAX)
    assets = known_assets(ask.conn)
    mine = [one for one in found if _is_of_here(ask, by_verb[one.machine, one.verb], one)]
    return tuple(_approved(by_verb[one.machine, one.verb], one, assets) for one in mine)


def _is_of_here(ask: SectionContext, act: Act, one: Proposal) -> bool:
    if ask.only is not None and one.program_id != ask.only:
        return False
    if act.subject is None:
        return True
    return _about(act, one).get(camel(act.subject.name), one.subject_id) == ask.params["id"]


def _approved(act: Act, one: Proposal, assets: Mapping[str, Asset]) -> ApprovedAct:
    hidden = bool(act.confidential)
    return ApprovedAct(
        act.name, act.label, _fields(act, one, assets), one.reason, one.maker_id, one.maker, one.checker, one.expires_at, hidden
    )


def _fields(act: Act, one: Proposal, assets: Mapping[str, Asset]) -> dict[str, str]:
    """The form as it was filled in, out of what was approved, and out of what it is about."""
    told = _about(act, one) | one.payload
    asset = assets.get(str(told.get("asset")))
    takes = [field for field in act.takes if field.name not in act.confidential]
    return {field.name: field_filled(told.get(camel(field.name)), field, asset) for field in takes}


def _about(act: Act, one: Proposal) -> dict[str, str]:
    """What the name of the thing says, by the names that stand in it: `main:bolt:EUR` of `{program_id}:{payee_id}:{asset}`."""
    assert act.two is not None
    names = [each.strip("{}") for each in act.two.about.split(":")]
    if len(names) == 1:
        return {}
    first, *rest = one.subject_id.split(":")
    values = [first, ":".join(rest)] if len(names) == 2 else [first, ":".join(rest[:-1]), rest[-1]]
    return {camel(name): value for name, value in zip(names, values, strict=True)}
