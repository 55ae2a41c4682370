"""What becomes of commissions: refunds take them back, time lets them mature, and what matured is paid out together.

What was taken back always follows from the refunds that are there, so it is worked out again before a commission matures or is paid: an
event that comes late takes nothing twice, and lets nothing through.

The order of locks, everywhere: commissions in id order, then affiliates in id order, then accounts, each once in a transaction. Who pays
has claimed the affiliates first, so it takes the commissions that nobody holds, never waits for one, and comes back for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Move, take_step, take_steps
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import COMMISSION_MATURE, COMMISSION_PAY, COMMISSION_REVERSE, KeySpace
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job, of_runner_and_ids
from counterfoil.operations.work.runner import BUSY_WAIT, Claim, Runner, Tally, run_here
from counterfoil.settlement.affiliates.affiliates import AFFILIATES
from counterfoil.settlement.commissions.model import COMMISSION, MATURING, PAYING, Commission, commissions_by_id

ACTOR: Final = "system:worker"
LOOK_AGAIN: Final = timedelta(hours=1)
Lines = list[tuple[str, str, int]]


class Payable(NamedTuple):
    """An affiliate's matured commissions in an asset; minor units. `carried`: taken back of paid ones, still to be netted; below nothing:
    given again. `minimum`: what a payment must reach, nothing of who left."""

    asset: str
    commission_ids: list[str]
    earned: int
    carried: int
    rate_version: int | None
    minimum: int | None

    @property
    def amount(self) -> int:
        """What would be paid."""
        return self.earned - self.carried


def take_back(conn: Connection[Any], sale_ids: Sequence[str], *, make_id: MakeId, now: datetime) -> int:
    """Bring every commission of these sales to what the refunds of its sale leave of it, down or up. Returns how many changed."""
    # Locked first, and read afterwards: of two refunds at once the later sees what the earlier took.
    rows = conn.execute("select id from commission where sale_id = any(%s) order by id for update", [list(sale_ids)]).fetchall()
    changed, journals = _taken_back(conn, [row[0] for row in rows], make_id, now)
    post_all(conn, journals, now=now)
    return changed


def take_back_of_invoices(conn: Connection[Any], invoice_ids: Sequence[str], *, make_id: MakeId, now: datetime) -> int:
    """The same for the settlements of these invoices."""
    rows = conn.execute("select id from settlement where invoice_id = any(%s) order by id", [list(invoice_ids)]).fetchall()
    return take_back(conn, [row[0] for row in rows], make_id=make_id, now=now)


def _taken_back(conn: Connection[Any], ids: Sequence[str], make_id: MakeId, now: datetime) -> tuple[int, list[ProgramJournal]]:
    """Bring these locked commissions to what refunds leave of them: how many changed, and what is to be posted with the rest."""
    rows = conn.execute(
        """select c.id, c.amount - coalesce(d.due[c.level], 0) - c.taken_back
           from commission c join (select s.id, commission_due(s.id, true) as due from commission_sale s
                                   where s.id in (select sale_id from commission where id = any(%(ids)s))) d on d.id = c.sale_id
           where c.id = any(%(ids)s) and c.amount - coalesce(d.due[c.level], 0) <> c.taken_back order by c.id""",
        {"ids": list(ids)},
    ).fetchall()
    differing = dict(rows)
    changing = commissions_by_id(conn, list(differing))
    # What is netted in the next payment changes with these: who pays their affiliates comes before or after us.
    _due(conn, [one.affiliate_id for one in changing if one.state == "paid"], now)
    journals = [each for one in changing for each in _reverse(conn, one, differing[one.id], make_id, now)]
    return len(differing), journals


def _due(conn: Connection[Any], affiliate_ids: Iterable[str], at: datetime) -> None:
    """Have these affiliates looked at for what is to be paid."""
    conn.execute(
        """update affiliate set due_at = least(due_at, %s)
           where id in (select id from affiliate where id = any(%s) order by id for no key update)""",
        [at, sorted(set(affiliate_ids))],
    )


def _reverse(conn: Connection[Any], one: Commission, amount: int, make_id: MakeId, now: datetime) -> list[ProgramJournal]:
    state = one.state
    if state == "reversed":  # a refund was won back: it is earned again
        state = take_step(conn, COMMISSION, one.id, state, "reinstate", actor=ACTOR, at=now)
        conn.execute("update commission set due_at = matures_at where id = %s", [one.id])
    made = make_id("cmr")
    conn.execute(
        """insert into commission_reversal (id, commission_id, number, program_id, amount, state, at)
           select %(id)s, %(commission)s, count(*) + 1, %(program)s, %(amount)s, %(state)s, %(now)s
           from commission_reversal where commission_id = %(commission)s""",
        {"id": made, "commission": one.id, "program": one.program_id, "amount": amount, "state": state, "now": now},
    )
    told = {"amount": str(amount), "asset": one.asset, "affiliateId": one.affiliate_id, "saleId": one.sale_id, "was": state}
    emit(conn, [NewEvent("commission_reversed", one.program_id, one.id, told, once=made)], at=now)
    if state == "paid":  # it is netted in the next payment
        return []
    if one.taken_back + amount == one.amount:
        take_step(conn, COMMISSION, one.id, state, "reverse", actor=ACTOR, at=now)
        conn.execute("update commission set due_at = null where id = %s", [one.id])
    held = f"{'payable' if state == 'payable' else 'accrued'}:affiliate:{one.affiliate_id}"
    lines = [(held, "commission_expense", amount)] if amount > 0 else [("commission_expense", held, -amount)]
    return [_journal(one.program_id, one.asset, COMMISSION_REVERSE, "commission_reversal", made, lines)]


def mature_due(runner: Runner, make_id: MakeId) -> Tally:
    """One tick: commissions whose time has come become payable; those whose sale is disputed wait."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        mature(conn, [claim.id for claim in claims], make_id=make_id, now=now)

    return run_here(runner, MATURING, work)


