"""One field that finds anything: an id, a payee, a customer, a key, a provider's reference, an amount, or a whole line of a log.

Ids are found wherever they stand in what was pasted. All else is compared whole, word by word: nothing is guessed, and nothing that is
near is shown for what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.edge import keep_to_program
from counterfoil.base.money import parse_major
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.dashboard.web.navigation import DashboardPage
from counterfoil.dashboard.web.nouns import refuse_whole
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.ledger.reads.books import known_assets
from counterfoil.operations.verbs import Noun

HITS_SHOWN_MAX: Final = 20  # of each kind
PASTED_WORDS_MAX: Final = 60  # of what was pasted
_ID: Final = re.compile(r"(?<![A-Za-z0-9])[a-z]{2,5}_[0-9A-HJKMNP-TV-Z]{26}(?![A-Za-z0-9])")
_WORD: Final = re.compile(r"[^\s\"'`,;=<>(){}\[\]|]+")
_AMOUNT: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]{1,18})?|-?[0-9]{1,16}(?:\.[0-9]{1,18})?")


class SearchHit(NamedTuple):
    """Something that was found: which kind of thing, its name, its page, and why it is shown."""

    what: str
    name: str
    path: str
    why: str


class SearchAnswer(NamedTuple):
    """What was found for what was asked. `missing`: ids that nothing here has; `cut`: kinds of which there are more than are shown."""

    asked: str
    hits: tuple[SearchHit, ...]
    missing: tuple[str, ...]
    cut: tuple[str, ...]
    unread: int  # words and ids that were not looked for: too many were pasted
    measured_at: datetime


class Lookup(NamedTuple):
    """A column that words are compared with, whole. The query gives the name of what is found, a part of its page's path, and its state."""

    what: str
    place: str
    why: str
    query: LiteralString


BY_WORDS: Final = (
    Lookup("payee", "payees", "a payee", "select distinct payee_id, '' from payout where payee_id = any(%(words)s)"),
    Lookup("customer", "customers", "a customer", "select distinct customer_id, '' from invoice where customer_id = any(%(words)s)"),
    Lookup("payout", "payouts", "its key is this", "select id, state from payout where key = any(%(words)s) order by id desc"),
    Lookup(
        "payout",
        "payouts",
        "the provider's reference, or our key, of an attempt",
        """select payout_id, provider || ' ' || state from provider_payout
           where provider_ref = any(%(words)s) or idempotency_key = any(%(words)s) order by id desc""",
    ),
    Lookup(
        "invoice",
        "invoices",
        "a payment with this charge or reference",
        """select invoice_id, provider from payment
           where invoice_id is not null and (charge_id = any(%(words)s) or reference = any(%(words)s)) order by id desc""",
    ),
    Lookup("break", "breaks", "of this record", "select id, state from break where identity = any(%(words)s) order by id desc"),
    Lookup("agent", "agents", "of this name", "select id, state from agent where name = any(%(words)s) order by id desc"),
    Lookup("affiliate", "affiliates", "of this name", "select id, state from affiliate where name = any(%(words)s) order by id"),
)
BY_AMOUNT: Final = (
    Lookup(
        "payout",
        "payouts",
        "of this amount",
        "select id, asset || ' ' || state from payout where (asset, amount) = (%(asset)s, %(minor)s) order by id desc",
    ),
    Lookup(
        "invoice",
        "invoices",
        "of this amount",
        "select id, asset || ' ' || state from invoice where (asset, total) = (%(asset)s, %(minor)s) order by id desc",
    ),
)


