"""How the acts of settings are offered, and which of them another administrator has approved and are done by whoever proposed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.api.http.names import camel
from counterfoil.base.money import Asset, format_major
from counterfoil.dashboard.settings.acts import SET_POLICY, SettingAct
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.ledger.reads.books import known_assets
from counterfoil.operations.approval_inbox import approved_proposals
from counterfoil.operations.approvals import Proposal
from counterfoil.operations.verbs import Field

APPROVED_SHOWN_MAX: Final = 20
# Of which act a proposal is: its machine and its verb.
_OF: Final = {
    "grant": ("principal", "grant"),
    "reset": ("principal", "reset"),
    "link": ("principal", "link"),
    "make": ("api_key", "create"),
    "policy": ("payout_policy", "set"),
}


class ActOffer(NamedTuple):
    """An act as it is offered; `why_not`: the true reason why it cannot be done now."""

    name: str
    label: str
    effect: str
    takes: tuple[Field, ...]
    paired: bool
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


def offer(one: SettingAct, why_not: str | None = None) -> ActOffer:
    """As the page shows it."""
    return ActOffer(one.name, one.label, one.effect, one.takes, one.two is not None, why_not)


def refuse_one_program(ask: SectionContext) -> None:
    """Who may act is of the whole installation. Raises WholeInstallation for whoever sees one program only."""
    if ask.only is not None:
        raise WholeInstallation(program=ask.only)


def approved_acts(ask: SectionContext, acts: Sequence[SettingAct], *, subject_id: str | None = None) -> tuple[ApprovedAct, ...]:
    """Those that are approved and not done yet, the one whose approval expires first before the others."""
    by_verb = {_OF[one.name]: one for one in acts if one.two is not None}
    found = approved_proposals(ask.conn, list(by_verb), subject_id=subject_id, now=ask.clock(), rows_max=APPROVED_SHOWN_MAX)
    assets = known_assets(ask.conn)
    return tuple(_approved(by_verb[one.machine, one.verb], one, assets) for one in found)


def _approved(act: SettingAct, one: Proposal, assets: Mapping[str, Asset]) -> ApprovedAct:
    return ApprovedAct(act.name, act.label, _fields(act, one, assets), one.reason, one.maker_id, one.maker, one.checker, one.expires_at)


def _fields(act: SettingAct, one: Proposal, assets: Mapping[str, Asset]) -> dict[str, str]:
    """The form as it was filled in, out of what was approved."""
    if act is SET_POLICY:
        program_id, _, asset = one.subject_id.rpartition(":")
        scale = assets[asset].scale if asset in assets else 0
        tiers = [f"{format_major(int(each['above']), scale, grouped=False)}={each['approvers']}" for each in one.payload["tiers"]]
        least = format_major(int(one.payload["byRuleMax"]), scale, grouped=False)
        hours = str(one.payload["coolingHours"])
        return {"program_id": program_id, "asset": asset, "by_rule": least, "tiers": " ".join(tiers), "cooling_hours": hours}
    return {field.name: _word(one.payload.get(camel(field.name))) for field in act.takes}


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
