"""What becomes of fees. Moved here, and summed up from the postings of the books, never from a figure that somebody keeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import told_amount
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.rows import Records
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import TREASURY_DISTRIBUTE, TREASURY_WITHDRAW
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.ledger.reads.balances import balance
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey, between_amounts, between_moments
from counterfoil.settlement.usage.usage import assets_of

EVENT_KINDS: Final = declare(
    info={"treasury_distribution": "Fees were paid to validators."},
    critical={"treasury_withdrawal": "The house withdrew fees that it earned; two people agreed."},
)
SPACES: Final = {"distribution": TREASURY_DISTRIBUTE, "withdrawal": TREASURY_WITHDRAW}
LINES: Final = {"distribution": ("payable:validator", "cash:bank:client"), "withdrawal": ("cash:bank:own", "cash:bank:client")}


class TreasuryHoldsLess(Problem):
    """The treasury does not hold so much."""

    amounts = ("held", "asked")


class Validators(NamedTuple):
    """What is owed to validators and not held, and what they owe since it went back after they were paid; minor units."""

    payable: int
    receivable: int


class TreasuryMovement(NamedTuple):
    """Fees that were distributed to validators, or withdrawn; minor units."""

    id: str
    program_id: str
    asset: str
    kind: str
    amount: int
    reference: str
    reason: str
    actor: str
    at: datetime


class TreasurySummary(NamedTuple):
    """Fees of a range in one asset, from the postings; minor units. Of each: opening + in - given back - out = held.

    `given_back`: with refunds; `validator_held` is below nothing while validators owe what they were paid. `withdrawn` is taken
    from what the platform earned, `distributed` from what is owed to validators.
    `adds_up`: the range continued to this moment gives the balances of both accounts.
    """

    asset: str
    opening: int
    fees_in: int
    given_back: int
    withdrawn: int
    held: int
    validator_opening: int
    validator_in: int
    validator_given_back: int
    distributed: int
    validator_held: int
    adds_up: bool


def move_fees(conn: Connection[Any], one: TreasuryMovement) -> TreasuryMovement:
    """Distribute to validators, or withdraw: one row, one journal, one event. Raises InvalidInput for an asset without books or a reference
    that was used, TreasuryHoldsLess. A withdrawal is refused by the database unless two people agreed on exactly this."""
    assets = assets_of(conn, one.program_id)
    if one.asset not in assets:
        raise InvalidInput("asset", f"one of {', '.join(sorted(assets))}", got=one.asset[:12])
    validators = owed_to_validators(conn, one.program_id, one.asset)
    held = _earned(conn, one) if one.kind == "withdrawal" else validators.payable - validators.receivable
    if one.amount > held:
        raise TreasuryHoldsLess(program=one.program_id, asset=one.asset, movement=one.kind, held=max(0, held), asked=one.amount)
    used = conn.execute(
        """insert into treasury_movement (id, program_id, asset, kind, amount, reference, reason, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (program_id, reference) do nothing""",
        one,
    ).rowcount
    if not used:
        asked = "select kind || ' ' || id from treasury_movement where (program_id, reference) = (%s, %s)"
        row = conn.execute(asked, [one.program_id, one.reference]).fetchone()
        other = row[0] if row else "another one"
        raise InvalidInput("reference", f"one that no other movement has; {other} has it", got=one.reference[:40])
    space = SPACES[one.kind]
    owing = validators.receivable if one.kind == "distribution" else 0
    netted = [("payable:validator", "receivable:validator", owing)] if owing else []
    journal = NewJournal(
        key=space.key(one.id),
        kind=space.kind or "",
        lines=[(*LINES[one.kind], one.amount), *netted],
        asset=one.asset,
        actor=one.actor,
        narrative=one.reason,
        source=("treasury_movement", one.id),
        space=space,
    )
    post_all(conn, [ProgramJournal(one.program_id, journal)], now=one.at)
    told = {"amount": str(one.amount), "asset": one.asset, "reference": one.reference, "reason": one.reason, "by": one.actor}
    emit(conn, [NewEvent(f"treasury_{one.kind}", one.program_id, one.id, told)], at=one.at)
    return one


class PaidFrom(NamedTuple):
    """The account that a movement is paid from, and its balance with it; minor units. `told`: the same for people."""

    account: str
    balance: int
    told: str


def paid_from(conn: Connection[Any], one: TreasuryMovement) -> PaidFrom:
    """What the movement just made leaves where it was paid from. Below zero is booked, too: the bank may know more than the books."""
    account = LINES[one.kind][1]
    left = balance(conn, one.program_id, account, asset=one.asset).minor
    told = f"{account} is at {told_amount(conn, left, one.asset)} with it"
    if left < 0:
        told += ": below zero. More has left it than the books know to have come in; see first whether a receipt is not booked yet"
    return PaidFrom(account, left, f"{told}.")


def owed_to_validators(conn: Connection[Any], program_id: str, asset: str) -> Validators:
    """What is owed to validators and what they owe, locked: until the transaction ends nobody else distributes or takes of it.

    A refund takes this lock after all its others but those of accounts.
    """
    conn.execute("select pg_advisory_xact_lock(hashtextextended('treasury:' || %s || ':' || %s, 0))", [program_id, asset])
    row = conn.execute(
        """select coalesce(sum(a.credits - a.debits - a.debits_pending) filter (where a.name = 'payable:validator'), 0)::bigint,
                  coalesce(sum(a.debits - a.credits) filter (where a.name = 'receivable:validator'), 0)::bigint
           from account a join book b on b.id = a.book_id
           where b.program_id = %s and b.asset = %s and a.name in ('payable:validator', 'receivable:validator')""",
        [program_id, asset],
    ).fetchone()
    assert row is not None
    return Validators(*row)


def _earned(conn: Connection[Any], one: TreasuryMovement) -> int:
    row = conn.execute("select treasury_held(%s, %s)::bigint", [one.program_id, one.asset]).fetchone()
    assert row is not None
    return int(row[0])


MOVEMENTS: Final = Records(TreasuryMovement, f"select {', '.join(TreasuryMovement._fields)} from treasury_movement", "treasury movement")
MOVEMENT_LIST: Final = PlainList(
    "treasury",
    "trm",
    "treasury_movement",
    MOVEMENTS.by_id,
    (SortKey("at", datetime), SortKey("amount", int, money=True)),
    (
        Narrow("kind", "t.kind = %(kind)s", "Only distributions, or only withdrawals.", "choice", choices=tuple(SPACES)),
        *between_moments("at", "made"),
        *between_amounts("amount"),
    ),
)


def summarize(conn: Connection[Any], program_id: str, *, start: datetime, end: datetime) -> list[TreasurySummary]:
    """Fees of a range by asset, by when they were effective, end not included; assets in which there never were any are left out."""
    rows = conn.execute(_SUMMARY, {"program": program_id, "start": start, "end": end}).fetchall()
    return [_summary(*row) for row in rows]


def _summary(
    asset: str, platform: list[int], validator: list[int], withdrawn: list[int], distributed: list[int], tied: bool
) -> TreasurySummary:
    """From the sums [before, credited in the range, debited in the range] of both accounts, and [before, in the range] of what went out."""
    before, fees_in, back = platform
    opening = before - withdrawn[0]
    theirs, theirs_in, theirs_out = validator
    return TreasurySummary(
        asset,
        opening,
        fees_in,
        back,
        withdrawn[1],
        opening + fees_in - back - withdrawn[1],
        theirs,
        theirs_in,
        theirs_out - distributed[1],
        distributed[1],
        theirs + theirs_in - theirs_out,
        tied,
    )


_SUMMARY: Final = """
    with side as (
        select b.asset, a.id, case a.name when 'fee:platform' then a.name else 'payable:validator' end as name,
               a.credits - a.debits as balance
        from account a join book b on b.id = a.book_id
        where b.program_id = %(program)s and a.name in ('fee:platform', 'payable:validator', 'receivable:validator')
    ), moved as (  -- not what validators were owed and what they owed, set against each other
        select s.asset, s.name, p.effective_at, p.amount, p.credit = s.id as credited
        from side s join posting p on s.id in (p.debit, p.credit)
        where not exists (select from side o where o.name = s.name and o.id <> s.id and o.id in (p.debit, p.credit))
    ), out as (
        select b.asset, j.kind, p.effective_at, p.amount
        from journal j join book b on b.id = j.book_id join posting p on p.journal_id = j.id join account c on c.id = p.credit
        where j.program_id = %(program)s and j.kind in ('treasury_withdrawal', 'treasury_distribution')
              and j.source_type = 'treasury_movement' and c.name <> 'receivable:validator'
    ), summed as (
        select asset, name,
               array[coalesce(sum(case when credited then amount else -amount end) filter (where effective_at < %(start)s), 0),
                     coalesce(sum(amount) filter (where credited and effective_at >= %(start)s and effective_at < %(end)s), 0),
                     coalesce(sum(amount) filter (where not credited and effective_at >= %(start)s and effective_at < %(end)s), 0)
               ]::bigint[] as sums,
               coalesce(sum(case when credited then amount else -amount end), 0) as total
        from moved group by asset, name
    ), gone as (
        select asset, kind, array[coalesce(sum(amount) filter (where effective_at < %(start)s), 0),
                                  coalesce(sum(amount) filter (where effective_at >= %(start)s and effective_at < %(end)s), 0)
                            ]::bigint[] as sums
        from out group by asset, kind
    )
    select asset,
           coalesce((select sums from summed s where (s.asset, s.name) = (x.asset, 'fee:platform')), '{0,0,0}'),
           coalesce((select sums from summed s where (s.asset, s.name) = (x.asset, 'payable:validator')), '{0,0,0}'),
           coalesce((select sums from gone g where (g.asset, g.kind) = (x.asset, 'treasury_withdrawal')), '{0,0}'),
           coalesce((select sums from gone g where (g.asset, g.kind) = (x.asset, 'treasury_distribution')), '{0,0}'),
           not exists (select from (select asset, name, sum(balance) as balance from side group by asset, name) s
                       left join summed t using (asset, name)
                       where s.asset = x.asset and s.balance <> coalesce(t.total, 0))
    from (select distinct asset from side) x order by asset"""
