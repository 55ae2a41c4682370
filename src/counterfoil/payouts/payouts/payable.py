"""What is still owed for a settlement, and what its payee owes us: the two figures that every new attempt is cut to.

The account `payable:payee:…` holds the money of all settlements of a payee. A settlement's own share of it is what its first payout
was made for, and what was released to it since, less what its attempts hold or have paid, less what was netted or went back to a customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import PAYOUT_NETTING
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.payouts.machines import SPENT
from counterfoil.payouts.payouts.verbs import Payout

# What is still owed of a settlement, over all of its payouts `o`.
PAYABLE: Final = f"""sum(case when o.reissue = 0 then o.amount else 0 end
                      - coalesce((select sum(least(coalesce(pp.paid, pp.amount), pp.amount) - pp.beyond) from provider_payout pp
                                  where pp.payout_id = o.id and pp.state in {listed(SPENT)}), 0)
                      - coalesce((select sum(n.amount) from payout_netting n where n.payout_id = o.id), 0))::bigint"""


class Purse(NamedTuple):
    """Whose money, and in what: a payee of a program in an asset."""

    program_id: str
    payee_id: str
    asset: str


class Netting(NamedTuple):
    """What of a payout's money pays what its payee owes; minor units."""

    payout_id: str
    purse: Purse
    amount: int


def payable_of(conn: Connection[Any], settlement_ids: Iterable[str]) -> dict[str, int]:
    """What is still owed for each of these settlements, in minor units; less than nothing when more was paid than was owed."""
    rows = conn.execute(
        f"select o.settlement_id, {PAYABLE} from payout o where o.settlement_id = any(%s) group by o.settlement_id",
        [sorted(set(settlement_ids))],
    ).fetchall()
    return dict(rows)


def receivables_of(conn: Connection[Any], purses: Iterable[Purse]) -> dict[Purse, int]:
    """What these payees owe us, in minor units; who owes nothing is not in it."""
    return _balances(conn, purses, "receivable:payee:")


def payables_of(conn: Connection[Any], purses: Iterable[Purse], *, frozen: bool = True) -> dict[Purse, int]:
    """What the books hold for these payees and have not set aside, in minor units; without `frozen`, what may be taken by decision."""
    return _balances(conn, purses, "payable:payee:", frozen=frozen)


def _balances(conn: Connection[Any], purses: Iterable[Purse], prefix: str, *, frozen: bool = True) -> dict[Purse, int]:
    wanted = sorted(set(purses))
    rows = conn.execute(
        """select w.program_id, w.payee_id, w.asset,
                  case when a.debit_normal then a.debits - a.credits - a.credits_pending
                       else a.credits - a.debits - a.debits_pending end
           from unnest(%s::text[], %s::text[], %s::text[]) as w (program_id, payee_id, asset)
           join book b on b.program_id = w.program_id and b.asset = w.asset
           join account a on a.book_id = b.id and a.name = %s || w.payee_id and (%s or not a.frozen)""",
        [
            [one.program_id for one in wanted],
            [one.payee_id for one in wanted],
            [one.asset for one in wanted],
            prefix,
            frozen,
        ],
    ).fetchall()
    return {Purse(*row[:3]): int(row[3]) for row in rows if row[3] > 0}


def owed_after_netting(conn: Connection[Any], payouts: Sequence[Payout], *, actor: str, now: datetime) -> dict[str, int]:
    """What is owed for the settlement of each of these payouts once what its payee owes is paid from it, in minor units."""
    settlements = [one.settlement_id for one in payouts]
    owed = payable_of(conn, settlements)
    asked = [(one.id, one.settlement_id, Purse(one.program_id, one.payee_id, one.asset)) for one in payouts]
    debts = receivables_of(conn, [purse for *_, purse in asked])
    if not debts:
        return owed
    held = payables_of(conn, debts, frozen=False)  # a frozen or emptied account is the reservation's to tell
    due = [one for one in netted_away(owed, debts, asked) if held.get(one.purse, 0) >= one.amount]
    net(conn, due, actor=actor, now=now)
    return payable_of(conn, settlements)


def net(conn: Connection[Any], nettings: Sequence[Netting], *, actor: str, now: datetime) -> None:
    """Pay what payees owe from what payouts have to pay, each once. Raises what the ledger refuses."""
    for one in nettings:
        number = _note(conn, one, now)
        journal = NewJournal(
            key=PAYOUT_NETTING.key(one.payout_id, str(number)),
            kind="payout_netting",
            lines=[(f"payable:payee:{one.purse.payee_id}", f"receivable:payee:{one.purse.payee_id}", one.amount)],
            asset=one.purse.asset,
            actor=actor,
            source=("payout", one.payout_id),
            space=PAYOUT_NETTING,
        )
        post_all(conn, [ProgramJournal(one.purse.program_id, journal)], now=now)


def give_back(conn: Connection[Any], payout_id: str, amount: int, *, now: datetime) -> None:
    """What had been netted came back by other ways, so it is owed again. The journal that brought it is the caller's."""
    _note(conn, Netting(payout_id, Purse("", "", ""), -amount), now)


def take(conn: Connection[Any], payout_id: str, amount: int, *, now: datetime) -> None:
    """What of a payout's money goes elsewhere, such as back to a customer; less than nothing: it gets more. The journal is the caller's."""
    if amount:
        _note(conn, Netting(payout_id, Purse("", "", ""), amount), now)


def _note(conn: Connection[Any], one: Netting, now: datetime) -> int:
    row = conn.execute(
        """insert into payout_netting (payout_id, number, amount, at)
           select %(payout)s, coalesce(max(number), 0) + 1, %(amount)s, %(now)s from payout_netting where payout_id = %(payout)s
           returning number""",
        {"payout": one.payout_id, "amount": one.amount, "now": now},
    ).fetchone()
    assert row is not None
    return int(row[0])


def netted_away(owed: Mapping[str, int], debts: Mapping[Purse, int], asked: Sequence[tuple[str, str, Purse]]) -> list[Netting]:
    """Which nettings are due: for each (payout, settlement, purse) as much of the payee's debt as its settlement can pay.

    A debt that several payouts could pay is paid once, the first one first.
    """
    left = dict(debts)
    found = []
    for payout_id, settlement_id, purse in asked:
        amount = min(left.get(purse, 0), owed.get(settlement_id, 0))
        if amount > 0:
            left[purse] -= amount
            found.append(Netting(payout_id, purse, amount))
    return found
