"""Making an agent, and whether its money is right; everything else of agents is derived from their noun."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, Minor, ProgramId, id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.treasury.agents.agents import NAME_LENGTH_MAX, create_agent
from counterfoil.treasury.agents.model import Agent, show_agent
from counterfoil.treasury.carbon.verify import days_looked_at, explain_agent
from counterfoil.treasury.verification.rules import AgentFinding
from counterfoil.treasury.verification.verify import AgentCheck, AssetCheck, verify_agents

router = routes("Agents")
LOOKED_AT: Final = ("account totals", "postings", "participants of transactions", "promises", "transactions pending for 5 minutes")
AgentId = Annotated[str, id_in_path("agent")]


class AgentRequest(RequestModel):
    """A program of yours that is to spend the treasury's money within mandates."""

    program_id: ProgramId
    name: Clean = Field(min_length=1, max_length=NAME_LENGTH_MAX, description="No other agent of the program has it.", examples=["buyer"])


@shows(Agent)
class AgentCreated(WriteResult):
    """It has an empty account in each asset of its program, and may spend nothing yet."""

    state: str = Field(description="active.")


@shows(AssetCheck)
class AgentAssetView(ViewModel):
    """Its money in one asset."""

    balance: Minor = Field(description="Of its account.")
    from_postings: Minor = Field(description="The same, summed from the postings.")
    received: Minor = Field(description="By its transactions.")
    sent: Minor = Field(description="By its transactions.")
    other: Minor = Field(description="By journals beside its transactions, such as what it was given.")
    expected: Minor = Field(description="received - sent + other.")
    held: Minor = Field(description="Out of it by all holds.")
    promised: Minor = Field(description="Out of it by open transactions.")


@shows(AgentFinding)
class AgentFindingView(ViewModel):
    """What is wrong, why, and the one safe thing to do."""

    command: str = Field(description="The command that does it.")


@shows(AgentCheck)
class AgentCheckView(ViewModel):
    """Whether its balances are what its transactions say."""

    agrees: bool = Field(description="In every asset, and nothing is double or missing.")
    assets: list[AgentAssetView]
    findings: list[AgentFindingView]
    checked_at: datetime


class AgentExplained(ViewModel):
    """What is wrong with an agent's money: symptoms, causes and resolutions, with their evidence. Empty: nothing that was looked at."""

    agent_id: str
    name: str
    state: str
    findings: list[AgentFindingView]
    looked_at: list[str] = Field(description="What was compared.")
    not_looked_at: list[str] = Field(description="What no evidence is here for, so that nothing is said of it.")
    checked_at: datetime


@router.post("/agents", status_code=201, response_model=AgentCreated, operation_id="agent_create", summary="Create an agent")
def create(body: AgentRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """With an account in each asset of its program. It spends nothing until two people grant it a mandate."""

    def act(conn: Connection[Any]) -> Done:
        made = create_agent(conn, call.make_id("agent"), body.program_id, name=body.name.strip(), actor=call.actor, now=call.now)
        return Done(made.id, AgentCreated.of(made), 201)

    return call.write("agent.create", act, asked=body)


@router.get("/agents/{id}/verify", response_model=AgentCheckView, operation_id="agent_check", summary="Verify an agent")
def verify(id: AgentId, call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: A002
    """Its balances against its postings, its transactions and its promises."""
    with call.reading() as conn:
        [found] = verify_agents(conn, [id], now=call.now)
    return answer(AgentCheckView.of(found))


@router.get("/agents/{id}/explain", response_model=AgentExplained, operation_id="agent_explain", summary="Explain an agent's money")
def explain(id: AgentId, call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: A002
    """Symptom, cause and resolution of all that is wrong: a duplicate credit, an orphaned debit, a coordinator that does not go on,
    carbon figures that lag."""
    with call.reading() as conn:
        one = show_agent(conn, id)
        [found] = verify_agents(conn, [id], now=call.now)
        carbon = call.services.wiring.carbon
        grams = explain_agent(conn, carbon, id, now=call.now)
    not_looked_at = [] if carbon.source else ["carbon since the source was heard last: no source of its figures is set up"]
    return answer(
        AgentExplained(
            agent_id=one.id,
            name=one.name,
            state=one.state,
            findings=AgentFindingView.each([*found.findings, *grams]),
            looked_at=[*LOOKED_AT, f"carbon of today and the {len(days_looked_at(carbon, call.now))} days before"],
            not_looked_at=not_looked_at,
            checked_at=found.checked_at,
        )
    )
