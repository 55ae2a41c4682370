"""The page of one thing, derived from its noun: what it is, what was done to it, and a form for each verb.

Every action goes one way: fill in the form, see what would happen (a dry run), confirm, read the receipt. What takes two people is
proposed here and decided among the approvals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.ids import valid_id
from counterfoil.base.machine import Step, history_of
from counterfoil.base.money import Money
from counterfoil.base.problems import ReasonRequired
from counterfoil.dashboard.web.driver import OURS, FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.fields import field_given
from counterfoil.dashboard.web.format import PARTIES
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.dashboard.web.serving import Served
from counterfoil.dashboard.work.approvals import deciding
from counterfoil.operations.approvals import Proposal
from counterfoil.operations.noun_pages import Elsewhere, SafeNextAction
from counterfoil.operations.verbs import (
    AMOUNTS,
    PART_ROWS_MAX,
    Field,
    Noun,
    Part,
    Verb,
    VerbCall,
    VerbResult,
    say,
)

# What is to happen by when, and the field that says that it has.
CLOCKS: Final[Mapping[str, str]] = {
    "approve_by": "approved_at",
    "execute_by": "",
    "respond_by": "responded_at",
    "due_at": "",
    "expires_at": "",
}
LEADS: Final = ("level", "severity", "title")  # of what has no amount: how grave it is, and what it says
HIDDEN: Final = ("expected_state", *OURS)


class NounFact(NamedTuple):
    """One field of the thing."""

    name: str
    value: Any


class Offer(NamedTuple):
    """A verb as it is offered; `why_not`: the true reason why it cannot be said now."""

    name: str
    word: str
    label: str
    effect: str
    takes: tuple[Field, ...]
    reason: bool
    long_reason: bool
    paired: bool
    permission: str
    area: str  # with it, as in a scope
    why_not: str | None


class NounPart(NamedTuple):
    """Rows that belong to the thing, under the names of their fields."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cut: bool  # there are more
    files: str = ""  # where the file of each row is, less its number


class NounHeadline(NamedTuple):
    """What somebody looks for first: how much, whose or what covers it, and what is to happen by when."""

    amount_name: str
    amount: Money | None
    beside: tuple[NounFact, ...]
    clocks: tuple[NounFact, ...]


class DoneElsewhere(NamedTuple):
    """What is done at one's own machine or elsewhere in the dashboard, as its page says it; `takes`: where its page sends a file, `needs`:
    the permission that this takes."""

    says: str
    command: str
    state: str
    page: str
    takes: str = ""
    needs: str = ""


class NounAnswer(NamedTuple):
    """What the page of one thing shows. `next_page`: where the next is done, if not here."""

    noun: str
    id: str
    state: str
    headline: NounHeadline
    facts: tuple[NounFact, ...]
    next_action: SafeNextAction | None
    next_page: str
    offers: tuple[Offer, ...]
    parts: tuple[NounPart, ...]
    steps: tuple[Step, ...]
    steps_cut: bool  # there are more
    elsewhere: tuple[DoneElsewhere, ...]
    measured_at: datetime


def noun_page(noun: Noun) -> DashboardPage:
    """The page at `/admin/{plural}/{id}`."""

    def answer(ask: SectionContext) -> NounAnswer:
        subject_id = valid_id(ask.params["id"], noun.prefix, "id")
        if ask.only is not None:
            refuse_whole(ask.conn, noun, ask.program_id)
        row = noun.show(ask.conn, subject_id)
        now = ask.clock()
        why = noun.why_not(ask.conn, subject_id, now=now)
        steps = history_of(ask.conn, subject_id, rows_max=PART_ROWS_MAX + 1)
        facts, following = _facts(row), noun.next_action(ask.conn, subject_id, now) if noun.next_action else None
        saved = {one.file.part: _place(noun, subject_id, one.file.word) for one in noun.elsewhere if one.file is not None}
        parts = tuple(
            _part(one, *one.read(ask.conn, subject_id), getattr(row, "asset", None))._replace(files=saved.get(one.name, ""))
            for one in noun.parts
        )
        return NounAnswer(
            noun.name,
            subject_id,
            row.state,
            _headline(noun, row.state, facts, parts),
            facts,
            following,
            _next_page(following, facts),
            tuple(_offer(noun, one, why[one.name]) for one in noun.verbs),
            parts,
            tuple(steps[:PART_ROWS_MAX]),
            len(steps) > PART_ROWS_MAX,
            tuple(_elsewhere(noun, one, subject_id) for one in noun.elsewhere if one.state in ("", row.state)),
            now,
        )

    return DashboardPage(f"/admin/{noun.plural}/{{id}}", noun.name.replace("_", " ").capitalize(), answer, "noun.html")


