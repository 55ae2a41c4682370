"""Programs, assets, books and accounts: opening them, by set and as often as wanted; freezing and closing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.money import Asset, asset_code
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.chart import CREDIT, DEBIT, rule_for, valid_name
from counterfoil.ledger.problems import AccountDiffers, UnknownAccount, UnknownProgram

OPENED_MAX: Final = 100_000  # accounts in one call
SCALE_MAX: Final = 12


class NewAccount(NamedTuple):
    """An account to open. Without `normal` and `no_overdraft` the chart of accounts says both."""

    name: str
    normal: str | None = None
    no_overdraft: bool | None = None


def open_program(conn: Connection[Any], program_id: str, *, name: str, assets: Sequence[Asset], now: datetime) -> None:
    """A program and its books, one per asset. Does nothing for those that are there. Raises InvalidInput when a scale differs."""
    for asset in assets:
        asset_code(asset.code)
        if not 0 <= asset.scale <= SCALE_MAX:
            raise InvalidInput("scale", f"0 to {SCALE_MAX} decimals", got=str(asset.scale))
    if not 0 < len(program_id) <= 64:
        raise InvalidInput("program_id", "1 to 64 characters", got=program_id[:40])
    codes, scales = [asset.code for asset in assets], [asset.scale for asset in assets]
    conn.execute(
        "insert into asset (code, scale) select * from unnest(%s::text[], %s::smallint[]) on conflict do nothing",
        [codes, scales],
    )
    known = dict(conn.execute("select code, scale from asset where code = any(%s)", [codes]).fetchall())
    for asset in assets:
        if known[asset.code] != asset.scale:
            raise InvalidInput("scale", f"{known[asset.code]}, as {asset.code} has it", got=str(asset.scale))
    conn.execute("insert into program (id, name, opened_at) values (%s, %s, %s) on conflict do nothing", [program_id, name, now])
    conn.execute(
        """insert into book (program_id, asset)
           select %(program)s, code from unnest(%(codes)s::text[]) as code
           where not exists (select from book where program_id = %(program)s and asset = code)
           on conflict do nothing""",
        {"program": program_id, "codes": codes},
    )


def open_accounts(
    conn: Connection[Any],
    program_id: str,
    accounts: Iterable[str | NewAccount],
    *,
    asset: str,
    actor: str,
    now: datetime,
) -> dict[str, int]:
    """Open what is not open yet and return each name's number. A plain name is looked up in the chart of accounts.

    Raises InvalidInput for a name outside the chart that does not say its normal side, AccountDiffers when it is open with
    other rules, UnknownProgram.
    """
    wanted = {account.name: account for account in map(_ruled, accounts)}
    if len(wanted) > OPENED_MAX:
        raise InvalidInput("accounts", f"at most {OPENED_MAX} in one call", got=str(len(wanted)))
    book = book_of(conn, program_id, asset)
    found = _find(conn, book, list(wanted))
    missing = [account for name, account in wanted.items() if name not in found]
    if missing:
        conn.execute(
            """insert into account (id, book_id, name, debit_normal, no_overdraft, opened_at, opened_by)
               select %(book)s::bigint << 40 | nextval('account_serial'), %(book)s, name, debit_normal, no_overdraft,
                      %(now)s, %(actor)s
               from unnest(%(names)s::text[], %(sides)s::boolean[], %(rules)s::boolean[]) as a (name, debit_normal, no_overdraft)
               order by name
               on conflict (book_id, name) do nothing""",
            {
                "book": book,
                "now": now,
                "actor": actor,
                "names": [account.name for account in missing],
                "sides": [account.normal == DEBIT for account in missing],
                "rules": [account.no_overdraft for account in missing],
            },
        )
        found |= _find(conn, book, [account.name for account in missing])
    for name, account in wanted.items():
        _, debit_normal, no_overdraft = found[name]
        if (debit_normal, no_overdraft) != (account.normal == DEBIT, account.no_overdraft):
            raise AccountDiffers(account=name, normal=DEBIT if debit_normal else CREDIT, no_overdraft=no_overdraft)
    return {name: found[name][0] for name in wanted}


def freeze_account(conn: Connection[Any], program_id: str, name: str, *, asset: str, reason: str, actor: str, now: datetime) -> None:
    """Nothing lowers the account any more; money may still come in. Raises UnknownAccount."""
    _flag(conn, program_id, name, asset, "frozen", True, reason=reason, actor=actor, now=now)


def unfreeze_account(conn: Connection[Any], program_id: str, name: str, *, asset: str, reason: str, actor: str, now: datetime) -> None:
    """End a freeze. Raises UnknownAccount."""
    _flag(conn, program_id, name, asset, "frozen", False, reason=reason, actor=actor, now=now)


def close_account(conn: Connection[Any], program_id: str, name: str, *, asset: str, reason: str, actor: str, now: datetime) -> None:
    """Nothing is posted to the account any more, until it is opened again.

    The database refuses it while there is a balance or a hold, or while money of its payee is on its way and may come back.
    Raises UnknownAccount, AccountNotEmpty, AccountNeeded.
    """
    _flag(conn, program_id, name, asset, "closed", True, reason=reason, actor=actor, now=now)


def reopen_account(conn: Connection[Any], program_id: str, name: str, *, asset: str, reason: str, actor: str, now: datetime) -> None:
    """End a close. Raises UnknownAccount."""
    _flag(conn, program_id, name, asset, "closed", False, reason=reason, actor=actor, now=now)


def book_of(conn: Connection[Any], program_id: str, asset: str) -> int:
    """The number of a program's book in an asset. Raises UnknownProgram."""
    found = conn.execute("select id from book where program_id = %s and asset = %s", [program_id, asset]).fetchone()
    if found is None:
        raise UnknownProgram(program=program_id, asset=asset)
    return int(found[0])


