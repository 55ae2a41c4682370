"""One field that finds anything: an id, a payee, a customer, a key, a provider's reference, an amount, or a whole line of a log.

Ids are found wherever they stand in what was pasted. All else is compared whole, word by word: nothing is guessed, and nothing that is
near is shown for what was asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
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
PAYMENTS_DAYS: Final = 31  # so far back payments are sought by what no index has: every payment would pay for one
_ID: Final = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2,5})_([0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26})(?![A-Za-z0-9])")
_BARE: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}")  # an id without its prefix
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\s\"'`,;=<>(){}\[\]|]+")
_AMOUNT: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]{1,18})?|-?[0-9]{1,16}(?:\.[0-9]{1,18})?")
_COMMA: Final = re.compile(r"-?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,16}),[0-9]{1,2}")  # 1.808,77, as most of Europe writes it
NOT_KEPT: Final = ("req",)  # ids of requests stand in logs alone


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
    days: int  # so far back payments were sought by amount and reference
    measured_at: datetime

    @property
    def kinds(self) -> tuple[tuple[str, tuple[SearchHit, ...]], ...]:
        """What was found, by kind, the kind of the first before the others."""
        names = dict.fromkeys(one.what for one in self.hits)
        return tuple((name, tuple(one for one in self.hits if one.what == name)) for name in names)


class Lookup(NamedTuple):
    """A column that words are compared with, whole. The query gives the name of what is found, a part of its page's path, and its state.

    `place`: where its page is; one with `{}` in it is filled with what the query gives.
    """

    what: str
    place: str
    why: str
    query: LiteralString


# Payments by their charge, whatever provider took them: the providers are read off the index, one step for each. By their reference,
# which no index has, those of the last days.
_OF_CHARGE: Final = """
    with recursive providers (name) as (
        select min(provider) from payment union all
        select (select min(provider) from payment where provider > name) from providers where name is not null)
    select p.id from providers cross join unnest(%(words)s::text[]) w (word) join payment p on (p.provider, p.charge_id) = (name, word)
    union
    select p.id from payment p where p.recorded_at >= %(since)s and p.reference = any(%(words)s)"""
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
        f"""select invoice_id, provider from payment where id in ({_OF_CHARGE}) and invoice_id is not null order by id desc""",
    ),
    Lookup("break", "breaks", "of this record", "select id, state from break where identity = any(%(words)s) order by id desc"),
    Lookup(
        "chargeback",
        "chargebacks",
        "of this charge or reference",
        "select id, state from chargeback where charge_id = any(%(words)s) or provider_ref = any(%(words)s) order by id desc",
    ),
    Lookup(
        "payment of no invoice",
        "day?day={1}#payments",
        "a payment with this charge or reference, of no invoice",
        f"""select id, (recorded_at at time zone 'UTC')::date::text, provider from payment
            where id in ({_OF_CHARGE}) and invoice_id is null order by id desc""",
    ),
    Lookup("escrow", "escrows", "of this reference", "select id, state from escrow where reference = any(%(words)s) order by id desc"),
    Lookup(
        "alert", "alerts", "of this code", """select id, code || ' ' || state from alert where code = any(%(words)s) order by id desc"""
    ),
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
    Lookup(
        "invoice",
        "invoices",
        "a payment of this amount",
        """select invoice_id, asset || ' ' || provider from payment
           where recorded_at >= %(since)s and invoice_id is not null and (asset, amount) = (%(asset)s, %(minor)s) order by id desc""",
    ),
    Lookup(
        "payment of no invoice",
        "day?day={1}#payments",
        "of this amount",
        """select id, (recorded_at at time zone 'UTC')::date::text, asset || ' ' || provider from payment
           where recorded_at >= %(since)s and invoice_id is null and (asset, amount) = (%(asset)s, %(minor)s) order by id desc""",
    ),
    Lookup(
        "batch",
        "batches",
        "of this amount",
        "select id, asset || ' ' || state from payout_batch where (asset, amount) = (%(asset)s, %(minor)s) order by id desc",
    ),
    Lookup(
        "refund",
        "refunds",
        "of this amount",
        "select id, asset || ' ' || state from refund where (asset, amount) = (%(asset)s, %(minor)s) order by id desc",
    ),
    Lookup(
        "dispute",
        "disputes",
        "about this amount",
        "select id, asset || ' ' || state from dispute where (asset, exposure) = (%(asset)s, %(minor)s) order by id desc",
    ),
    Lookup(
        "chargeback",
        "chargebacks",
        "of this amount",
        "select id, asset || ' ' || state from chargeback where (asset, amount) = (%(asset)s, %(minor)s) order by id desc",
    ),
    Lookup(
        "break",
        "breaks",
        "of this amount, or this is its difference",
        """select id, asset || ' ' || state from break
           where asset = %(asset)s and (at_stake = abs(%(minor)s) or abs(difference) = abs(%(minor)s)) order by id desc""",
    ),
)


def search_page(nouns: Sequence[Noun]) -> DashboardPage:
    """The page at `/admin/search`."""
    by_prefix = {one.prefix: one for one in nouns}

    def answer(ask: SectionContext) -> SearchAnswer:
        asked = ask.params.get("q", "").strip()
        if ask.program_id is not None and ask.only is None:
            keep_to_program(ask.conn, ask.program_id)
        all_ids = list(dict.fromkeys(f"{prefix.lower()}_{rest.upper()}" for prefix, rest in _ID.findall(asked)))
        all_words = [word for word in dict.fromkeys(_WORD.findall(asked)) if not _ID.fullmatch(word)]
        ids, words = all_ids[:PASTED_WORDS_MAX], all_words[:PASTED_WORDS_MAX]
        found = [(one, _by_id(ask, by_prefix, one)) for one in ids]
        hits = [hit for _, hit in found if hit is not None]
        hits += [hit for word in words if _BARE.fullmatch(word) for hit in _by_bare_id(ask, by_prefix, word.upper())]
        hits += [hit for word in words if _UUID.fullmatch(word) for hit in _by_journal(ask, by_prefix, word)]
        cut: list[str] = []
        if words:
            for lookup in BY_WORDS:
                hits += _looked_up(ask, lookup, {"words": [*words, asked]}, cut)  # a reference may have spaces in it
            hits += _by_amount(ask, asked, cut)
        unique = _of_each_kind(hits, cut)
        missing = tuple(one for one, hit in found if hit is None and one.partition("_")[0] not in NOT_KEPT)
        unread = len(all_ids) - len(ids) + len(all_words) - len(words)
        return SearchAnswer(asked, unique, missing, tuple(dict.fromkeys(cut)), unread, PAYMENTS_DAYS, ask.clock())

    return DashboardPage("/admin/search", "Where is it?", answer, "search.html", "", ("q",))


def _of_each_kind(hits: Sequence[SearchHit], cut: list[str]) -> tuple[SearchHit, ...]:
    """Each once, of each kind the first 20; of which kinds there are more is added to `cut`."""
    shown: list[SearchHit] = []
    seen: Counter[str] = Counter()
    for hit in dict.fromkeys(hits):
        seen[hit.what] += 1
        if seen[hit.what] <= HITS_SHOWN_MAX:
            shown.append(hit)
    cut += [what for what, number in seen.items() if number > HITS_SHOWN_MAX]
    return tuple(shown)


def _by_id(ask: SectionContext, nouns: Mapping[str, Noun], given: str) -> SearchHit | None:
    """What has this id, or what its record belongs to."""
    prefix = given.partition("_")[0]
    for what, place, query in OTHERS.get(prefix, ()):
        row = ask.conn.execute(query, [given]).fetchone()
        if row is not None:
            return SearchHit(what, given, _path(place, row), "its id")
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
    "pay": (
        ("payment", "invoices", "select invoice_id from payment where id = %s and invoice_id is not null"),
        (
            "payment of no invoice",
            "day?day={1}#payments",
            "select id, (recorded_at at time zone 'UTC')::date::text from payment where id = %s",
        ),
    ),
    "prop": (("proposal", "approvals#{0}", "select id from approval_proposal where id = %s"),),
    "whi": (("webhook that came", "webhooks", "select '' from webhook_in where id = %s"),),
    "set": (("settlement", "invoices", "select invoice_id from settlement where id = %s"),),
    "rec": (("reconciliation run", "reconciliation/runs", "select id from reconciliation_run where id = %s"),),
}


def _looked_up(ask: SectionContext, one: Lookup, given: Mapping[str, Any], cut: list[str]) -> Iterator[SearchHit]:
    since = ask.clock() - timedelta(days=PAYMENTS_DAYS)
    rows = ask.conn.execute(f"{one.query} limit %(most)s".encode(), {**given, "since": since, "most": HITS_SHOWN_MAX + 1}).fetchall()
    if len(rows) > HITS_SHOWN_MAX:
        cut.append(one.what)
    for name, *more in rows[:HITS_SHOWN_MAX]:
        said = str(more[-1]).replace("_", " ")
        yield SearchHit(one.what, name, _path(one.place, (name, *more)), f"{one.why}{f' ({said})' if said else ''}")


def _path(place: str, row: Sequence[Any]) -> str:
    """The page of a row: its first value behind the place, or all of them within it."""
    return f"/admin/{place.format(*row)}" if "{" in place else f"/admin/{place}/{row[0]}".rstrip("/")


def _by_bare_id(ask: SectionContext, nouns: Mapping[str, Noun], given: str) -> Iterator[SearchHit]:
    """Of each kind the one whose id ends in this."""
    for prefix in dict.fromkeys((*nouns, *OTHERS)):
        hit = _by_id(ask, nouns, f"{prefix}_{given}")
        if hit is not None:
            yield hit


def _by_journal(ask: SectionContext, nouns: Mapping[str, Noun], given: str) -> Iterator[SearchHit]:
    """What a journal was posted for; a charge is found as it is by its own id."""
    row = ask.conn.execute("select source_id, kind from journal where id = %s::uuid", [given]).fetchone()
    if row is None or not row[0]:
        return
    about = _by_id(ask, nouns, row[0]) if _ID.fullmatch(row[0]) else None
    hits = [about] if about else [hit for lookup in BY_WORDS for hit in _looked_up(ask, lookup, {"words": [row[0]]}, [])]
    for hit in hits:
        yield hit._replace(why=f"a journal of it, {str(row[1]).replace('_', ' ')}")


def _by_amount(ask: SectionContext, asked: str, cut: list[str]) -> Iterator[SearchHit]:
    """Records of exactly this amount: of the asset that is named beside it, or, where nothing else is asked, of every one.

    A figure in the middle of a line, such as a part of a time, is no amount.
    """
    words, assets = asked.split(), known_assets(ask.conn)
    for at, word in enumerate(words):
        figure = _figure(word)
        if figure is None:
            continue
        beside = (words[place].strip(".,;:()") for place in (at + 1, at - 1) if 0 <= place < len(words))
        asset = next((assets[name] for name in beside if name in assets), None)
        for one in [asset] if asset else assets.values() if len(words) == 1 else ():
            try:
                minor = parse_major(figure, one, "q")
            except InvalidInput:
                continue  # there is no such amount of it
            for lookup in BY_AMOUNT:
                yield from _looked_up(ask, lookup, {"asset": one.code, "minor": minor}, cut)


def _figure(word: str) -> str | None:
    """An amount as it is parsed; None where the word is none."""
    word = word.strip("(),;:")
    if _AMOUNT.fullmatch(word):
        return word.replace(",", "")
    return word.replace(".", "").replace(",", ".") if _COMMA.fullmatch(word) else None
