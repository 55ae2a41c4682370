"""Creating an agent."""

from __future__ import annotations

from typing import Final

from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.acts import Act, ActCall, ActDone
from counterfoil.operations.verbs import Field
from counterfoil.treasury.agents.agents import create_agent


def _create(one: ActCall) -> ActDone:
    taken = one.taken
    made = create_agent(one.conn, one.make_id("agent"), taken["program_id"], name=taken["name"], actor=one.by.actor, now=one.now)
    return ActDone(made.id, f"{made.name} has an empty account in each asset of {taken['program_id']}.", made=made)


CREATE_AGENT: Final = Act(
    "agent.create",
    "create",
    "Create an agent",
    "With an account in each asset of its program. It spends nothing until two people grant it a mandate.",
    "/agents",
    _create,
    (Field("program_id", "Of this program.", "program"), Field("name", "One of its program.", example="buyer", length_max=100)),
    area="agents",
    permission=OPERATE,
    keyed=True,
    whole=False,
)