def _headline(noun: Noun, state: str, facts: Sequence[NounFact], parts: Sequence[NounPart]) -> NounHeadline:
    """Out of its facts, and of what covers it; what has ended waits for nothing."""
    known = {one.name: one.value for one in facts if one.value not in (None, "")}
    name = next((one for one, value in known.items() if isinstance(value, Money)), "")
    beside = [NounFact(one, known[one]) for one in (*PARTIES, *LEADS) if isinstance(known.get(one), str)]
    for part in parts:
        if part.name == "cover" and len(part.rows) == 1 and state not in noun.machine.final:
            row = dict(zip(part.columns, part.rows[0], strict=True))
            beside += [NounFact(one, row[one]) for one in ("in_treasury", "left_over")]
    due = [one for one, unless in CLOCKS.items() if one in known and unless not in known and state not in noun.machine.final]
    return NounHeadline(name, known.get(name), tuple(beside), tuple(NounFact(one, known[one]) for one in due))


def _next_page(following: SafeNextAction | None, facts: Sequence[NounFact]) -> str:
    """The page on which the next is done, where it is another one: a destination is set on the page of its payee."""
    payee = next((one.value for one in facts if one.name == "payee_id"), None)
    if following is None or not payee or not following.command.startswith("counterfoil destinations set"):
        return ""
    return f"/admin/payees/{quote(payee, safe='')}"


def _elsewhere(noun: Noun, one: Elsewhere, subject_id: str) -> DoneElsewhere:
    page = one.page.format(id=subject_id)
    if one.file is not None and not one.file.part:
        page = _place(noun, subject_id, one.file.word)
    told = DoneElsewhere(one.says, one.command.format(id=subject_id), one.state, page)
    return told if one.takes is None else told._replace(takes=_place(noun, subject_id, one.takes.word), needs=one.takes.permission)


def _place(noun: Noun, subject_id: str, word: str) -> str:
    return f"/admin/{noun.plural}/{subject_id}/{word}"


def refuse_whole(conn: Connection[Any], noun: Noun, program_id: str | None) -> None:
    """Whoever asks of one program, or acts in one, is refused what is of the whole installation: a table that the database does not
    keep to programs.

    Raises WholeInstallation.
    """
    if program_id is not None and not is_kept_to_programs(conn, noun.machine.table):
        raise WholeInstallation(program=program_id)


def is_kept_to_programs(conn: Connection[Any], table: str) -> bool:
    """Does the database itself keep the rows of a table to the program that somebody sees?"""
    kept = conn.execute("select relrowsecurity from pg_class where oid = %s::regclass", [table]).fetchone()
    return kept is not None and bool(kept[0])


def add_verb_forms(router: APIRouter, served: Served, noun: Noun, page: DashboardPage) -> None:
    """The address of each verb's form."""
    for verb in noun.verbs:
        add_form(router, served, _form(noun, verb, page))


def _form(noun: Noun, verb: Verb, page: DashboardPage) -> PageForm:
    return PageForm(
        f"/admin/{noun.plural}/{{id}}/{verb.word}",
        page,
        lambda call: _said(call, noun, verb),
        lambda _: (verb.permission, noun.area),
        also={"verb": verb.name},
        hides=("expected_state",),
        prose=verb.prose,
    )


