"""Approving and rejecting on the page of approvals: looked at, previewed as a dry run, given a reason, confirmed. As over HTTP, and with
the same entry in the action log."""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from psycopg import Connection

from counterfoil.api.http.doorman import origin_in
from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import record_action
from counterfoil.base.ids import valid_id
from counterfoil.base.money import format_major
from counterfoil.base.problems import Busy, InvalidInput, NotAuthenticated, NotFound, Problem, ReasonRequired
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served, finish, guarded, refuse_unclean_form, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.dashboard.work.approvals import NOUN_OF, label_of
from counterfoil.ledger.reads.books import known_assets
from counterfoil.ledger.reads.listing import show_journal
from counterfoil.operations.approvals import Proposal, approve_and_do, reject_and_tell
from counterfoil.wiring import PAIRED

PAGE: Final = next(page for page in PAGES if page.path == "/admin/approvals")
VERBS: Final = ("approve", "reject")
LINES_TOLD: Final = 20
PREVIEWED: Final = "a look at what would happen"  # the reason of a dry run, which is rolled back
Text = Annotated[str, Form()]


class DecisionFilled(NamedTuple):
    """The form as it was filled in. `sha256`: the digest of what was looked at."""

    proposal: str
    verb: str
    sha256: str
    reason: str
    confirm: str

    @property
    def confirmed(self) -> bool:
        """Was it previewed, and is it meant?"""
        return self.confirm == "yes"


def add_approval_forms(router: APIRouter, served: Served) -> None:
    """The address that the forms are sent to."""

    @router.post(PAGE.path)
    def form(
        request: Request, csrf: Text = "", proposal: Text = "", verb: Text = "", sha256: Text = "", reason: Text = "", confirm: Text = ""
    ) -> Response:
        filled = DecisionFilled(proposal, verb, sha256, reason.strip(), confirm)
        return guarded(served, request, lambda: _decided(served, request, csrf, filled))


def _decided(served: Served, request: Request, csrf: str, filled: DecisionFilled) -> Response:
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, csrf)
    typed = {"proposal": filled.proposal, "verb": filled.verb, "reason": filled.reason}
    try:
        refuse_unclean_form(filled._asdict())
        if filled.verb not in VERBS:
            raise InvalidInput("verb", f"one of {', '.join(VERBS)}", got=filled.verb[:40])
        if filled.confirmed and not filled.reason:
            raise ReasonRequired(verb=filled.verb, field="reason", limit="at least one word")
        told = _say(served, request, session, filled)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, PAGE, request, session, refused=problem, typed=typed)
    if filled.confirmed:
        return finish(RedirectResponse(f"{PAGE.path}?done={filled.proposal}", 303))
    return shown(served, PAGE, request, session, typed=typed | {"preview": "\n".join(told)})


def _say(served: Served, request: Request, session: Session, filled: DecisionFilled) -> list[str]:
    """Decide it; without a confirmation everything is rolled back. Returns what happens, a sentence a line."""
    valid_id(filled.proposal, "prop", "proposal")
    caller, now = session.caller, served.wiring.clock()
    how: dict[str, Any] = {"reason": filled.reason if filled.confirmed else PREVIEWED, "by": caller, "now": now}
    asked = {"reason": filled.reason}
    with served.database.transaction(commit=filled.confirmed, program_id=caller.program_id) as conn:
        if filled.verb == "approve":
            one = approve_and_do(conn, filled.proposal, PAIRED, payload_sha256=filled.sha256, **how)
            asked["payload_sha256"] = filled.sha256
        else:
            one = reject_and_tell(conn, filled.proposal, PAIRED, **how)
        record_action(
            conn,
            served.wiring.make_id("act"),
            actor=caller.actor,
            role=caller.role,
            verb=f"approval.{filled.verb}",
            subject_id=filled.proposal,
            reason=how["reason"],
            request_id=request_id_of(request),
            origin=origin_in(request, caller),
            at=now,
            payload=asked,
        )
        if filled.confirmed:
            return []
        told = _sentences(conn, one)
        conn.execute("set constraints all immediate")  # what would be refused at the end is refused in the preview, too
    return told


def _sentences(conn: Connection[Any], one: Proposal) -> list[str]:
    if one.decision in ("rejected", "withdrawn"):
        return [f"It is {one.decision}, and nothing of it is done. Whoever wants it proposes it anew."]
    if one.used_at is None:
        return [
            f"It is approved. Nothing else is done now: {one.maker} then says the same again, by {one.expires_at:%Y-%m-%d %H:%M} UTC.",
        ]
    told = [f"It is approved, and done at once. {label_of(one)}: {one.subject_id}."]
    noun = NOUN_OF.get(one.machine)
    if noun is not None and one.subject_id.startswith(f"{noun.prefix}_"):
        state = str(noun.show(conn, one.subject_id).state).replace("_", " ")
        told.append(f"{noun.name.replace('_', ' ').capitalize()} {one.subject_id} is then {state}.")
    return [*told, *_postings(conn, one.result_id)]


def _postings(conn: Connection[Any], result_id: str | None) -> list[str]:
    """What the journal books that it made, if it made one."""
    try:
        journal = show_journal(conn, UUID(result_id or ""))
    except (ValueError, NotFound):
        return []
    asset = known_assets(conn)[journal.asset]
    told = [
        f"It books {format_major(one.amount, asset.scale)} {journal.asset}: debit {one.debit}, credit {one.credit}."
        for one in journal.lines[:LINES_TOLD]
    ]
    if journal.line_count > LINES_TOLD:
        told.append(f"The first {LINES_TOLD} of {journal.line_count:,} lines are told here.")
    return told
