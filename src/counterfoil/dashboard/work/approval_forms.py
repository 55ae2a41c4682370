"""Approving and rejecting on the page of approvals: looked at, previewed as a dry run, given a reason, confirmed. As over HTTP, and with
the same entry in the action log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.base.ids import valid_id
from counterfoil.base.money import format_major
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.dashboard.web.driver import PREVIEWED, FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.dashboard.work.approvals import NOUN_OF, label_of
from counterfoil.ledger.reads.books import known_assets
from counterfoil.ledger.reads.listing import show_journal
from counterfoil.operations.approvals import Proposal, approve_and_do, reject_and_tell
from counterfoil.wiring import PAIRED

PAGE: Final = next(page for page in PAGES if page.path == "/admin/approvals")
VERBS: Final = ("approve", "reject")
LINES_TOLD: Final = 20


def add_approval_forms(router: APIRouter, served: Served) -> None:
    """The address that the forms are sent to. `sha256` in it is the digest of what was looked at."""
    add_form(router, served, PageForm(PAGE.path, PAGE, _decided, reasoned=True, shows=("proposal", "verb", "reason")))


def _decided(call: FormCall) -> FormDone:
    proposal_id, verb = call.of("proposal", "verb").values()
    if verb not in VERBS:
        raise InvalidInput("verb", f"one of {', '.join(VERBS)}", got=verb[:40])
    valid_id(proposal_id, "prop", "proposal")
    asked = {"reason": call.reason} | ({"payload_sha256": call.filled.get("sha256", "")} if verb == "approve" else {})

    def work(conn: Connection[Any]) -> dict[str, str]:
        return {"preview": "\n".join(_say(conn, call, proposal_id, verb, asked))}

    told: dict[str, str] = call.done_once(f"approval.{verb}", {"proposal": proposal_id, **asked}, work).get()
    return FormDone(goto=f"{PAGE.path}?done={proposal_id}") if call.confirmed else FormDone(told)


def _say(conn: Connection[Any], call: FormCall, proposal_id: str, verb: str, asked: Mapping[str, str]) -> list[str]:
    """Decide it; without a confirmation everything is rolled back. Returns what happens, a sentence a line."""
    how: dict[str, Any] = {"reason": call.reason if call.confirmed else PREVIEWED, "by": call.caller, "now": call.now}
    if verb == "approve":
        one = approve_and_do(conn, proposal_id, PAIRED, payload_sha256=asked["payload_sha256"], **how)
    else:
        one = reject_and_tell(conn, proposal_id, PAIRED, **how)
    call.record(conn, f"approval.{verb}", proposal_id, asked, reason=how["reason"])
    if call.confirmed:
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
