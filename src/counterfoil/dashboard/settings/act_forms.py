"""The forms of acts: filled in, looked at as a dry run, given a reason, confirmed once. As over HTTP, with the same entry in the action
log. What takes two people is proposed here, decided among the approvals, and then done here by whoever proposed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.api.derived.acts import agreed, written
from counterfoil.api.http.calls import WholeInstallation
from counterfoil.api.http.routing import scopes_of
from counterfoil.base.encryption.keys import required
from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.problems import NotFound
from counterfoil.dashboard.settings.page_acts import ACTS_ON
from counterfoil.dashboard.web.driver import PREVIEWED, FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.fields import field_given
from counterfoil.dashboard.web.navigation import DashboardPage
from counterfoil.dashboard.web.serving import Served
from counterfoil.operations.acts import Act, ActCall, ActDone
from counterfoil.operations.by_two import done_or_proposed

AGAIN: Final = "This form was sent before, and nothing was done a second time. What is told once was told then."
LATER: Final = "It takes a second person, who approves it within 24 hours; then whoever proposed it does it here."


def add_act_forms(router: APIRouter, served: Served, page: DashboardPage) -> None:
    """The address of each act that stands on a page, below it."""
    for act in ACTS_ON.get(page.path, ()):
        add_form(router, served, _form(page, act))


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
    known_by = {"subject": subject_id, **_told_apart(call, act, asked)}
    answer = call.done_once(act.action, known_by, lambda conn: _work(conn, call, act, subject_id, asked, secrets))
    told: dict[str, str] = answer.get()
    if not call.confirmed:
        return FormDone({"preview": told["receipt"] + (f" Then: {told['then']}" if "then" in told else "")})
    if (services := getattr(call.request.app.state, "services", None)) is not None:  # pages may be served without the API
        services.keys.forget()
    if answer.replayed:
        return FormDone(told | {"again": AGAIN}, over=True)
    if "proposal" in told:
        return FormDone(told, over=True)
    if act.happened:
        call.served.door.doorman.happened(call.request, act.happened, call.caller)
    return FormDone(told | ({"secret": secrets[-1]} if secrets else {}), over=True)


def _told_apart(call: FormCall, act: Act, asked: Mapping[str, str]) -> dict[str, str]:
    """What a form is known again by; of what is confidential a keyed hash, since a plain one of an account's number is soon guessed."""
    hidden = [name for name in asked if name in act.confidential and asked[name]]
    keys = required(call.served.database.keys) if hidden else None
    return {
        name: keys.fingerprints(value.encode(), act.action)[0].hex() if keys and name in hidden else value for name, value in asked.items()
    }


def _work(conn: Connection[Any], call: FormCall, act: Act, subject_id: str, asked: Mapping[str, str], secrets: list[str]) -> dict[str, str]:
    asset = known_assets(conn).get(asked.get("asset", ""))
    taken = {one.name: field_given(one, asked, asset) for one in act.takes}
    wiring, known = call.served.wiring, scopes_of(call.request.app.routes)
    one = ActCall(
        conn,
        subject_id,
        call.caller,
        call.now,
        wiring.make_id,
        call.served.entropy,
        call.reason or PREVIEWED,
        taken,
        known,
        wiring.providers,
        wiring.webhook_networks,
        wiring.proof_folder,
        wiring.login_issuer,
    )
    about, told, kept = _said(act, one, secrets)
    call.record(conn, act.action, about, {**written(act, taken), **kept, "reason": call.reason}, reason=call.reason or None)
    return told


def _said(act: Act, call: ActCall, secrets: list[str]) -> tuple[str, dict[str, str], Mapping[str, Any]]:
    """Do it, or propose it: which thing it is about, what is said of it, and what the action log keeps beside its fields."""
    done: list[ActDone] = []

    def acted() -> str:
        done.append(act.do(act.settled(call)))
        secrets.extend(filter(None, [done[-1].secret]))
        return done[-1].subject_id

    if act.two is None:
        return acted(), {"receipt": done[-1].told}, done[-1].kept
    made = done_or_proposed(
        call.conn, agreed(act, call), acted, proposal_id=lambda: call.make_id("prop"), reason=call.reason, by=call.by, now=call.now
    )
    if made is None:
        return done[-1].subject_id, {"receipt": done[-1].told}, done[-1].kept
    return made.id, {"receipt": LATER, "then": done[-1].told, "proposal": made.id}, done[-1].kept
