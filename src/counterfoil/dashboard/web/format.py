"""How figures look: amounts in major units, times in UTC, spans in words. Formatting only; nothing is computed here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from markupsafe import Markup, escape

from counterfoil.base.formats.amounts import figure_in
from counterfoil.base.money import Asset, Money
from counterfoil.base.problems import all_problems
from counterfoil.dashboard.web.sections import Grade
from counterfoil.operations.access.access import Caller
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN

SAID_BY_THEM: Final = "the provider says"  # and then a word of its own, such as account_closed; ours are ids, which stay as they are
_WORD_OF_THEIRS: Final = re.compile("(?<=[a-z])_(?=[a-z])")
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)$")
_OFF: Final = re.compile(r", amount off by -?[0-9]+")
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_MANY, _YEAR = 100, 365  # days
STATE_WORDS: Final = {
    "reconcile_required": "in doubt",
    "minor": "amount",
    "state_at": "in this state since",
    "lines_left": "lines taken out",
    "by_rule": "approved by rule",
    "not_by_rule": "why people approve",
    "sha256": "digest",
    "manifest_sha256": "digest of the manifest",
    "took_ms": "took, ms",
    "duration_ms": "took, ms",
}
WORDED: Final = frozenset({"commits", "cause"})  # fields whose values are words of a machine: `on_request`
# Whose page says what is owed and why, by the name of the field that names them.
PARTIES: Final[Mapping[str, str]] = {"payee_id": "payees", "customer_id": "customers"}
# Fields of rows that count something: right-aligned as amounts are.
COUNTS: Final = frozenset(
    """times lines lines_paid lines_left approvals approvers attempts findings broken checks places failures rows_read documents missed
    events keys entries entries_done bytes took_ms duration_ms""".split()  # noqa: SIM905 - as a list it is twenty lines
)
# States that ask for somebody. All others are words alone.
_MARKED: Final[Mapping[Grade, tuple[str, ...]]] = {
    "wrong": ("failed", "returned", "aborted", "cut_short", "lost", "wrong"),
    "attention": (
        *("reconcile_required", "quarantined", "disputed", "overdue", "disabled", "frozen", "half_open", "escalated"),
        *("pending_approval", "partially_executed", "charged_back", "responding"),
    ),
}
STATE_GRADES: Final[Mapping[str, Grade]] = {state: grade for grade, states in _MARKED.items() for state in states}
BREAK_WORDS: Final = {
    "MISSING_LEFT": "missing in our books",
    "MISSING_RIGHT": "missing in their statement",
    "DUPLICATE_LEFT": "twice in our books",
    "DUPLICATE_RIGHT": "twice in their statement",
}


ACTS: Final = {verb.name: verb for verb in BREAK_NOUN.verbs}
MANY: Final = tuple(verb.name for verb in BREAK_NOUN.verbs if verb.many)

_ID: Final = re.compile(r"[a-z]{2,5}_[0-9A-HJKMNP-TV-Z]{26}")
_HEAD: Final = re.compile(r"<thead\b.*?</thead>", re.DOTALL)
_PART: Final = re.compile(r"<tr\b[^>]*>|<(?P<name>t[dh])\b(?P<more>[^>]*)>(?P<said>.*?)</(?P=name)>", re.DOTALL)
_SPAN: Final = re.compile(r'colspan="(\d+)"')
_UNSAID: Final = re.compile(r'<span aria-hidden="true">.*?</span>|<[^>]*>', re.DOTALL)
_SEEN: Final = re.compile(r"<(?:svg|input|form)\b")
SHORT_MAX: Final = 22  # letters that stand beside another value on a phone; what is longer has a line of its own
_FOUND: Final = re.compile(r"(?<![A-Za-z0-9])([a-z]{2,5}_[0-9A-HJKMNP-TV-Z]{26})(?![A-Za-z0-9])")


def in_sentence(label: str) -> str:
    """A label within a sentence: its first letter is small, and `API` stays as it is."""
    return label[:1].lower() + label[1:]


def told_in(note: str) -> Mapping[str, Any] | None:
    """What a signed note says, where that is names and values; None of any other text."""
    try:
        told = json.loads(note.partition("\n\n")[0])
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def an_id(value: object) -> bool:
    """Is it the id of a record, which the search finds?"""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def figure(value: object) -> bool:
    """Is it a number that stands right in a column, and not yes or no?"""
    return isinstance(value, int) and not isinstance(value, bool)


def short_id(text: str) -> str:
    """An id of another thing as a row of a list shows it: its kind, and the end, which tells it from its neighbours."""
    prefix, _, rest = text.partition("_")
    return f"{prefix}_…{rest[-8:]}"


def linked(text: str) -> Markup:
    """A sentence whose ids lead to what they name, each by its end; what stands between backticks is a command."""
    quoted = text.split("`")
    if len(quoted) % 2 == 0:
        return _with_links(text)
    return Markup("").join(Markup("<code>{}</code>").format(one) if at % 2 else _with_links(one) for at, one in enumerate(quoted))


def _with_links(text: str) -> Markup:
    parts = _FOUND.split(_WORD_OF_THEIRS.sub(" ", text) if text.startswith(SAID_BY_THEM) else text)
    return Markup("").join(
        Markup('<a class="id" href="/admin/search?q={}" title="{}">{}</a>').format(one, one, short_id(one)) if at % 2 else escape(one)
        for at, one in enumerate(parts)
    )


def moment_in(text: str) -> datetime | None:
    """The moment that a text is, `2026-11-30T07:22:00+00:00`; None of every other text."""
    try:
        found = datetime.fromisoformat(text) if _MOMENT.match(text) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def titled_cells(table: Markup) -> Markup:
    """The inside of a table, each value with the title of its column, by which it is told where rows are cards.

    A title is what the head of the table says, so nothing is declared twice. What says nothing, or much, is marked as such.
    """
    html = str(table)
    head = _HEAD.search(html)
    titles = [_text(one["said"]) for one in _PART.finditer(head[0]) if one["name"]] if head else []
    at = 0

    def titled(part: re.Match[str]) -> str:
        nonlocal at
        if not part["name"]:
            at = 0
            return part[0]
        title = titles[at] if at < len(titles) else ""
        span = _SPAN.search(part["more"])
        at += int(span[1]) if span else 1
        if part["name"] == "th" or not title:
            return part[0]
        said = _text(part["said"])
        none = said in ("", "–") and not _SEEN.search(part["said"])
        size = " data-none" if none else " data-long" if len(said) > SHORT_MAX else ""
        return f'<td data-l="{title}"{size}{part["more"]}>{part["said"]}</td>'

    start = head.end() if head else 0
    return Markup(html[:start] + _PART.sub(titled, html[start:]))  # noqa: S704 - what a template wrote, already escaped


def _text(html: str) -> str:
    """What is read of it; it is still escaped."""
    return " ".join(_UNSAID.sub("", html).replace('"', "&quot;").split())


def may(caller: Caller, verb: str) -> bool:
    """May this caller say the verb of a break?"""
    return caller.may(BREAK_NOUN.verb(verb).permission, BREAK_NOUN.area)


def amount(money: Money, assets: Mapping[str, Asset]) -> Markup:
    """`12,345.67` with its minor units in `<data value>`, for programs and tests. A minus is a minus, not a hyphen."""
    shown = figure_in(assets, money.minor, money.asset).replace("-", "−")
    return Markup('<data class="amount{}" value="{}">{}</data>').format(" nothing" if money.minor == 0 else "", money.minor, shown)


def moment(at: datetime) -> Markup:
    """`13:04:05`, with the whole of it in the tag."""
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M:%S UTC"), at.strftime("%H:%M:%S")
    )


def dated(at: datetime, now: datetime | None = None) -> Markup:
    """`20 Nov 13:04:05`, with the whole of it in the tag; `20 Nov 2025 13:04:05` of another year than `now` is in."""
    at = at.astimezone(UTC)
    year = f" {at.year}" if now is not None and now.astimezone(UTC).year != at.year else ""
    return Markup('<time datetime="{}" title="{}">{} {:%b}{} {:%H:%M:%S}</time>').format(
        at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M:%S UTC"), at.day, at, year, at
    )


def until(at: datetime) -> Markup:
    """`2027-11-20 12:00`, of what ends or is due: it may be of another year."""
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M:%S UTC"), at.strftime("%Y-%m-%d %H:%M")
    )


def apart(one: str, other: str) -> Markup:
    """`one`, with the stretch marked in which it differs from `other`."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[len(one) - 1 - end] == other[len(other) - 1 - end]:
        end += 1
    stop = len(one) - end
    marked = Markup("<mark>{}</mark>").format(one[start:stop]) if one[start:stop] else Markup('<mark class="gap"></mark>')
    return Markup("").join((escape(one[:start]), marked, escape(one[stop:])))


