"""Faults to plant among agents and their transactions; see `planted`. The books have one transaction that was committed, one that was
aborted, one that is prepared, and one that two people forced."""

from __future__ import annotations

from typing import Final

AGENTS: Final[dict[str, dict[str, str]]] = {
    "AGENT_ACCOUNTS": {
        "a frozen agent's account is let go": "update account set frozen = false where name like 'treasury:agent:%' and frozen",
        "an agent with money is called closed": "update agent set state = 'closed' where state = 'active'",
    },
    "AGENT_MANDATES": {
        "a mandate is taken out": "delete from agent_mandate where number = 1",
        "a mandate is of another program": """insert into program (id, name, opened_at) values ('thief', 'x', now());
            update agent_mandate set program_id = 'thief'""",
    },
    "CARBON_TIE": {
        "a figure is taken out": "delete from carbon_posting where number = 1",
        "a retirement is made larger": "update carbon_retirement set grams = grams + 1",
        "a credit is taken out": "delete from carbon_credit",
    },
    "CARBON_BILLED": {
        "the source bills what is not in the books": """insert into carbon_bill_line (bill_id, program_id, region, day, watt_hours, grams)
            select id, program_id, 'FR', first_day, 1, 1 from carbon_bill""",
        "grams of a day are not on its bill": "update carbon_posting set day = (select first_day from carbon_bill)",
    },
    "CARBON_FIGURES": {
        "a figure is made larger": "update carbon_posting set total = total + 1",
    },
    "CARBON_SERIALS": {
        "serials are bought twice": """insert into carbon_credit select id || 'x', program_id, registry, series, first_serial, last_serial,
            grams_each, vintage, reference, reason, actor, at from carbon_credit""",
        "serials are retired twice": """insert into carbon_retirement select id || 'x', program_id, credit_id, first_serial, last_serial,
            agent_id, grams, reason, actor, at from carbon_retirement""",
    },
    "TRANSACTION_ATOMIC": {
        "one applied, and the other released": """update two_phase_outcome set outcome = 'released', journal_id = null
            where outcome = 'applied' and number = 1""",
        "a decision is turned round": "update two_phase_decision set decision = 'abort', cause = 'time_out' where decision = 'commit'",
        "a decision is taken out": "delete from two_phase_decision where decision = 'commit'",
    },
    "TRANSACTION_DECIDED_RIGHTLY": {
        "a promise is taken out from below its decision": """delete from two_phase_vote v using two_phase_decision d
            where d.transaction_id = v.transaction_id and d.decision = 'commit' and v.number = 2""",
        "a prepared one is called committed": "update two_phase set state = 'committed' where state = 'prepared'",
        "an outcome is taken out": "delete from two_phase_outcome where outcome = 'applied' and number = 2",
    },
    "TRANSACTION_BALANCED": {
        "somebody pays more": "update two_phase_participant set amount = amount + 1 where side = 'debit'",
        "a participant is taken out": "delete from two_phase_participant where number = 2",
    },
    "TRANSACTION_PROMISES_STAND": {
        "a promise is given back by hand": """insert into hold_resolution (hold_id, verb, amount, resolved_at, actor)
            select v.hold_id, 'void', 0, now(), 'x' from two_phase_vote v join two_phase t on t.id = v.transaction_id
            where t.state = 'prepared'""",
        "a promise holds less": "update hold set amount = amount - 1 where source_type = 'two_phase'",
        "a promise expires": "update hold set promised = false where source_type = 'two_phase'",
        "a vote is taken out and its hold stays": "delete from two_phase_vote where vote = 'yes'",
    },
    "TRANSACTION_LEDGER_TIE": {
        "a credit is booked for another one": """update journal set source_id = (
            select max(source_id) from journal where source_type = 'two_phase') where source_type = 'two_phase'""",
        "an outcome names another journal": "update two_phase_outcome set journal_id = gen_random_uuid() where outcome = 'applied'",
        "a journal is taken out": "delete from journal where source_type = 'two_phase'",
        "money stays between agents": "update account set credits = credits + 5 where name = 'two_phase'",
    },
    "AGENT_WITHIN_MANDATE": {
        "a mandate was smaller": "update agent_mandate set per_transaction = 1",
        "a mandate was not there": "update agent_mandate set number = number + 100",
    },
    "TRANSACTION_FORCED_WAS_VERIFIED": {
        "nobody looked after it was forced": "delete from two_phase_check",
        "what was found was not in order": "update two_phase_check set agrees = false",
    },
}
