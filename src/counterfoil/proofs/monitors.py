"""What must hold of the log and of proofs in time: what is recorded is signed and leaves the database, and no period is without a proof."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

LEFT_WITHIN: Final = "interval '15 minutes'"
EXPORTED_WITHIN: Final = "interval '2 days'"  # after the end of a month
SIGNED_WITHIN: Final = "interval '7 days'"

MONITORS: Final = (
    Invariant(
        "CHECKPOINT_BEHIND",
        "Is everything in the log signed by a checkpoint that has left the database within 15 minutes?",
        f"""with signed as (select coalesce(max(size), 0) as size from log_checkpoint),
                 outside as (select coalesce(max(size), 0) as size from log_left)
            select 'the log' as what, 'not signed' as why, s.size, e.recorded_at as since
            from signed s join log_entry e on e.index = s.size where e.recorded_at < %(now)s - {LEFT_WITHIN}
            union all
            select 'the log', 'did not leave the database', o.size, min(c.at)
            from outside o join log_checkpoint c on c.size > o.size group by o.size having min(c.at) < %(now)s - {LEFT_WITHIN}""",
        "warning",
        "Whoever owns the database could rewrite what was recorded since, and nothing outside would tell: see the job `log` and the folder "
        "of proofs.",
        "P2",
        monitor=True,
    ),
    Invariant(
        "PROOF_GAP",
        "Has every month its proof within two days, signed within seven, each going on where the one before ended?",
        f"""select 'proofs' as what, 'not made' as why, max(p.to_at) as since,
                   date_trunc('month', (%(now)s - {EXPORTED_WITHIN}) at time zone 'UTC') at time zone 'UTC' as until
            from proof p
            having (select min(opened_at) from program)
                       < date_trunc('month', (%(now)s - {EXPORTED_WITHIN}) at time zone 'UTC') at time zone 'UTC'
               and coalesce(max(p.to_at), '-infinity')
                       < date_trunc('month', (%(now)s - {EXPORTED_WITHIN}) at time zone 'UTC') at time zone 'UTC'
            union all
            select id, 'a gap before it', before, from_at from (
                select id, from_at, max(to_at) over (order by from_at, id rows between unbounded preceding and 1 preceding) as before
                from proof) p where from_at > before
            union all
            select id, 'not signed', created_at, null from proof where state = 'waiting' and created_at < %(now)s - {SIGNED_WITHIN}""",
        "warning",
        "For a time nobody outside could prove what the books said: export the period, and have it signed.",
        "P2",
        monitor=True,
    ),
)