def since(at: datetime, now: datetime) -> Markup:
    """How long ago, in words of two units at most: `3 h 12 min`."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.astimezone(UTC).isoformat(timespec="seconds"),
        at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        span(now - at),
    )


def span(length: timedelta) -> str:
    """A span in words: `8 s`, `3 min`, `3 h 12 min`, `2 d 4 h`, `200 d`, `6 y 30 d`."""
    seconds = max(int(length.total_seconds()), 0)
    days = seconds // _DAY
    if days >= _YEAR:
        return f"{days // _YEAR} y {days % _YEAR} d"
    if days >= _MANY:
        return f"{days} d"
    if seconds >= _DAY:
        return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"
    if seconds >= _HOUR:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    return f"{seconds // _MINUTE} min" if seconds >= _MINUTE else f"{seconds} s"


def short(length: timedelta) -> str:
    """A short span to the millisecond, or from a second on to the tenth: `42 ms`, `1.8 s`."""
    if length < timedelta(seconds=1):
        return f"{length // timedelta(milliseconds=1)} ms"
    return f"{length.total_seconds():,.1f} s"


def long_date(day: date) -> str:
    """`Friday, 20 November 2026`."""
    return f"{day:%A}, {day.day} {day:%B} {day:%Y}"


def command(text: str) -> Markup:
    """A command whose words stay whole where a line breaks, so that no flag is read as two."""
    return Markup(" ").join(Markup('<span class="word">{}</span>').format(part) for part in text.split(" "))


def words(name: str) -> str:
    """A state or an event's name as words."""
    return STATE_WORDS.get(name, name.replace("_", " "))


def break_words(kind: str) -> str:
    """A kind of break as words: left is ours, right is the provider's."""
    return BREAK_WORDS.get(kind, kind.replace("_", " ").lower()).capitalize()


def found_words(reason: str) -> str:
    """How a run came upon a break, as people say it: of `key equal, amount off by -5`; the amounts stand above."""
    told = _OFF.sub(", and their amounts differ", reason)
    return told.replace("key equal", "both have the same key", 1)


def refusal_words(reason: str) -> str:
    """What a kind of problem says of itself, where `reason` names one; else empty."""
    return next((one.title() for one in all_problems() if one.__name__ == reason), "")


def told_error(error: str | None) -> str:
    """Why something failed, without the name that programs give to this kind of problem: what it says follows it."""
    name, _, said = (error or "").partition(": ")
    return said if said and refusal_words(name) else error or ""


def breakable(text: str) -> Markup:
    """A long id with places where a narrow screen may break it."""
    return Markup("<wbr>").join(escape(part) for part in _pieces(text))


def _pieces(text: str) -> list[str]:
    return [text[start : start + 10] for start in range(0, len(text), 10)]