def _said(call: FormCall, noun: Noun, verb: Verb) -> FormDone:
    subject_id = valid_id(call.request.path_params["id"], noun.prefix, "id")
    if verb.reason and not call.reason:
        raise ReasonRequired(verb=verb.name, field="reason", limit="at least one word")
    action, path = f"{noun.name}.{verb.name}", f"/admin/{noun.plural}/{subject_id}"
    payload = {name: call.filled[name] for name in sorted(set(call.filled) - set(HIDDEN))}

    def work(conn: Connection[Any]) -> dict[str, Any]:
        said = _say(conn, call, noun, verb, subject_id)
        call.record(conn, action, subject_id, payload, reason=call.reason or None)
        return {"on": path, **_told(verb, subject_id, said, done=call.confirmed)}

    told = call.done_once(action, {"subject": subject_id, **payload}, work).get()
    return call.receipt_at(path) if call.confirmed else FormDone({"preview": told["receipt"]})


def _say(conn: Connection[Any], call: FormCall, noun: Noun, verb: Verb, subject_id: str) -> VerbResult | Proposal:
    filled, wiring = call.filled, call.served.wiring
    refuse_whole(conn, noun, call.caller.program_id)
    asset = filled.get("asset") or getattr(noun.show(conn, subject_id), "asset", None)
    taken = {one.name: field_given(one, filled, known_assets(conn).get(asset or "")) for one in verb.takes}
    saying = VerbCall(
        conn,
        subject_id,
        call.caller,
        call.now,
        wiring.make_id,
        call.reason,
        taken,
        None,
        wiring.providers,
        filled.get("expected_state") or None,
    )
    return say(noun, verb, saying)


def _told(verb: Verb, subject_id: str, said: VerbResult | Proposal, *, done: bool) -> dict[str, str]:
    """What its receipt says, or what the look at it says."""
    if not isinstance(said, VerbResult):
        if not done:
            return {"receipt": f"It waits for a second person, {' or '.join(deciding(said)[1])}."}
        return {"receipt": f"Proposed: {verb.label.lower()}. Another person approves it within 24 hours.", "proposal": said.id}
    if not done:
        return {"receipt": verb.said(subject_id, said.state, "a new one", said.told)}
    return {"receipt": f"Done: {verb.label.lower()}. {verb.said(subject_id, said.state, said.made, said.told)}"}


def _facts(row: Any) -> tuple[NounFact, ...]:
    """The fields of a row; an amount beside its `asset` is money."""
    fields: Mapping[str, Any] = row._asdict()
    asset = fields.get("asset")
    return tuple(
        NounFact(name, Money(value, asset) if name in AMOUNTS and asset and isinstance(value, int) else value)
        for name, value in fields.items()
        if value is not None and name not in ("id", "state") and not (name == "asset" and AMOUNTS & set(fields))
    )


def _part(one: Part, rows: Sequence[Any], cut: bool, asset: str | None) -> NounPart:
    """Amounts are money of the asset beside them, or else of that of the thing, and it is said with them."""
    columns = tuple(name for name in one.columns or one.row._fields if name != "asset")
    return NounPart(one.name, columns, tuple(tuple(_cell(row, name, asset) for name in columns) for row in rows), cut)


def _cell(row: Any, name: str, asset: str | None) -> Any:
    value, asset = getattr(row, name), getattr(row, "asset", asset)
    return Money(value, asset) if name in AMOUNTS and asset and isinstance(value, int) else value


def _offer(noun: Noun, verb: Verb, why_not: str | None) -> Offer:
    asks = (verb.takes, verb.reason, verb.long_reason)
    return Offer(verb.name, verb.word, verb.label, verb.effect, *asks, verb.paired, verb.permission, noun.area, why_not)


def pages_of(nouns: Sequence[Noun]) -> list[tuple[Noun, DashboardPage]]:
    """Every noun with the page that shows one of it: its own where it has one, else what follows from its declaration."""
    own = {page.path: page for page in PAGES}
    return [(one, own.get(f"/admin/{one.plural}/{{id}}") or noun_page(one)) for one in nouns]