def mature(conn: Connection[Any], ids: Sequence[str], *, make_id: MakeId, now: datetime) -> None:
    """Let these commissions mature, less what refunds take back of them, as far as they are still accrued, their time has come, and no
    dispute is open on their sale."""
    locked = [one.id for one in commissions_by_id(conn, ids)]
    _, journals = _taken_back(conn, locked, make_id, now)
    accrued = [one for one in commissions_by_id(conn, ids) if one.state == "accrued" and one.matures_at <= now]
    rows = conn.execute(
        "select id from unnest(%s::text[]) as id where commission_contested(id)", [sorted({one.sale_id for one in accrued})]
    ).fetchall()
    contested = {row[0] for row in rows}
    waiting = [one.id for one in accrued if one.sale_id in contested]
    conn.execute(
        "update commission set due_at = %s, last_error = 'a dispute or a chargeback on its sale is open' where id = any(%s)",
        [now + LOOK_AGAIN, waiting],
    )
    ready = [one for one in accrued if one.sale_id not in contested]
    take_steps(conn, COMMISSION, [Move(one.id, "accrued", "mature") for one in ready], actor=ACTOR, at=now)
    conn.execute("update commission set due_at = null, last_error = null where id = any(%s)", [[one.id for one in ready]])
    rows = conn.execute(
        "select subject_id, count(*) from step where machine = %s and verb = 'mature' and subject_id = any(%s) group by subject_id",
        [COMMISSION.name, [one.id for one in ready]],
    ).fetchall()
    times = dict(rows)
    _due(conn, [one.affiliate_id for one in ready], now)
    post_all(conn, [*journals, *(_maturity(one, times[one.id]) for one in ready)], now=now)


def _maturity(one: Commission, time: int) -> ProgramJournal:
    """`time`: a commission that was reversed and reinstated matures again, and moves its money again."""
    lines = [(f"accrued:affiliate:{one.affiliate_id}", f"payable:affiliate:{one.affiliate_id}", one.remaining)]
    return _journal(one.program_id, one.asset, COMMISSION_MATURE, "commission", one.id, lines, *([] if time == 1 else [str(time)]))


