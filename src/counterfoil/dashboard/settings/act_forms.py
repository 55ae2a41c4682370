"""The forms of settings: filled in, looked at as a dry run, given a reason, confirmed once. As over HTTP, with the same entry in the action
log. What takes two people is proposed here, decided among the approvals, and then done here by whoever proposed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.api.derived.acts import agreed, written
from counterfoil.api.http.calls import WholeInstallation
from counterfoil.api.http.routing import scopes_of
from counterfoil.base.problems import NotFound
from counterfoil.dashboard.web.driver import PREVIEWED, FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.fields import field_given
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.serving import Served
from counterfoil.ledger.reads.books import known_assets
from counterfoil.operations.access.acts import ADD_PERSON, KEY_ACTS, PERSON_ACTS
from counterfoil.operations.acts import Act, ActCall, ActDone
from counterfoil.operations.by_two import done_or_proposed
from counterfoil.payouts.batches.acts import SET_POLICY
from counterfoil.proofs.log.key_act import CHANGE_LOG_KEY

ACTS: Final[Mapping[str, Sequence[Act]]] = {
    "/admin/people": (ADD_PERSON,),
    "/admin/people/{id}": PERSON_ACTS,
    "/admin/keys": KEY_ACTS,
    "/admin/limits": (SET_POLICY,),
    "/admin/signers": (CHANGE_LOG_KEY,),
}
AGAIN: Final = "This form was sent before, and nothing was done a second time. What is told once was told then."
LATER: Final = "It takes a second person, who approves it within 24 hours; then whoever proposed it does it here."


def add_setting_forms(router: APIRouter, served: Served) -> None:
    """The address of each act, below its page."""
    pages = {page.path: page for page in PAGES}
    for path, acts in ACTS.items():
        for act in acts:
            add_form(router, served, _form(pages[path], act))


def _form(page: DashboardPage, act: Act) -> PageForm:
    return PageForm(
        f"{page.path}/{act.name}",
        page,
        lambda call: _acted(call, act),
        lambda _: (act.permission, act.area),
        reasoned=True,
        also={"act": act.name},
        shows=(*(one.name for one in act.takes), "reason"),
    )


def _acted(call: FormCall, act: Act) -> FormDone:
    """What came of it, as the page says it; a secret is told to this answer alone."""
    only, asked = call.caller.program_id, call.of(*(one.name for one in act.takes))
    if only is not None and act.whole:
        raise WholeInstallation(program=only)
    if only is not None and asked.get("program_id", only) != only:
        raise NotFound(what="program", id=asked["program_id"][:64])
    subject_id, secrets = call.request.path_params.get("id", ""), list[str]()
    answer = call.done_once(act.action, {"subject": subject_id, **asked}, lambda conn: _work(conn, call, act, subject_id, asked, secrets))
    told: dict[str, str] = answer.get()
    if not call.confirmed:
        return FormDone({"preview": told["receipt"]})
    if (services := getattr(call.request.app.state, "services", None)) is not None:  # pages may be served without the API
        services.keys.forget()
    if answer.replayed:
        return FormDone(told | {"again": AGAIN}, over=True)
    if "proposal" in told:
        return FormDone(told, over=True)
    if act.happened:
        call.served.door.doorman.happened(call.request, act.happened, call.caller)
    return FormDone(told | ({"secret": secrets[-1]} if secrets else {}), over=True)


def _work(conn: Connection[Any], call: FormCall, act: Act, subject_id: str, asked: Mapping[str, str], secrets: list[str]) -> dict[str, str]:
    asset = known_assets(conn).get(asked.get("asset", ""))
    taken = {one.name: field_given(one, asked, asset) for one in act.takes}
    wiring, known = call.served.wiring, scopes_of(call.request.app.routes)
    why, folder = call.reason or PREVIEWED, wiring.proof_folder
    one = ActCall(conn, subject_id, call.caller, call.now, wiring.make_id, call.served.entropy, why, taken, known, folder)
    about, told = _said(act, one, secrets)
    call.record(conn, act.action, about, written(act, taken) | {"reason": call.reason}, reason=call.reason or None)
    return told


def _said(act: Act, call: ActCall, secrets: list[str]) -> tuple[str, dict[str, str]]:
    """Do it, or propose it: which thing it is about, and what is said of it."""
    done: list[ActDone] = []

    def acted() -> str:
        done.append(act.do(act.settled(call)))
        secrets.extend(filter(None, [done[-1].secret]))
        return done[-1].subject_id

    if act.two is None:
        return acted(), {"receipt": done[-1].told}
    made = done_or_proposed(
        call.conn, agreed(act, call), acted, proposal_id=lambda: call.make_id("prop"), reason=call.reason, by=call.by, now=call.now
    )
    if made is None:
        return done[-1].subject_id, {"receipt": done[-1].told}
    return made.id, {"receipt": LATER, "proposal": made.id}
