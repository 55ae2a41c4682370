"""One field that finds anything: an id, a payee, a customer, a key, a provider's reference, an amount, or a whole line of a log.

Ids are found wherever they stand in what was pasted. All else is compared whole, word by word: nothing is guessed, and nothing that is
near is shown for what was asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from psycopg import sql

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.edge import keep_to_program
from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.problems import NotFound
from counterfoil.dashboard.finding.asked_amounts import asked_amounts
from counterfoil.dashboard.finding.sought import NO_RECORDS, RECORDS, Lookup, UnpagedRecord, amount_lookups, first_id_since, word_lookups
from counterfoil.dashboard.web.navigation import DashboardPage
from counterfoil.dashboard.web.nouns import is_kept_to_programs, refuse_whole
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.access.scopes import ALL_PAGES
from counterfoil.operations.verbs import Noun

HITS_SHOWN_MAX: Final = 20  # of each kind
PASTED_WORDS_MAX: Final = 60  # of what was pasted
RECENT_DAYS: Final = 31  # so far back is sought by what no index has: every payment, say, would pay for one
_ID: Final = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2,6})_([0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26})(?![A-Za-z0-9])")
_BARE: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}")  # an id without its prefix
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\s\"'`,;=<>(){}\[\]|]+")


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
    days: int  # so far back was sought by what no index has, such as payments by amount and reference
    recent: tuple[str, ...]  # kinds of things of which so much was sought, too, beside their ids
    measured_at: datetime

    @property
    def kinds(self) -> tuple[tuple[str, tuple[SearchHit, ...]], ...]:
        """What was found, by kind, the kind of the first before the others."""
        names = dict.fromkeys(one.what for one in self.hits)
        return tuple((name, tuple(one for one in self.hits if one.what == name)) for name in names)


def search_page(nouns: Sequence[Noun]) -> DashboardPage:
    """The page at `/admin/search`."""
    by_prefix = {one.prefix: one for one in nouns}
    by_words, by_amount = word_lookups(nouns), amount_lookups(nouns)
    recent = tuple(one.plural for one in nouns if any(sought.recent for sought in one.sought))

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
        hits += [hit for word in words if _UUID.fullmatch(word) for hit in _by_journal(ask, by_prefix, by_words, word)]
        cut: list[str] = []
        if words:
            for lookup in by_words:
                if lookup.table and ask.program_id is not None and not is_kept_to_programs(ask.conn, lookup.table):
                    continue
                hits += _looked_up(ask, lookup, {"words": [*words, asked]}, cut)  # a reference may have spaces in it
            hits += _by_amount(ask, by_amount, asked, cut)
        unique = _of_each_kind(hits, cut)
        missing = tuple(one for one, hit in found if hit is None and one.partition("_")[0] not in NO_RECORDS)
        unread = len(all_ids) - len(ids) + len(all_words) - len(words)
        return SearchAnswer(asked, unique, missing, tuple(dict.fromkeys(cut)), unread, RECENT_DAYS, recent, ask.clock())

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
    for one in RECORDS.get(prefix, ()):
        row = ask.conn.execute(one.query, [given]).fetchone() if _is_seen(ask, one) else None
        if row is not None and row[0] is not None:
            return SearchHit(one.what, given, _path(one.place, row), "its id")
    if prefix not in nouns:
        return None
    noun = nouns[prefix]
    try:
        refuse_whole(ask.conn, noun, ask.program_id)
        state = noun.show(ask.conn, given).state
    except (NotFound, WholeInstallation):
        return None
    return SearchHit(noun.name, given, f"/admin/{noun.plural}/{given}", str(state).replace("_", " "))


def _is_seen(ask: SectionContext, one: UnpagedRecord) -> bool:
    """Does whoever asks see the page on which it is, and, within a program, what is of that program?"""
    if ask.caller is not None and not ask.caller.may(one.needs, ALL_PAGES):
        return False
    return ask.program_id is None or is_kept_to_programs(ask.conn, one.table)


def _looked_up(ask: SectionContext, one: Lookup, given: Mapping[str, Any], cut: list[str]) -> Iterator[SearchHit]:
    since = ask.clock() - timedelta(days=RECENT_DAYS)
    query = (one.query if isinstance(one.query, sql.Composed) else sql.SQL(one.query)) + sql.SQL(" limit %(most)s")
    first = first_id_since(one.prefix, since) if one.prefix else ""
    rows: list[Any] = ask.conn.execute(query, {**given, "since": since, "first_id": first, "most": HITS_SHOWN_MAX + 1}).fetchall()
    if len(rows) > HITS_SHOWN_MAX:
        cut.append(one.what)
    for name, *more in rows[:HITS_SHOWN_MAX]:
        said = str(more[-1]).replace("_", " ")
        yield SearchHit(one.what, name, _path(one.place, (name, *more)), f"{one.why}{f' ({said})' if said else ''}")


def _path(place: str, row: Sequence[Any]) -> str:
    """The page of a row, whose values fill the place."""
    return f"/admin/{place.format(*(quote(str(one), safe=':@') for one in row))}"


def _by_bare_id(ask: SectionContext, nouns: Mapping[str, Noun], given: str) -> Iterator[SearchHit]:
    """Of each kind the one whose id ends in this."""
    for prefix in dict.fromkeys((*nouns, *RECORDS)):
        hit = _by_id(ask, nouns, f"{prefix}_{given}")
        if hit is not None:
            yield hit


def _by_journal(ask: SectionContext, nouns: Mapping[str, Noun], lookups: Sequence[Lookup], given: str) -> Iterator[SearchHit]:
    """What a journal was posted for; a charge is found as it is by its own id. One that is about nothing here is found itself."""
    row = ask.conn.execute("select source_id, kind from journal where id = %s::uuid", [given]).fetchone()
    if row is None:
        return
    source = row[0] or ""
    about = _by_id(ask, nouns, source) if _ID.fullmatch(source) else None
    hits = [about] if about else [hit for lookup in lookups for hit in _looked_up(ask, lookup, {"words": [source]}, []) if source]
    if not hits:
        yield SearchHit("journal", given.lower(), f"/admin/journals/{given.lower()}/inclusion", str(row[1]).replace("_", " "))
    for hit in hits:
        yield hit._replace(why=f"a journal of it, {str(row[1]).replace('_', ' ')}")


def _by_amount(ask: SectionContext, lookups: Sequence[Lookup], asked: str, cut: list[str]) -> Iterator[SearchHit]:
    """Records of exactly an amount that was asked for; one that was read as minor units is told as it is."""
    for one in asked_amounts(asked, known_assets(ask.conn)):
        for lookup in lookups:
            for hit in _looked_up(ask, lookup, {"asset": one.asset.code, "minor": one.minor}, cut):
                yield hit._replace(why=f"{hit.why}: {one.asset.told(one.minor)}, as logs write it") if one.as_minor else hit