def pay_due(runner: Runner, make_id: MakeId) -> Tally:
    """One tick: pay affiliates whose commissions matured."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        pay_affiliates(conn, [one.id for one in claims], make_id=make_id, now=now)

    return run_here(runner, PAYING, work)


def pay_affiliates(conn: Connection[Any], affiliate_ids: Sequence[str], *, make_id: MakeId, now: datetime) -> list[str]:
    """Pay out what matured, less what was taken back of commissions that were paid before; each asset where that reaches the minimum.

    Each commission carries its payment from this moment, so none is paid twice. What is less carries over. Of an affiliate one of whose
    commissions somebody holds nothing is paid now, and it is looked at again soon. Returns the payments' ids.
    """
    affiliates = AFFILIATES.by_id(conn, affiliate_ids, lock=True)
    wanted = [one.id for one in affiliates]
    rows = conn.execute(
        "select id from commission where affiliate_id = any(%s) and state = 'payable' order by id for update skip locked", [wanted]
    ).fetchall()
    mine = [row[0] for row in rows]
    held = conn.execute(
        "select distinct affiliate_id from commission where affiliate_id = any(%s) and state = 'payable' and id <> all(%s)", [wanted, mine]
    ).fetchall()
    waiting = {row[0] for row in held}
    _due(conn, waiting, now + BUSY_WAIT)
    _, journals = _taken_back(conn, mine, make_id, now)
    made = [
        _pay(conn, one.program_id, one.id, each, make_id, now)
        for one in affiliates
        if one.id not in waiting
        for each in payable_of(conn, one.id, now=now)
        if each.minimum is not None and each.amount >= max(each.minimum, 1)
    ]
    post_all(conn, [*journals, *(journal for _, journal in made)], now=now)
    return [payment for payment, _ in made]


def payable_of(conn: Connection[Any], affiliate_id: str, *, now: datetime) -> list[Payable]:
    """What of an affiliate's commissions matured and is not paid, or is to be netted, by asset, with the minimum that is in force.

    Who left is paid whatever is left: nothing more comes that could reach a minimum.
    """
    rows = conn.execute(
        """select * from (
               select c.asset, coalesce(c.ids, '{}') as ids, coalesce(c.earned, 0)::bigint as earned,
                      commission_carried(%(id)s, c.asset) as carried, r.version,
                      case when c.affiliate = 'active' or r.version is null then r.minimum else 0 end
               from (select c.program_id, c.asset, a.state as affiliate,
                            array_agg(c.id order by c.id) filter (where c.state = 'payable') as ids,
                            sum(c.amount - c.taken_back) filter (where c.state = 'payable') as earned
                     from commission c join affiliate a on a.id = c.affiliate_id
                     where c.affiliate_id = %(id)s and c.state in ('payable', 'paid') group by c.program_id, c.asset, a.state) c
               left join commission_rate r on (r.program_id, r.asset) = (c.program_id, c.asset)
                    and r.version = commission_version_at(c.program_id, c.asset, %(now)s)) found
           where earned <> 0 or carried <> 0 order by asset""",
        {"id": affiliate_id, "now": now},
    ).fetchall()
    return [Payable(*row) for row in rows]


def _pay(
    conn: Connection[Any], program_id: str, affiliate_id: str, due: Payable, make_id: MakeId, now: datetime
) -> tuple[str, ProgramJournal]:
    """The payment and its journal, which is still to be posted."""
    made = make_id("cmp")
    conn.execute(
        """insert into commission_payment (id, program_id, affiliate_id, asset, earned, netted, amount, rate_version, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [made, program_id, affiliate_id, due.asset, due.earned, due.carried, due.amount, due.rate_version, ACTOR, now],
    )
    conn.execute("update commission set payment_id = %s, paid = amount - taken_back where id = any(%s)", [made, due.commission_ids])
    take_steps(conn, COMMISSION, [Move(each, "payable", "pay") for each in due.commission_ids], actor=ACTOR, at=now, cause=made)
    held = f"payable:affiliate:{affiliate_id}"
    lines: Lines = [("commission_expense", held, -due.carried)] if due.carried < 0 else []
    lines += [(held, "commission_expense", due.carried)] if due.carried > 0 else []
    lines.append((held, f"payable:payee:{affiliate_id}", due.amount))
    told = {"affiliateId": affiliate_id, "amount": str(due.amount), "asset": due.asset, "netted": str(due.carried)}
    emit(conn, [NewEvent("commission_paid", program_id, made, told)], at=now)
    return made, _journal(program_id, due.asset, COMMISSION_PAY, "commission_payment", made, lines)


def _journal(program_id: str, asset: str, space: KeySpace, source: str, source_id: str, lines: Lines, *part: str) -> ProgramJournal:
    journal = NewJournal(
        key=space.key(source_id, *part),
        kind=space.kind or "",
        lines=lines,
        asset=asset,
        actor=ACTOR,
        source=(source, source_id),
        space=space,
    )
    return ProgramJournal(program_id, journal)


JOBS: Final = (
    Job(
        "mature-commissions",
        MATURING,
        of_runner_and_ids(mature_due),
        "Lets commissions become payable whose time has come and whose sale is not disputed.",
    ),
    Job(
        "pay-commissions",
        PAYING,
        of_runner_and_ids(pay_due),
        "Pays affiliates what matured, once it reaches the minimum.",
    ),
)