def account_of(conn: Connection[Any], program_id: str, name: str, *, asset: str) -> int:
    """The number of an account. Raises UnknownProgram, UnknownAccount."""
    found = _find(conn, book_of(conn, program_id, asset), [name])
    if not found:
        raise UnknownAccount(program=program_id, account=name, asset=asset)
    return found[name][0]


def _ruled(given: str | NewAccount) -> NewAccount:
    account = NewAccount(given) if isinstance(given, str) else given
    valid_name(account.name)
    rule = rule_for(account.name)
    normal = account.normal or (rule.normal if rule else None)
    if normal not in (DEBIT, CREDIT):
        raise InvalidInput("normal", "debit or credit, for a name outside the chart of accounts", got=account.name)
    no_overdraft = account.no_overdraft
    if no_overdraft is None:
        no_overdraft = rule.no_overdraft if rule else False
    return NewAccount(account.name, normal, no_overdraft)


def _find(conn: Connection[Any], book: int, names: list[str]) -> dict[str, tuple[int, bool, bool]]:
    rows = conn.execute(
        "select name, id, debit_normal, no_overdraft from account where book_id = %s and name = any(%s)", [book, names]
    ).fetchall()
    return {name: (number, debit_normal, no_overdraft) for name, number, debit_normal, no_overdraft in rows}


def _flag(
    conn: Connection[Any],
    program_id: str,
    name: str,
    asset: str,
    flag: str,
    value: bool,
    *,
    reason: str,
    actor: str,
    now: datetime,
) -> None:
    if not reason.strip():
        raise InvalidInput("reason", "at least one word")
    conn.execute(
        """insert into account_flag (account_id, step, flag, value, actor, reason, at)
           select %(account)s, 1 + count(*), %(flag)s, %(value)s, %(actor)s, %(reason)s, %(now)s
           from account_flag where account_id = %(account)s""",
        {
            "account": account_of(conn, program_id, name, asset=asset),
            "flag": flag,
            "value": value,
            "actor": actor,
            "reason": reason,
            "now": now,
        },
    )
