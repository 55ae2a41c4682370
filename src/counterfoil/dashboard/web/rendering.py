"""Pages out of templates: Jinja with escaping always on, and names that are not there are errors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from types import CodeType
from typing import Any, ClassVar, Final, NamedTuple

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from markupsafe import Markup

from counterfoil.base.formats.amounts import tell_in
from counterfoil.base.formats.counting import counted
from counterfoil.base.money import Asset
from counterfoil.base.problems import Fact
from counterfoil.dashboard.pages.account import AccountShown
from counterfoil.dashboard.web import format as shown
from counterfoil.dashboard.web.navigation import DashboardPage
from counterfoil.dashboard.web.sections import OUTCOME_GRADES, WORDS, SectionContext
from counterfoil.dashboard.web.sessions import Session
from counterfoil.dashboard.work.payloads import page_of
from counterfoil.operations.verbs import AMOUNTS
from counterfoil.wiring import NOUNS

STYLES: Final = tuple(  # in this order
    f"{name}.css" for name in ("frame", "answer", "sheets", "lists", "breaks", "maps", "work", "today", "screens")
)
ASSETS: Final = {
    **dict.fromkeys(STYLES, "text/css"),
    "refresh.js": "text/javascript",
    "api_docs.css": "text/css",
    "api_docs.js": "text/javascript",
    "counterfoil.svg": "image/svg+xml",
}
PROSE: Final = frozenset[str]().union(*(noun.prose for noun in NOUNS))  # fields of things that are texts of paragraphs


class WayOn(NamedTuple):
    """Where somebody goes on from a page that could not be shown."""

    path: str
    words: str


class PageProblem(NamedTuple):
    """Why a page could not be shown. `todo`: what to do about it; `again`: asking again changes nothing, so it may be asked by itself."""

    title: str
    facts: Mapping[str, Fact]
    status: int
    todo: str
    on: WayOn
    again: bool
    request_id: str
    at: datetime


class _CompiledOnce(BytecodeCache):
    """Templates are compiled once in a process, however many renderers it has."""

    kept: ClassVar[dict[str, tuple[str, CodeType | None]]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """What was compiled from the same text."""
        checksum, code = self.kept.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self.kept[bucket.key] = bucket.checksum, bucket.code


def program_of(ask: SectionContext, answer: Any) -> str | None:
    """The program of what a page shows: that of its one thing, or the one that was chosen; None where it shows all."""
    for one in (answer, *(getattr(answer, name, None) for name in ("run", "case", "card"))):
        found = getattr(one, "program_id", None)
        if isinstance(found, str) and found:
            return found
    facts = {one.name: one.value for one in getattr(answer, "facts", ())}
    return str(facts.get("program_id") or "") or ask.program_id


@pass_context
def _dated(page: Context, at: datetime) -> Markup:
    """Of another year than that of the page with its year."""
    return shown.dated(at, page.get("now"))


class Renderer:
    """The templates and files of the dashboard, read once."""

    def __init__(self, *, version: str, refresh_s: int, rail: Sequence[Any]) -> None:
        """`refresh_s`: seconds between two refreshes of a page; 0 never. `rail`: the pages that every page leads to, in groups."""
        folder = files("counterfoil.dashboard") / "static"
        self.files = {name: (folder / name).read_bytes() for name in ASSETS}
        self._digests = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in self.files.items()}
        self._jinja = Environment(
            loader=PackageLoader("counterfoil.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            bytecode_cache=_CompiledOnce(),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._jinja.filters |= {
            "in_sentence": shown.in_sentence,
            "found_words": shown.found_words,
            "refusal_words": shown.refusal_words,
            "told_error": shown.told_error,
            "moment": shown.moment,
            "page_of": page_of,
            "span": shown.span,
            "short": shown.short,
            "command": shown.command,
            "long_date": shown.long_date,
            "dated": _dated,
            "until": shown.until,
            "told_in": shown.told_in,
            "titled_cells": shown.titled_cells,
            "words": shown.words,
            "breakable": shown.breakable,
            "short_id": shown.short_id,
            "linked": shown.linked,
            "moment_in": shown.moment_in,
            "break_words": shown.break_words,
            "counted": counted,
        }
        self._jinja.tests |= {"an_id": shown.an_id, "figure": shown.figure}
        self._jinja.globals |= {
            "amounts": AMOUNTS,
            "counts": shown.COUNTS,
            "prose": PROSE,
            "parties": shown.PARTIES,
            "worded": shown.WORDED,
            "state_grades": shown.STATE_GRADES,
            "told_facts": lambda problem: problem.told(),  # a page that has the assets at hand says how their amounts are told
            "rail": rail,
            "styles": STYLES,
            "version": version,
            "refresh_s": refresh_s,
            "grade_words": WORDS,
            "outcome_grades": OUTCOME_GRADES,
            "asset_url": self._url,
            "apart": shown.apart,
            "may": shown.may,
            "acts": shown.ACTS,
            "bulk_verbs": shown.MANY,
        }

    def page(
        self,
        page: DashboardPage,
        ask: SectionContext,
        answer: Any,
        assets: Mapping[str, Asset],
        session: Session,
        address: str,
    ) -> str:
        """One page with its answer."""
        now = ask.clock()
        return self._jinja.get_template(page.template).render(
            page=page,
            ask=ask,
            answer=answer,
            session=session,
            address=address,
            program=program_of(ask, answer),
            now=now,
            money=lambda given: shown.amount(given, assets),
            told_facts=lambda problem: problem.told(tell_in(assets)),
            since=lambda at: shown.since(at, now),
        )

    def login(self, next_path: str, *, told: str | None, refused: bool, provider: bool) -> str:
        """The form to log in. `told`: why it is shown, or why it is shown again; `provider`: one may log in by one."""
        return self._jinja.get_template("login.html").render(next_path=next_path, told=told, refused=refused, provider=provider)

    def moved(self, next_path: str) -> str:
        """A page that leads to another at once."""
        return self._jinja.get_template("moved.html").render(next_path=next_path)

    def account(self, session: Session, shown: AccountShown, now: datetime) -> str:
        """A person's own page."""
        return self._jinja.get_template("account.html").render(session=session, shown=shown, now=now, page=None)

    def choose_password(self, once: str, *, told: str | None) -> str:
        """The form where somebody with a one-time secret chooses their password. `told`: why it is shown again."""
        return self._jinja.get_template("password.html").render(once=once, told=told)

    def problem(self, told: PageProblem, session: Session | None, *, framed: bool) -> str:
        """A page that says what was refused, and that nothing was measured; `framed`: with the rail that leads to every page."""
        return self._jinja.get_template("problem.html").render(told=told, session=session, framed=framed, page=None)

    def api_page(self, template: str, **told: Any) -> str:
        """A page about the API itself, which nobody logs in for."""
        return self._jinja.get_template(template).render(**told)

    def _url(self, name: str) -> str:
        return f"/admin/assets/{name}?{self._digests[name]}"
