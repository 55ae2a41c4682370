"""The page of API keys: what each may do, until when, and when it was last used; never a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.dashboard.finding.ordering import ColumnOrder
from counterfoil.dashboard.finding.plain_lists import asked_here, plain_export, plain_page
from counterfoil.dashboard.settings.offers import ActOffer, ApprovedAct, approved_acts, offer, refuse_one_program
from counterfoil.dashboard.settings.page_acts import ACTS_ON
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.ledger.reads.books import known_programs
from counterfoil.operations.access.access import ApiKey
from counterfoil.operations.access.key_list import KEY_LIST
from counterfoil.operations.access.turns import TurnLimits

ACTS: Final = ACTS_ON["/admin/keys"]
KEYS_LISTED_MAX: Final = 20
SOON: Final = timedelta(days=14)  # a key that ends within it is marked
IDLE: Final = timedelta(days=90)  # and one that nobody used for so long


class KeyRow(NamedTuple):
    """A key, and how it stands in a word."""

    key: ApiKey
    word: str
    grade: Grade


class KeysAnswer(NamedTuple):
    """What the page shows; `rows` is None for who sees one program only. `turns`: requests that are let in each second."""

    rows: tuple[KeyRow, ...] | None
    is_first: bool
    after: str | None
    orders: Mapping[str, ColumnOrder]  # by the columns
    order: str | None  # in words
    query: str  # what was asked, as it stands in an address
    make: ActOffer
    rotate: ActOffer
    revoke: ActOffer
    approved: tuple[ApprovedAct, ...]
    programs: tuple[str, ...]
    turns: TurnLimits
    measured_at: datetime


def keys_answer(ask: SectionContext) -> KeysAnswer:
    """Keys, the newest first unless sorted otherwise. Raises InvalidInput."""
    now, limits = ask.clock(), ask.extra.turn_limits
    make, rotate, revoke = (offer(one) for one in ACTS)
    offers = (make, rotate, revoke)
    if ask.only:
        return KeysAnswer(None, True, None, {}, None, "", *offers, (), (), limits, now)
    page = plain_page(ask, KEY_LIST, rows_max=KEYS_LISTED_MAX)
    shown = tuple(_row(one, now) for one in page.rows)
    listed = (page.is_first, page.after, page.orders, page.order, page.query)
    approved = approved_acts(ask, ACTS)
    return KeysAnswer(shown, *listed, *offers, approved, tuple(known_programs(ask.conn)), limits, now)


def keys_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of them as rows of a file; never a secret. Raises WholeInstallation."""
    refuse_one_program(ask)
    return plain_export(ask, KEY_LIST, ApiKey._fields, asked=asked_here(ask, KEY_LIST))


def _row(one: ApiKey, now: datetime) -> KeyRow:
    if one.revoked_at is not None:
        return KeyRow(one, "revoked", "plain")
    if one.expires_at is not None and one.expires_at <= now:
        return KeyRow(one, "expired", "plain")
    if one.expires_at is not None and one.expires_at - now < SOON:
        return KeyRow(one, "ends soon", "attention")
    if (one.last_used_at or one.created_at) < now - IDLE:
        return KeyRow(one, "not used for long", "attention")
    return KeyRow(one, "opens", "right")
