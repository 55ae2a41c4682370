"""What a person asks of payouts: where they stand, how old the open ones are, and which need somebody. Select only, bounded."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.base.money import Money
from counterfoil.payouts.machines import PAYOUT, RESERVED
from counterfoil.payouts.payouts.payable import PAYABLE
from counterfoil.payouts.payouts.payout_rules import TRIES_MAX
from counterfoil.payouts.payouts.verbs import STATES
from counterfoil.payouts.return_reasons import ReturnReason, reason_in

GROUPS_MAX: Final = 500

Need = Literal["conflict", "in_doubt", "quarantined", "failed", "returned", "owed", "waiting"]


class PayoutsInState(NamedTuple):
    """Payouts in one state: those created in the span, and of the open states all there are, with the oldest of them."""

    state: str
    is_open: bool
    number: int
    amount: Money
    open_number: int
    open_amount: Money
    oldest_at: datetime | None


class PayoutInNeed(NamedTuple):
    """A payout that a person should look at, and why; `total` counts all of its kind. `tries_left`: may it be retried?

    `told`: the amount that the provider speaks of, for a conflict.
    """

    id: str
    program_id: str
    payee_id: str
    amount: Money
    since: datetime
    why: str | None
    tries_left: bool
    told: Money | None
    total: int
    reason: ReturnReason | None = None  # the bank's or provider's, while it stands
    called: bool = True  # only one that a person stopped may never have been


def payouts_by_state(conn: Connection[Any], *, start: datetime, end: datetime, program_id: str | None = None) -> list[PayoutsInState]:
    """Payouts created from `start` until before `end` by the state they are in now, beside all that are open whatever their age."""
    rows = conn.execute(
        """with counted as (
               select state, asset, amount, created_at, created_at >= %(start)s and created_at < %(end)s as in_span,
                      state = any(%(open)s) as is_open
               from payout
               where (state = any(%(open)s) or (created_at >= %(start)s and created_at < %(end)s))
                 and (%(program)s::text is null or program_id = %(program)s))
           select state, asset, bool_or(is_open), count(*) filter (where in_span),
                  coalesce(sum(amount) filter (where in_span), 0)::bigint, count(*) filter (where is_open),
                  coalesce(sum(amount) filter (where is_open), 0)::bigint, min(created_at) filter (where is_open)
           from counted group by state, asset
           order by asset, array_position(%(order)s::text[], state) limit %(rows_max)s""",
        {
            "start": start,
            "end": end,
            "open": list(PAYOUT.open),
            "program": program_id,
            "order": list(STATES),
            "rows_max": GROUPS_MAX,
        },
    ).fetchall()
    return [PayoutsInState(row[0], row[2], row[3], Money(row[4], row[1]), row[5], Money(row[6], row[1]), row[7]) for row in rows]


class FlightOfAge(NamedTuple):
    """Payouts of one asset that have been under way for so long: `age` is the place in `IN_FLIGHT_AGES`."""

    age: int
    number: int
    amount: Money


# How long a payout is under way: in words, from how many seconds on, and whether it is late.
IN_FLIGHT_AGES: Final = (
    ("under 10 min", 0, False),
    ("10 min to 1 h", 600, False),
    ("1 to 24 h", 3_600, False),
    ("over 24 h", 86_400, True),
)


def payouts_in_flight(conn: Connection[Any], *, now: datetime, program_id: str | None = None) -> list[FlightOfAge]:
    """Payouts whose money is set aside for an attempt that has not ended, by the age of that attempt and by asset."""
    rows = conn.execute(
        f"""select width_bucket(extract(epoch from %(now)s - coalesce(pp.created_at, p.state_at)), %(from)s::numeric[]) as age,
                   count(*), sum(p.amount)::bigint, p.asset
            from payout p {_LAST_TRY} where p.state = any(%(states)s) and {_OF_PROGRAM}
            group by age, p.asset order by age, p.asset limit %(rows_max)s""",
        {
            "now": now,
            "from": [one[1] for one in IN_FLIGHT_AGES[1:]],
            "states": list(RESERVED),
            "program": program_id,
            "rows_max": GROUPS_MAX,
        },
    ).fetchall()
    return [FlightOfAge(row[0], row[1], Money(row[2], row[3])) for row in rows]


def payouts_in_need(
    conn: Connection[Any],
    need: Need,
    *,
    rows_max: int,
    program_id: str | None = None,
    payout_id: str | None = None,
) -> list[PayoutInNeed]:
    """Payouts with one kind of need, the oldest first, whatever their day: each is open until somebody or something ends it; of one
    payout, whether it has that need.

    `conflict`: two words about an attempt exclude each other; such a payout is not `in_doubt` as well. `returned` and `failed` are
    over once a later payout was issued for the same settlement. `quarantined`: a person stopped an attempt. `owed`: it is over, cancelled
    or paid in part, nothing pays the rest, and its amount is that rest.
    """
    rows = conn.execute(
        _NEEDS[need],
        {"program": program_id, "payout": payout_id, "rows_max": rows_max, "tries_max": TRIES_MAX},
    ).fetchall()
    return [
        PayoutInNeed(
            id=row[0],
            program_id=row[1],
            payee_id=row[2],
            amount=Money(row[3], row[4]),
            since=row[5],
            why=row[6],
            tries_left=row[7],
            told=Money(int(row[8]), row[9]) if row[8] else None,
            total=row[10],
            reason=_standing_reason(row[6], row[11]) if need in ("failed", "returned") else None,
            called=len(row) <= 12 or bool(row[12]),
        )
        for row in rows
    ]


def _standing_reason(why: str | None, redirected: bool) -> ReturnReason | None:
    """What was the account's reason is none any more once the payee has a newer destination than the one that it went to."""
    told = reason_in(why)
    return None if told is not None and told.is_accounts and redirected else told


