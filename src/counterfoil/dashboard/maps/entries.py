"""The entries behind a figure of the money map: what was posted to a part of a book on a day, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.money import Money
from counterfoil.base.paging import Keyset
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.finding.ordering import EXPORTED_MAX
from counterfoil.dashboard.maps.money import APART, HOUSE, OWNERS, PLACES, is_place, words_of_part
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.ledger.reads.entries import EntriesWanted, Entry, PartOfBook, entries_of, moved_of

ENTRIES_SHOWN_MAX: Final = 20
READ_AT_ONCE: Final = 1_000
WANTS: Final = ("account", "asset", "way", "with", "after")
WAYS: Final = ("came", "went")
_KEYSET: Final = Keyset("entries", (str, int))


class EntryShown(NamedTuple):
    """A posting as the part sees it: what came, what went, and the account on its other side."""

    at: datetime
    journal_id: str
    kind: str
    key: str
    about: str | None  # what it was posted for
    other: str
    came: Money | None
    went: Money | None


class EntriesAnswer(NamedTuple):
    """What the page shows. `account`: the part as the address names it; empty when none was chosen. `way`: only what came, or what went;
    `with_`: only what has this part on its other side, in words."""

    account: str
    words: str
    way: str
    with_: str
    program_id: str
    asset: str
    came: Money | None
    went: Money | None
    rows: tuple[EntryShown, ...]
    is_first: bool
    after: str | None
    measured_at: datetime


def entries_answer(ask: SectionContext) -> EntriesAnswer:
    """The entries of the part that the address names, on the chosen day. Raises InvalidInput, CursorBroken."""
    account = ask.params.get("account", "")
    program = ask.program_id or ask.extra.wiring.program_id
    if not account:
        return EntriesAnswer("", "", "", "", program, "", None, None, (), True, None, ask.clock())
    asset = _asset(ask)
    part, wanted = _part(program, asset, account), _wanted(ask, program, asset, account)
    span: dict[str, Any] = {"start": ask.day.start, "end": ask.day.end, "wanted": wanted}
    after = _KEYSET.after(ask.params.get("after"))
    place = None if after is None else (str(after[0]), int(str(after[1])))
    found = entries_of(ask.conn, part, **span, rows_max=ENTRIES_SHOWN_MAX + 1, after=place)
    shown, moved = found[:ENTRIES_SHOWN_MAX], moved_of(ask.conn, part, **span)
    came, went = (moved.debits, moved.credits) if is_place(account) else (moved.credits, moved.debits)
    return EntriesAnswer(
        account,
        words_of_part(account),
        ask.params.get("way", ""),
        words_of_part(ask.params.get("with", "")),
        program,
        asset,
        Money(came, asset),
        Money(went, asset),
        tuple(_shown(one, asset, place=is_place(account)) for one in shown),
        after is None,
        _KEYSET.cursor(str(shown[-1].journal_id), shown[-1].line) if len(found) > ENTRIES_SHOWN_MAX else None,
        ask.clock(),
    )


def entries_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """The same entries as rows of a file, the names of the columns first; a last row says where it was cut. Raises InvalidInput."""
    account, asset = ask.params.get("account", ""), _asset(ask)
    if not account:
        raise InvalidInput("account", "a part of the money map, such as clearing:*")
    program = ask.program_id or ask.extra.wiring.program_id
    part, wanted = _part(program, asset, account), _wanted(ask, program, asset, account)
    after, count = None, 0
    yield EntryShown._fields
    while found := entries_of(ask.conn, part, start=ask.day.start, end=ask.day.end, rows_max=READ_AT_ONCE, after=after, wanted=wanted):
        for one in found:
            if count == EXPORTED_MAX:
                yield (f"cut at {EXPORTED_MAX} rows: these are the newest of the day",)
                return
            count += 1
            yield tuple(_shown(one, asset, place=is_place(account)))
        after = (str(found[-1].journal_id), found[-1].line)


def _asset(ask: SectionContext) -> str:
    asset = ask.params.get("asset", "")
    if asset not in known_assets(ask.conn):
        raise InvalidInput("asset", "one that the books know", got=asset[:40])
    return asset


def _wanted(ask: SectionContext, program: str, asset: str, account: str) -> EntriesWanted:
    """Which of its entries: a place has more by a debit, an owner by a credit. Raises InvalidInput."""
    way, other = ask.params.get("way", ""), ask.params.get("with", "")
    if way and way not in WAYS:
        raise InvalidInput("way", f"one of {', '.join(WAYS)}", got=way[:40])
    return EntriesWanted((way == "came") is is_place(account) if way else None, _part(program, asset, other) if other else None)


def _part(program: str, asset: str, account: str) -> PartOfBook:
    """What is neither a place nor somebody's is the house's, as on the map."""
    if account == HOUSE:
        return PartOfBook(program, asset, (*PLACES, *OWNERS, f"{APART}*"), others=True)
    return PartOfBook(program, asset, (account,))


def _shown(one: Entry, asset: str, *, place: bool) -> EntryShown:
    amount = Money(one.amount, asset)
    came, went = (one.debited, one.credited) if place else (one.credited, one.debited)
    other = one.credit if one.debited else one.debit
    about = one.source_id or None
    return EntryShown(
        one.recorded_at, str(one.journal_id), one.kind, one.key, about, other, amount if came else None, amount if went else None
    )