def search_page(nouns: Sequence[Noun]) -> DashboardPage:
    """The page at `/admin/search`."""
    by_prefix = {one.prefix: one for one in nouns}

    def answer(ask: SectionContext) -> SearchAnswer:
        asked = ask.params.get("q", "").strip()
        if ask.program_id is not None and ask.only is None:
            keep_to_program(ask.conn, ask.program_id)
        all_ids = list(dict.fromkeys(_ID.findall(asked)))
        all_words = [word for word in dict.fromkeys(_WORD.findall(asked)) if word not in all_ids]
        ids, words = all_ids[:PASTED_WORDS_MAX], all_words[:PASTED_WORDS_MAX]
        found = [(one, _by_id(ask, by_prefix, one)) for one in ids]
        hits = [hit for _, hit in found if hit is not None]
        cut: list[str] = []
        if words:
            for lookup in BY_WORDS:
                hits += _looked_up(ask, lookup, {"words": words}, cut)
            hits += _by_amount(ask, asked, cut)
        unique = tuple(dict.fromkeys(hits))
        missing = tuple(one for one, hit in found if hit is None)
        unread = len(all_ids) - len(ids) + len(all_words) - len(words)
        return SearchAnswer(asked, unique, missing, tuple(dict.fromkeys(cut)), unread, ask.clock())

    return DashboardPage("/admin/search", "Where is it?", answer, "search.html", "", ("q",))


def _by_id(ask: SectionContext, nouns: Mapping[str, Noun], given: str) -> SearchHit | None:
    """What has this id, or what its record belongs to."""
    prefix = given.partition("_")[0]
    for what, place, query in OTHERS.get(prefix, ()):
        row = ask.conn.execute(query, [given]).fetchone()
        if row is not None:
            return SearchHit(what, given, f"/admin/{place}/{row[0]}", "its id")
    if prefix not in nouns:
        return None
    noun = nouns[prefix]
    try:
        refuse_whole(ask.conn, noun, ask.program_id)
        state = noun.show(ask.conn, given).state
    except (NotFound, WholeInstallation):
        return None
    return SearchHit(noun.name, given, f"/admin/{noun.plural}/{given}", str(state).replace("_", " "))


# Records that have no page of their own, and the page on which they stand.
OTHERS: Final[Mapping[str, Sequence[tuple[str, str, LiteralString]]]] = {
    "pp": (("attempt of a payout", "payouts", "select payout_id from provider_payout where id = %s"),),
    "pay": (("payment", "invoices", "select invoice_id from payment where id = %s and invoice_id is not null"),),
    "set": (("settlement", "invoices", "select invoice_id from settlement where id = %s"),),
    "rec": (("reconciliation run", "reconciliation/runs", "select id from reconciliation_run where id = %s"),),
}


def _looked_up(ask: SectionContext, one: Lookup, given: Mapping[str, Any], cut: list[str]) -> Iterator[SearchHit]:
    rows = ask.conn.execute(f"{one.query} limit %(most)s".encode(), {**given, "most": HITS_SHOWN_MAX + 1}).fetchall()
    if len(rows) > HITS_SHOWN_MAX:
        cut.append(one.what)
    for name, *more in rows[:HITS_SHOWN_MAX]:
        said = str(more[-1]).replace("_", " ")
        yield SearchHit(one.what, name, f"/admin/{one.place}/{name}", f"{one.why}{f' ({said})' if said else ''}")


def _by_amount(ask: SectionContext, asked: str, cut: list[str]) -> Iterator[SearchHit]:
    """Payouts and invoices of exactly this amount: of the asset that is named behind it, or, where nothing else is asked, of every one.

    A figure in the middle of a line, such as a part of a time, is no amount.
    """
    words, assets = asked.split(), known_assets(ask.conn)
    for at, word in enumerate(words):
        if not _AMOUNT.fullmatch(word):
            continue
        asset = assets.get(words[at + 1].strip(".,;)")) if at + 1 < len(words) else None
        for one in [asset] if asset else assets.values() if len(words) == 1 else ():
            try:
                minor = parse_major(word.replace(",", ""), one, "q")
            except InvalidInput:
                continue  # there is no such amount of it
            for lookup in BY_AMOUNT:
                yield from _looked_up(ask, lookup, {"asset": one.code, "minor": minor}, cut)
