"""Client money: what is owed to each owner at the end of a day, against what is held for them and what is provably under way."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.money import UNITS
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.ledger.reads.balances import TrialLine, trial_balance
from counterfoil.matching.findings.recorded import BalanceRow, RunReport
from counterfoil.matching.output.files import canonical
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import PlainList, SortKey
from counterfoil.reconciliation.bank_statements import reach_of
from counterfoil.reconciliation.runs.books import end_of
from counterfoil.reconciliation.runs.rows import Run, select_runs
from counterfoil.reconciliation.runs.standing import RunState, standings

# Whose money it is, by the beginning of the account's name. Source: Money, Chart of accounts.
OWED: Final = (
    "escrow:",
    "payable:payee:",
    "holdback:payee:",
    "refund_payable:customer:",
    "in_transit:",
    "payable:affiliate:",
    "payable:validator",
    "treasury:agent:",
    "two_phase",
    "suspense",
)
SEGREGATED: Final = "cash:bank:client"
CLEARING: Final = "clearing:"
NOT_COUNTED: Final = {"accrued:affiliate:": "commission that may still be reversed; nobody can ask for it yet"}
ACCOUNTS_MAX: Final = 1_000_000

EVENT_KINDS: Final = declare(
    critical={"client_money_shortfall": "Less is held for owners than is owed to them; own funds must make it up today."}
)


class MakerCannotSign(Problem, kind="forbidden"):
    """Who made a statement of client money does not sign it: a second person does."""


class SignedAlready(Problem):
    """This statement of client money has been signed."""


class FiguresChanged(Problem):
    """This is not the statement of client money that was made; look at it again and sign what it says."""


class TooManyAccounts(Problem):
    """This program has more accounts than one statement of client money can hold; nothing was left out silently."""


class ClientMoney(NamedTuple):
    """A statement of one asset at the end of a day. Amounts in minor units; `difference` below nothing is a shortfall."""

    id: str
    program_id: str
    asset: str
    on_day: date
    owed: int
    held: int
    in_transit: int
    difference: int
    detail: dict[str, Any]
    sha256: bytes
    made_by: str
    made_at: datetime
    signed_by: str | None = None
    action_taken: str | None = None
    signed_at: datetime | None = None


def make_client_money(conn: Connection[Any], program_id: str, *, on: date, make_id: Any, actor: str, now: datetime) -> list[ClientMoney]:
    """Draw up the statement of every asset of a program for the end of a day (UTC). The same figures again give the first statement.

    A shortfall is an event of level critical. Raises NotFound, and InvalidInput for a day that is not over nor today.
    """
    if on > now.date():
        raise InvalidInput("date", "today or a day that is past", got=on.isoformat())
    known = conn.execute("select asset from book where program_id = %s order by asset", [program_id]).fetchall()
    assets = [row for row in known if row[0] not in UNITS]
    if not known:
        raise NotFound(what="program", id=program_id)
    return [_make(conn, program_id, asset, on, make_id, actor, now) for (asset,) in assets]


def _make(conn: Connection[Any], program_id: str, asset: str, on: date, make_id: Any, actor: str, now: datetime) -> ClientMoney:
    detail = compute(conn, program_id, asset, on)
    figures = {name: int(detail[name]) for name in ("owed", "held", "in_transit", "difference")}
    sha256 = hashlib.sha256(canonical(detail).encode()).digest()
    made = make_id("cm")
    done = conn.execute(
        """insert into client_money (id, program_id, asset, on_day, owed, held, in_transit, difference, detail, sha256, made_by, made_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (program_id, asset, on_day, sha256) do nothing""",
        [made, program_id, asset, on, *figures.values(), Jsonb(detail), sha256, actor, now],
    )
    if done.rowcount and figures["difference"] < 0:
        told = {"asset": asset, "on": on.isoformat(), "shortfall": str(-figures["difference"])}
        emit(conn, [NewEvent("client_money_shortfall", program_id, made, told)], at=now)
    return _select(
        conn,
        "c.program_id = %s and c.asset = %s and c.on_day = %s and c.sha256 = %s",
        [program_id, asset, on, sha256],
        1,
    )[0]


def compute(conn: Connection[Any], program_id: str, asset: str, on: date) -> dict[str, Any]:
    """The statement as plain values: every owner, every place, and how each figure is known.

    What one owner owes us is not there for another: only what is owed counts, owner by owner. Another counterfoil is an owner of what we
    owe it, and holds nothing for us. A place is looked at because somebody says something of it, also where our books hold nothing there.
    """
    owners: dict[str, dict[str, int]] = defaultdict(dict)
    booked: dict[str, int] = dict.fromkeys(_places(conn, program_id), 0)
    not_counted, peers = [], _peers(conn, program_id)
    for line in _lines(conn, program_id, asset, on):
        minor = line.credit_minor - line.debit_minor
        if line.account in peers:
            owners[f"peer:{line.account.removeprefix(CLEARING)}"][line.account] = minor
        elif line.account.startswith(OWED):
            owners[_owner(line.account)][line.account] = minor
        elif line.account == SEGREGATED or line.account.startswith(CLEARING):
            booked[line.account] = -minor
        else:
            why = next((text for start, text in NOT_COUNTED.items() if line.account.startswith(start)), None)
            not_counted += [{"account": line.account, "minor": str(minor), "why": why}] if why else []
    places = [
        (_at_the_bank if account == SEGREGATED else _at_a_provider)(conn, program_id, asset, on, account, minor)
        for account, minor in sorted(booked.items())
    ]
    nets = {owner: sum(accounts.values()) for owner, accounts in owners.items()}
    owed = sum(max(net, 0) for net in nets.values())
    held = sum(int(place["counted"]) for place in places if place["account"] == SEGREGATED)
    in_transit = sum(int(place["counted"]) for place in places if place["account"] != SEGREGATED)
    return {
        "format": "counterfoil-client-money-2",
        "program": program_id,
        "asset": asset,
        "on": on.isoformat(),
        "owners": [
            {
                "owner": owner,
                "owed": str(nets[owner]),
                "counted": str(max(nets[owner], 0)),
                "accounts": {name: str(minor) for name, minor in sorted(accounts.items())},
            }
            for owner, accounts in sorted(owners.items())
        ],
        "places": places,
        "not_counted": not_counted,
        "not_netted": str(sum(min(net, 0) for net in nets.values())),
        "owed": str(owed),
        "held": str(held),
        "in_transit": str(in_transit),
        "difference": str(held + in_transit - owed),
        "not_checked": [place["why"] for place in places if not place["proven"]],
    }


def sign_client_money(
    conn: Connection[Any], statement_id: str, *, sha256: str, action_taken: str, actor: str, now: datetime
) -> ClientMoney:
    """A second person stands for the figures with this hash, and says what was done about them.

    Raises NotFound, MakerCannotSign, FiguresChanged, SignedAlready.
    """
    found = show_client_money(conn, statement_id)
    if found.signed_by is not None:
        raise SignedAlready(id=statement_id, by=found.signed_by)
    if found.made_by == actor:
        raise MakerCannotSign(id=statement_id, made_by=actor)
    if found.sha256.hex() != sha256.lower():
        raise FiguresChanged(id=statement_id, sha256=found.sha256.hex())
    conn.execute(
        "insert into client_money_signature (client_money_id, sha256, signed_by, action_taken, at) values (%s, %s, %s, %s, %s)",
        [statement_id, found.sha256, actor, action_taken, now],
    )
    return show_client_money(conn, statement_id)


def show_client_money(conn: Connection[Any], statement_id: str) -> ClientMoney:
    """One statement with its signature. Raises NotFound."""
    found = _select(conn, "c.id = %s", [statement_id], 1)
    if not found:
        raise NotFound(what="statement of client money", id=statement_id)
    return found[0]


def later_client_money(conn: Connection[Any], one: ClientMoney) -> str | None:
    """The last statement of its day, if that is another one: it took its place."""
    row = conn.execute(
        """select id from client_money where (program_id, asset, on_day) = (%s, %s, %s) and id > %s order by id desc limit 1""",
        [one.program_id, one.asset, one.on_day, one.id],
    ).fetchone()
    return row[0] if row else None


CLIENT_MONEY_LIST: Final = PlainList(
    "statements of client money",
    "cm",
    "client_money",
    lambda conn, ids: _select(conn, "c.id = any(%s)", [list(ids)], len(ids)),
    (SortKey("on_day", date), SortKey("made_at", datetime), SortKey("difference", int, money=True)),
)


def unsigned_client_money(conn: Connection[Any], *, rows_max: int, program_id: str | None = None) -> tuple[int, list[ClientMoney]]:
    """How many statements wait for their signature, and those that have waited longest; one that a later one of its day took the
    place of is signed by nobody any more."""
    which = """s.client_money_id is null and (%s::text is null or c.program_id = %s)
               and not exists (select from client_money later where (later.program_id, later.asset, later.on_day) =
                                                                    (c.program_id, c.asset, c.on_day) and later.id > c.id)"""
    row = conn.execute(
        f"select count(*) from client_money c left join client_money_signature s on s.client_money_id = c.id where {which}",
        [program_id, program_id],
    ).fetchone()
    return (row[0] if row else 0), _select(conn, which, [program_id, program_id], rows_max, order="c.made_at, c.id")


def _places(conn: Connection[Any], program_id: str) -> list[str]:
    """Where somebody else says that money lies: the segregated account, if a statement of it came, and every reconciled provider."""
    rows = conn.execute(
        """select distinct %(clearing)s::text || source as account from reconciliation_run
           where program_id = %(program)s and state = 'finished' and position(':' in source) = 0
           union select account from bank_file where program_id = %(program)s and account = %(segregated)s order by account""",
        {"program": program_id, "clearing": CLEARING, "segregated": SEGREGATED},
    ).fetchall()
    return [row[0] for row in rows]


def _peers(conn: Connection[Any], program_id: str) -> frozenset[str]:
    """What other counterfoils and we owe each other: no provider has it, and no statement tells of it."""
    rows = conn.execute(
        """select distinct a.name from account a join book b on b.id = a.book_id
           where b.program_id = %s and starts_with(a.name, %s) and is_of_a_peer(b.program_id, a.name)""",
        [program_id, CLEARING],
    ).fetchall()
    return frozenset(row[0] for row in rows)


def _lines(conn: Connection[Any], program_id: str, asset: str, on: date) -> list[TrialLine]:
    """Every account in one statement: money that moves from one owner to another meanwhile is seen with one of them, once."""
    found = trial_balance(conn, program_id, asset=asset, as_of=end_of(on), clock="effective", rows_max=ACCOUNTS_MAX + 1)
    if len(found) > ACCOUNTS_MAX:
        raise TooManyAccounts(program=program_id, asset=asset, limit=str(ACCOUNTS_MAX))
    return found


def _owner(account: str) -> str:
    """Whose it is: `payee:bolt`, `customer:ann`; what lies in escrow or is under way belongs to that escrow or provider's payees."""
    words = account.split(":")
    return ":".join(words[-2:]) if len(words) > 2 else account


def _at_the_bank(conn: Connection[Any], program_id: str, asset: str, on: date, account: str, booked: int) -> dict[str, Any]:
    """The segregated account: what the bank's own statement of that day says; by our books alone it is not proven."""
    reach = reach_of(conn, program_id, account, on=on)
    place = {"account": account, "booked": str(booked)}
    if reach.last_on == on and asset in reach.closing:
        stated = str(reach.closing[asset])
        why = "the bank's statement of the day"
        return place | {"stated": stated, "counted": stated, "proven": True, "why": why, "as_of": on.isoformat()}
    why = f"no statement of the bank for {on}" + (f"; the last one is of {reach.last_on}" if reach.last_on else "")
    return place | {
        "stated": None,
        "counted": str(booked),
        "proven": False,
        "why": f"{account}: {why}: counted by our books",
        "as_of": reach.last_on.isoformat() if reach.last_on else None,
    }


def _at_a_provider(conn: Connection[Any], program_id: str, asset: str, on: date, account: str, booked: int) -> dict[str, Any]:
    """Money at a provider counts as far as its own statement of that day shows it, with the payouts that are under way by both.

    It is proven when the run that stands behind it agreed: a difference that nobody explained leaves the figure in doubt.
    """
    place = {"account": account, "booked": str(booked)}
    name = account.removeprefix(CLEARING)
    runs = select_runs(
        conn,
        """where program_id = %s and source = %s and state = 'finished' and last_on = %s order by number desc limit 1""",
        [program_id, name, on],
    )
    balances = RunReport.read(runs[0].report).balances if runs else ()
    row = next((row for row in balances if row.asset == asset and row.stated is not None), None)
    if row is None or row.stated is None:
        why = f"{account}: the provider's statement of {on} was not held against our books: nothing of it counts"
        return place | {"stated": None, "counted": str(min(booked, 0)), "proven": False, "why": why, "as_of": None}
    counted = min(booked, row.stated - row.sent_on)
    doubts = _doubts(runs[0], standings(conn, runs)[runs[0].id], row)
    sent = f", and what it had sent on by then: {-row.sent_on}" if row.sent_on else ""
    why = "the provider's statement of the day" + sent
    place |= {"stated": str(row.stated), "sent_on": str(row.sent_on), "counted": str(counted), "run": runs[0].id}
    read_at = runs[0].read_until or runs[0].started_at
    return place | {
        "proven": not doubts,
        "why": f"{account}: {'; '.join(doubts)}" if doubts else why,
        "as_of": read_at.isoformat(),
    }


def _doubts(run: Run, standing: RunState, row: BalanceRow) -> list[str]:
    """Why a run's word on a balance is not the last one."""
    found = [f"payout {text}" for text in row.contradicted]
    if not standing.green:
        found.append(f"the run {run.id} is {standing.sentence()}")
    if row.unexplained is None:
        found.append("what the provider held before that day is not known")
    return found


def _select(conn: Connection[Any], condition: str, given: Sequence[Any], rows_max: int, *, order: str = "c.id desc") -> list[ClientMoney]:
    with conn.cursor(row_factory=class_row(ClientMoney)) as cur:
        return cur.execute(
            f"""select c.id, c.program_id, c.asset, c.on_day, c.owed, c.held, c.in_transit, c.difference, c.detail, c.sha256, c.made_by,
                       c.made_at, s.signed_by, s.action_taken, s.at as signed_at
                from client_money c left join client_money_signature s on s.client_money_id = c.id
                where {condition} order by {order} limit %s""",
            [*given, rows_max],
        ).fetchall()
