"""Agents as a noun: routes, commands and forms follow from it. Making one has a route of its own, since there is no thing yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.operations import approvals
from counterfoil.operations.access.access import OPERATE, Caller
from counterfoil.operations.by_two import paired_step, proposed_step
from counterfoil.operations.noun_pages import SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Field, Noun, Part, Verb, VerbCall, VerbResult, of_all
from counterfoil.treasury.agents import agents
from counterfoil.treasury.agents.model import (
    AGENT,
    AGENTS,
    Agent,
    AgentAccount,
    Mandate,
    accounts_of_agent,
    list_agents,
    mandates_of,
    show_agent,
)


def _because(one: VerbCall) -> dict[str, Any]:
    return {"reason": one.reason, "actor": one.actor, "now": one.now}


def _freeze(one: VerbCall) -> VerbResult:
    return VerbResult(agents.freeze_agent(one.conn, one.subject_id, **_because(one)))


def _unfreeze(one: VerbCall) -> VerbResult:
    return VerbResult(agents.unfreeze_agent(one.conn, one.subject_id, **_because(one), approval=one.approval))


def _close(one: VerbCall) -> VerbResult:
    return VerbResult(agents.close_agent(one.conn, one.subject_id, **_because(one)))


def _revoke(one: VerbCall) -> VerbResult:
    given = {"asset": one.taken["asset"], "counterparty": one.taken.get("counterparty")}
    return VerbResult(agents.revoke_mandate(one.conn, one.make_id("mdt"), one.subject_id, **given, **_because(one)))


def _asked(taken: Mapping[str, Any]) -> agents.NewMandate:
    limits = {name: taken.get(name) for name in agents.LIMITS}
    return agents.NewMandate(taken["asset"], taken.get("counterparty"), taken.get("towards") or "anyone", limits, taken.get("expires_at"))


def _grant(one: VerbCall) -> approvals.Proposal:
    new = _asked(one.taken)
    agent = agents.refuse_mandate(one.conn, one.subject_id, new, now=one.now)  # nobody approves what cannot be done
    return one.propose(AGENT, "grant", new.payload(), agent.program_id)


def _granted(conn: Connection[Any], one: approvals.Proposal, by: Caller, now: datetime) -> str:
    said = dict(one.payload)
    said |= {name: None if said[name] is None else int(said[name]) for name in agents.LIMITS}
    said["expires_at"] = None if said["expires_at"] is None else datetime.fromisoformat(said["expires_at"])
    made = f"mdt_{one.id.partition('_')[2]}"  # one mandate for each approval
    agents.grant_mandate(conn, made, one.subject_id, _asked(said), reason=one.reason, actor=by.actor, now=now)
    return made


def _refusals(conn: Connection[Any], agent_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    one = show_agent(conn, agent_id)
    is_so = f"it is {one.state}"
    return {
        "freeze": None if one.state in AGENT.before("freeze") else is_so,
        "unfreeze": None if one.state in AGENT.before("unfreeze") else is_so,
        "close": is_so if one.state in AGENT.final else agents.refuse_close(conn, one.id),
        "grant": is_so if one.state in AGENT.final else None,
        "revoke": None if mandates_of(conn, one.id) else "it has no mandate",
    }


def _limit(name: str, span: str) -> Field:
    return Field(name, f"At most so much {span}; without it, no limit of that kind.", "amount", required=False, example="1250")


ASSET: Final = Field("asset", "In which asset.", example="EUR")
VERBS: Final = (
    Verb(
        "freeze",
        OPERATE,
        "Freeze",
        "Nothing new leaves its accounts. What it promised before still goes out, and money may come in.",
        do=_freeze,
    ),
    Verb(
        "unfreeze", OPERATE, "Unfreeze", "It may spend again what its mandates allow.", propose=proposed_step(AGENT, "unfreeze", _unfreeze)
    ),
    Verb("close", OPERATE, "Close", "For good, once its accounts are empty and nothing on its way to or from them is promised.", do=_close),
    Verb(
        "grant",
        OPERATE,
        "Grant a mandate",
        "Say what it may spend in an asset from now on, at all or towards one counterparty. It takes the place of the mandate before it. "
        "Hours, days, weeks from Monday and months are those of UTC.",
        propose=_grant,
        takes=(
            ASSET,
            Field("counterparty", "Only towards this other agent; without it, towards all together.", required=False, example="agent_01K…"),
            Field(
                "towards",
                "Whom it may pay: anyone, or only agents named by a mandate of their own.",
                "choice",
                required=False,
                choices=("anyone", "named"),
            ),
            _limit("per_transaction", "in one transaction"),
            _limit("per_hour", "in each hour"),
            _limit("per_day", "on each day"),
            _limit("per_week", "in each week"),
            _limit("per_month", "in each month"),
            Field("expires_at", "When it ends by itself.", "moment", required=False, example="2026-12-31T00:00:00Z"),
        ),
    ),
    Verb(
        "revoke",
        OPERATE,
        "Revoke a mandate",
        "It spends nothing more by this mandate. What it promised before still goes out.",
        do=_revoke,
        done="{id} has that mandate no longer.",
        takes=(ASSET, Field("counterparty", "Of the mandate towards this agent.", required=False, example="agent_01K…")),
    ),
)
PAIRED: Final = (paired_step(AGENT, "unfreeze", _unfreeze), approvals.Paired(AGENT.name, "grant", _granted))
AGENT_NOUN: Final = Noun(
    "agent",
    "agents",
    "agent",
    AGENT,
    VERBS,
    show_agent,
    _refusals,
    row=Agent,
    rows=list_agents,
    by_id=AGENTS.by_id,
    sorts=(
        SortKey("created_at", datetime),
        SortKey("name", str),
    ),
    help="Programs that spend the treasury's money within their mandates.",
    parts=(Part("accounts", AgentAccount, of_all(accounts_of_agent)), Part("mandates", Mandate, of_all(mandates_of))),
    columns=("id", "name", "program_id", "state", "state_at"),
    sought=(FoundBy("name", "of this name"),),
)