_OF_PROGRAM: Final = "(%(program)s::text is null or p.program_id = %(program)s)"
_WHICH: Final = f"{_OF_PROGRAM} and (%(payout)s::text is null or p.id = %(payout)s)"
_LAST_TRY: Final = """left join lateral (select number, last_error, created_at from provider_payout
                       where payout_id = p.id order by number desc limit 1) pp on true"""
_NO_LATER_ONE: Final = """not exists (select from payout later
                           where later.settlement_id = p.settlement_id and later.reissue > p.reissue)"""
_TRIES: Final = "(select count(*) from provider_payout one where one.payout_id = p.id and one.state <> 'cancelled')"
_REDIRECTED: Final = """exists (select from destination d where (d.program_id, d.payee_id) = (p.program_id, p.payee_id)
                           and d.ended_at is null and d.created_at > pp.created_at)"""
# Cut short by a word about less, or cancelled: both are few, and only they can leave something that nothing pays by itself.
CUT_SHORT: Final = """(select id from payout where state = 'cancelled'
                      union select payout_id from provider_payout where paid < amount)"""
OVER_AND_OWED: Final = f"""t.id in {CUT_SHORT} and t.state in {listed(PAYOUT.after("cancel", "complete"))}
    and not exists (select from payout later where later.settlement_id = t.settlement_id and later.reissue > t.reissue)
    and (select {PAYABLE} from payout o where o.settlement_id = t.settlement_id) > 0"""
_NEEDS: Final = {
    "failed": f"""select p.id, p.program_id, p.payee_id, p.amount, p.asset, p.state_at, coalesce(p.last_error, pp.last_error),
                         {_TRIES} < %(tries_max)s, null, null, count(*) over (),
                         {_REDIRECTED}
                  from payout p {_LAST_TRY} where p.state = 'failed' and {_NO_LATER_ONE} and {_WHICH}
                  order by p.state_at, p.id limit %(rows_max)s""",
    "in_doubt": f"""select p.id, p.program_id, p.payee_id, p.amount, p.asset, p.state_at, pp.last_error, false, null, null, count(*) over ()
                    from payout p {_LAST_TRY} where p.state = 'reconcile_required' and {_WHICH}
                      and not exists (select from provider_conflict c join provider_payout one on one.id = c.provider_payout_id
                                      where one.payout_id = p.id and c.state = 'open')
                    order by p.state_at, p.id limit %(rows_max)s""",
    "quarantined": f"""select p.id, p.program_id, p.payee_id, p.amount, p.asset, pp.state_at, pp.last_error, false, null, null,
                              count(*) over (), false, exists (select from call where subject_id = pp.id)
                       from payout p join provider_payout pp on pp.payout_id = p.id and pp.state = 'quarantined' where {_WHICH}
                       order by pp.state_at, p.id limit %(rows_max)s""",
    "waiting": f"""select p.id, p.program_id, p.payee_id, p.amount, p.asset, p.created_at, p.last_error, false, null, null, count(*) over ()
                   from payout p where p.state = 'pending' and (p.due_at is null or p.last_error is not null) and {_WHICH}
                   order by p.created_at, p.id limit %(rows_max)s""",
    "returned": f"""select p.id, p.program_id, p.payee_id, p.amount, p.asset, p.state_at, pp.last_error, false, null, null,
                           count(*) over (), {_REDIRECTED}
                    from payout p {_LAST_TRY}
                    where p.state = 'returned' and {_NO_LATER_ONE} and {_WHICH}
                    order by p.state_at, p.id limit %(rows_max)s""",
    "owed": f"""select p.id, p.program_id, p.payee_id, owed.amount, p.asset, p.state_at,
                       case p.state when 'cancelled' then 'it was cancelled' else 'it paid less than is owed' end, false, null, null,
                       count(*) over ()
                from {CUT_SHORT} cut
                join payout p on p.id = cut.id and p.state in {listed(PAYOUT.after("cancel", "complete"))}
                cross join lateral (select {PAYABLE} as amount from payout o where o.settlement_id = p.settlement_id) owed
                where owed.amount > 0 and {_NO_LATER_ONE} and {_WHICH}
                order by p.state_at, p.id limit %(rows_max)s""",
    "conflict": f"""select p.id, p.program_id, p.payee_id, p.amount, p.asset, c.at,
                           'the provider says ' || coalesce(c.fact ->> 'status', c.said), false, c.fact ->> 'amount',
                           c.fact ->> 'asset', count(*) over ()
                    from provider_conflict c
                    join provider_payout pp on pp.id = c.provider_payout_id
                    join payout p on p.id = pp.payout_id
                    where c.state = 'open' and {_WHICH}
                    order by c.at, c.provider_payout_id limit %(rows_max)s""",
}
