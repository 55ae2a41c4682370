"""What must always hold of agents."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "AGENT_ACCOUNTS",
        "Is every account of a frozen agent frozen, and every account of a closed one closed and empty?",
        """select g.id, g.state, b.asset, a.frozen, a.closed, a.credits - a.debits
           from agent g join book b on b.program_id = g.program_id
           join account a on a.book_id = b.id and a.name = 'treasury:agent:' || g.id
           where case g.state when 'frozen' then not a.frozen
                              when 'closed' then not a.closed or a.credits <> a.debits else a.closed end""",
        "critical",
        "Money can leave an agent that was stopped, or lies where nobody can reach it.",
        "P12",
    ),
    Invariant(
        "AGENT_MANDATES",
        "Do every agent's mandates follow one another without a gap, in an asset and among agents of its program?",
        """select m.id, m.agent_id, m.number from (
               select m.*, row_number() over (partition by agent_id order by at, number) as nth from agent_mandate m) m
           join agent a on a.id = m.agent_id
           left join agent c on c.id = m.counterparty_id
           where m.number <> m.nth or m.program_id <> a.program_id or c.program_id <> a.program_id
              or not exists (select from book b where (b.program_id, b.asset) = (a.program_id, m.asset))""",
        "critical",
        "What an agent may spend was set by no rule.",
        "P16",
    ),
)
