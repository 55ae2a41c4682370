"""What must always hold between the treasury of fees and the ledger."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "TREASURY_LEDGER_TIE",
        "Did every distribution and every withdrawal of fees move just its money, and nothing else of that kind?",
        """with expected as (
               select id, program_id, asset, 'treasury_' || kind as kind, 'cash:bank:client' as credit, amount,
                      case kind when 'distribution' then 'payable:validator' else 'cash:bank:own' end as debit
               from treasury_movement
           ), booked as (
               select j.source_id as id, b.program_id, b.asset, j.kind, d.name as debit, c.name as credit, sum(t.amount) as amount
               from journal j join posting t on t.journal_id = j.id join account d on d.id = t.debit join account c on c.id = t.credit
               join book b on b.id = j.book_id
               where j.source_type = 'treasury_movement' and starts_with(j.kind, 'treasury_')
                     and not (j.kind = 'treasury_distribution' and (d.name, c.name) = ('payable:validator', 'receivable:validator'))
               group by j.source_id, b.program_id, b.asset, j.kind, d.name, c.name
           )
           select coalesce(e.id, b.id), coalesce(e.kind, b.kind), e.amount, b.amount
           from expected e full join booked b using (id, program_id, asset, kind, debit, credit)
           where e.amount is distinct from b.amount""",
        "critical",
        "Fees left the treasury otherwise than its record says.",
        "P12",
    ),
)
