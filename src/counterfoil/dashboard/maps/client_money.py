"""The pages of client money: what is owed to owners at the end of a day, against what is held for them, and who stands for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.money import Money
from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.reconciliation.client_money import CLIENT_MONEY_LIST, ClientMoney, later_client_money, show_client_money

STATEMENTS_SHOWN_MAX: Final = 20
OWNERS_SHOWN_MAX: Final = 20


class ClientMoneyLine(NamedTuple):
    """A statement in the list. `difference` below nothing is a shortfall; `unproven`: how many of its figures rest on our books alone."""

    id: str
    program_id: str
    on_day: date
    owed: Money
    held: Money
    in_transit: Money
    difference: Money
    unproven: int
    made_by: str
    made_at: datetime
    signed_by: str | None
    signed_at: datetime | None

    @property
    def apart(self) -> Money:
        """How far what is there is from what is owed, whichever is more."""
        return Money(abs(self.difference.minor), self.difference.asset)

    @property
    def grade(self) -> Grade:
        """A shortfall is wrong; what nobody else confirms is not known; and whose what is there beyond it is, somebody finds out."""
        if self.difference.minor < 0:
            return "wrong"
        return "unknown" if self.unproven else "attention" if self.difference.minor else "right"


class ClientMoneyAnswer(NamedTuple):
    """What the list of statements shows."""

    program_id: str
    rows: tuple[ClientMoneyLine, ...]
    after: str | None
    asked: AskedPage
    measured_at: datetime


class OwnerLine(NamedTuple):
    """Whose money: what stands between us and them, and how much of it is owed to them. What they owe us is not there for another owner."""

    owner: str
    balance: Money
    owed: Money
    accounts: int


class PlaceLine(NamedTuple):
    """Where money lies: by our books, by whoever holds it, and what counts of it and why. `run`: the one that stands behind the figure."""

    account: str
    balance: Money
    stated: Money | None
    counted: Money
    proven: bool
    why: str
    run: str | None


class NotCounted(NamedTuple):
    """An account that is no owner's money, and why."""

    account: str
    balance: Money
    why: str


class ClientMoneyStatement(NamedTuple):
    """What the page of one statement shows. `owners`: those to whom most is owed first, `owners_more` are in its file; `later`: the one
    of the same day that took its place; `waits`: may somebody sign it still?"""

    line: ClientMoneyLine
    sha256: str
    action_taken: str | None
    later: str | None
    owners: tuple[OwnerLine, ...]
    owners_more: int
    not_netted: Money
    places: tuple[PlaceLine, ...]
    not_counted: tuple[NotCounted, ...]
    measured_at: datetime

    @property
    def program_id(self) -> str:
        """Of which program it is."""
        return self.line.program_id

    @property
    def waits(self) -> bool:
        """Is it signed by nobody, and the last one of its day?"""
        return self.line.signed_by is None and self.later is None


def client_money_answer(ask: SectionContext) -> ClientMoneyAnswer:
    """Statements of a program, newest first unless sorted otherwise. Raises InvalidInput, CursorBroken."""
    program = ask.program_id or ask.extra.wiring.program_id
    page = plain_page(ask, CLIENT_MONEY_LIST, rows_max=STATEMENTS_SHOWN_MAX, program_id=program)
    return ClientMoneyAnswer(program, tuple(_line(one) for one in page.rows), page.after, page.asked, ask.clock())


def client_money_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of them as rows of a file, sorted as the page is."""
    asked = asked_here(ask, CLIENT_MONEY_LIST, ask.program_id or ask.extra.wiring.program_id)

    def told(_: Connection[Any], rows: Any, __: datetime) -> list[ClientMoneyLine]:
        return [_line(one) for one in rows]

    return plain_export(ask, CLIENT_MONEY_LIST, ClientMoneyLine._fields, told, asked=asked)


def client_money_statement(ask: SectionContext) -> ClientMoneyStatement:
    """One statement with its owners and places. Raises NotFound."""
    found = show_client_money(ask.conn, ask.params["id"])
    owners = sorted(_owners(found), key=lambda one: (-one.balance.minor, one.owner))
    detail, asset = found.detail, found.asset
    return ClientMoneyStatement(
        _line(found),
        found.sha256.hex(),
        found.action_taken,
        later_client_money(ask.conn, found),
        tuple(owners[:OWNERS_SHOWN_MAX]),
        len(owners[OWNERS_SHOWN_MAX:]),
        Money(int(detail.get("not_netted", 0)), asset),
        tuple(_place(one, asset) for one in detail["places"]),
        tuple(NotCounted(one["account"], Money(int(one["minor"]), asset), one["why"]) for one in detail["not_counted"]),
        ask.clock(),
    )


def client_money_owners(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """Every owner of one statement as rows of a file, the names of the columns first. Raises NotFound."""
    yield OwnerLine._fields
    yield from _owners(show_client_money(ask.conn, ask.params["id"]))


def _line(one: ClientMoney) -> ClientMoneyLine:
    owed, held, in_transit, difference = (Money(minor, one.asset) for minor in (one.owed, one.held, one.in_transit, one.difference))
    unproven = len(one.detail["not_checked"])
    figures = (owed, held, in_transit, difference, unproven)
    return ClientMoneyLine(one.id, one.program_id, one.on_day, *figures, one.made_by, one.made_at, one.signed_by, one.signed_at)


def _owners(one: ClientMoney) -> list[OwnerLine]:
    return [
        OwnerLine(
            owner["owner"],
            Money(int(owner["owed"]), one.asset),
            Money(int(owner.get("counted", owner["owed"])), one.asset),
            len(owner.get("accounts", ())),
        )
        for owner in one.detail["owners"]
    ]


def _place(one: dict[str, Any], asset: str) -> PlaceLine:
    booked, counted = (Money(int(one[name]), asset) for name in ("booked", "counted"))
    stated = Money(int(one["stated"]), asset) if one["stated"] is not None else None
    return PlaceLine(one["account"], booked, stated, counted, one["proven"], one["why"].removeprefix(f"{one['account']}: "), one.get("run"))
