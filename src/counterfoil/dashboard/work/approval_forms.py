"""Approving and rejecting on the page of approvals: looked at, previewed as a dry run, given a reason, confirmed. As over HTTP, and with
the same entry in the action log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.base.ids import valid_id
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.driver import PREVIEWED, FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.dashboard.work.approvals import NOUN_OF, label_of
from counterfoil.operations.approvals import Proposal, approve_and_do, reject_and_tell
from counterfoil.wiring import PAIRED

PAGE: Final = next(page for page in PAGES if page.path == "/admin/approvals")
VERBS: Final = ("approve", "reject")


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
        return {"on": PAGE.path, "receipt": "\n".join(_say(conn, call, proposal_id, verb, asked))}

    told: dict[str, str] = call.done_once(f"approval.{verb}", {"proposal": proposal_id, **asked}, work).get()
    return call.receipt_at(PAGE.path) if call.confirmed else FormDone({"preview": told["receipt"]})


def _say(conn: Connection[Any], call: FormCall, proposal_id: str, verb: str, asked: Mapping[str, str]) -> list[str]:
    """Decide it; without a confirmation everything is rolled back. Returns what happens, a sentence a line."""
    how: dict[str, Any] = {"reason": call.reason if call.confirmed else PREVIEWED, "by": call.caller, "now": call.now}
    if verb == "approve":
        one = approve_and_do(conn, proposal_id, PAIRED, payload_sha256=asked["payload_sha256"], **how)
    else:
        one = reject_and_tell(conn, proposal_id, PAIRED, **how)
    call.record(conn, f"approval.{verb}", proposal_id, asked, reason=how["reason"])
    if call.confirmed:
        return _receipt(one, call)
    told = _sentences(conn, one)
    conn.execute("set constraints all immediate")  # what would be refused at the end is refused in the preview, too
    return told


def _receipt(one: Proposal, call: FormCall) -> list[str]:
    told = [f"{label_of(one)}: {one.state(call.now)} by {call.caller.actor}, {one.id}."]
    if one.result_id:
        told.append(f"It made {one.result_id}.")
    if one.decision == "approved" and one.used_at is None:
        told.append(f"{one.maker} says the same again now, and it is done.")
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
    return told
