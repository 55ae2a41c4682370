"""What must always hold between payouts and what was ordered, seen and paid for on a chain."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed
from counterfoil.operations.providers.chain import NAME
from counterfoil.operations.providers.chain.sightings import NOTHING_MOVED
from counterfoil.payouts.machines import GIVEN_BACK, PAID

INVARIANTS: Final = (
    Invariant(
        "CHAIN_ORDER_TIE",
        "Is each order on a chain the payout attempt that it was given for, in amount, asset and outcome, and each nonce of one order?",
        f"""select o.key, coalesce(p.id, 'no attempt'), o.asset || ' ' || o.amount, p.asset || ' ' || p.amount
            from chain_order o left join provider_payout p on p.id = o.reference
            where (p.provider, p.idempotency_key, p.asset, p.amount) is distinct from ('{NAME}', o.key, o.asset, o.amount)
            union all
            select o.key, p.id, 'final: ' || case when s.succeeded then 'paid' else 'moved nothing' end, p.state
            from chain_order o join provider_payout p on p.id = o.reference
            cross join lateral (select state, succeeded from chain_sighting where key = o.key order by number desc limit 1) s
            where s.state = 'final' and case when not s.succeeded then p.state in {listed(PAID)}
                  -- what a receipt calls a success is none where the token says that it moved nothing
                  else p.state in {listed(GIVEN_BACK)} and coalesce(p.last_error, '') not like '%%{NOTHING_MOVED}%%' end
              and not exists (select from provider_conflict c where c.provider_payout_id = p.id)
            union all
            select p.idempotency_key, p.id, 'no order', p.state
            from provider_payout p left join chain_order o on o.key = p.idempotency_key
            where p.provider = '{NAME}' and o.key is null and p.state in {listed(PAID)}
            union all
            select s.address, 'the next nonce', s.next_nonce::text, 'after ' || max(o.nonce)
            from chain_sender s join chain_order o on (o.chain_id, o.sender) = (s.chain_id, s.address)
            group by s.chain_id, s.address, s.next_nonce having s.next_nonce <= max(o.nonce)""",
        "critical",
        "What was signed for a chain is not what the books say was paid.",
        "P6",
    ),
    Invariant(
        "CHAIN_GAS_TIE",
        "Is the gas of every order booked as the chain told it, once?",
        """with booked as (select source_id as reference, sum(case when d.name = 'gas' then t.amount else -t.amount end)::bigint as minor
                           from journal j join posting t on t.journal_id = j.id join account d on d.id = t.debit
                           where j.kind = 'chain_gas' group by source_id),
                counted as (select o.reference, sum(g.wei) as wei, sum(g.minor)::bigint as minor
                            from chain_gas g join chain_order o using (key) group by o.reference),
                told as (select distinct on (o.reference) o.reference, s.gas_wei as wei
                         from chain_order o join chain_sighting s using (key)
                         where s.state = 'final' order by o.reference, s.number desc)
           select reference, 'counted ' || c.minor, 'booked ' || b.minor from counted c full join booked b using (reference)
           where coalesce(c.minor, 0) <> coalesce(b.minor, 0)
           union all
           select reference, 'told ' || t.wei, 'counted ' || coalesce(c.wei, 0) from told t left join counted c using (reference)
           where t.wei is distinct from c.wei""",
        "critical",
        "Gas was booked twice, or not, or of another amount than the chain took.",
        "P6",
    ),
)
