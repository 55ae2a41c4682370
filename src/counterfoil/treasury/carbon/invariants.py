"""What must always hold of carbon."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "CARBON_TIE",
        "Are the grams of every carbon account those of the emissions, credits and retirements on record?",
        """with wanted as (
               select program_id, 'carbon:agent:' || agent_id as name, sum(grams) as grams from carbon_posting group by 1, 2
               union all
               select program_id, 'carbon:retired:' || coalesce(agent_id, 'house'), sum(grams) from carbon_retirement group by 1, 2
               union all
               select program_id, 'carbon:held', sum(grams) from (
                   select program_id, (last_serial - first_serial + 1) * grams_each as grams from carbon_credit
                   union all select program_id, -grams from carbon_retirement) h group by 1
           ), booked as (
               select b.program_id, a.name, a.credits - a.debits as grams from account a join book b on b.id = a.book_id
               where b.asset = 'CO2E' and (a.name = 'carbon:held' or a.name like 'carbon:agent:%' or a.name like 'carbon:retired:%')
           )
           select name, program_id, w.grams, b.grams from wanted w full join booked b using (program_id, name)
           where coalesce(w.grams, 0) <> coalesce(b.grams, 0)""",
        "warning",
        "Emissions or credits are booked that nobody reported, or are not booked.",
        "P12",
    ),
    Invariant(
        "CARBON_FIGURES",
        "Do the figures of every agent, region and day follow one another without a gap?",
        """select id, program_id, agent_id, region, day from (
               select p.*, row_number() over w as nth, sum(grams) over w as running from carbon_posting p
               window w as (partition by agent_id, region, day order by number)) p
           where number <> nth or total <> running""",
        "warning",
        "Grams were changed by no sync.",
        "P2",
    ),
    Invariant(
        "CARBON_SERIALS",
        "Was every serial bought once, and retired once at most, by who bought it?",
        """select c.id, c.program_id, o.id from carbon_credit c join carbon_credit o
               on (o.registry, o.series) = (c.registry, c.series) and o.id > c.id
                  and o.first_serial <= c.last_serial and o.last_serial >= c.first_serial
           union all
           select r.id, r.program_id, o.id from carbon_retirement r join carbon_retirement o
               on o.credit_id = r.credit_id and o.id > r.id and o.first_serial <= r.last_serial and o.last_serial >= r.first_serial
           union all
           select r.id, r.program_id, c.id from carbon_retirement r join carbon_credit c on c.id = r.credit_id
           where r.first_serial < c.first_serial or r.last_serial > c.last_serial or r.program_id <> c.program_id
              or r.grams <> (r.last_serial - r.first_serial + 1) * c.grams_each""",
        "critical",
        "A credit counts twice.",
        "P5",
    ),
)
MONITORS: Final = (
    Invariant(
        "CARBON_BILLED",
        "Do the grams of every region and day that the source billed, and may no longer change, agree with its bills?",
        """with over as (
               select b.program_id, d::date as day, min(b.source || ' ' || b.reference) as reference
               from carbon_bill b, generate_series(b.first_day, b.last_day, '1 day') d group by 1, 2 having max(b.final_at) <= %(now)s
           ), billed as (
               select l.program_id, l.region, l.day, sum(l.grams) as grams from carbon_bill_line l join over using (program_id, day)
               group by 1, 2, 3
           ), booked as (
               select c.program_id, c.region, c.day, sum(c.grams) as grams from carbon_posting c join over using (program_id, day)
               group by 1, 2, 3
           )
           select o.reference, program_id, f.region, day, f.billed, f.booked from (
               select program_id, region, day, coalesce(d.grams, 0) as billed, coalesce(k.grams, 0) as booked
               from billed d full join booked k using (program_id, region, day)) f join over o using (program_id, day)
           where f.billed <> f.booked""",
        "warning",
        "The source bills other emissions than are booked.",
        "P9",
        monitor=True,
    ),
)
