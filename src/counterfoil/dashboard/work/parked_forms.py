"""What failed five times and waits for a person, on the page of webhooks: tried again or left, looked at first, given a reason, confirmed.
As over HTTP, with the same entries in the action log."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.driver import PREVIEWED, FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.webhooks.parked import PARKED_ACTS

PAGE: Final = next(page for page in PAGES if page.path == "/admin/webhooks")
FIELDS: Final = ("act", "parked_id", "reason")


def add_parked_forms(router: APIRouter, served: Served) -> None:
    """The address that the forms are sent to."""
    add_form(router, served, PageForm(PAGE.path, PAGE, _acted, lambda _: (OPERATE, "queues"), reasoned=True, shows=FIELDS))


def _acted(call: FormCall) -> FormDone:
    if call.caller.program_id is not None:
        raise WholeInstallation(program=call.caller.program_id)
    name, parked_id = call.of("act", "parked_id").values()
    if name not in PARKED_ACTS:
        raise InvalidInput("act", f"one of {', '.join(PARKED_ACTS)}", got=name[:40])
    act, asked = PARKED_ACTS[name], {"reason": call.reason}

    def work(conn: Connection[Any]) -> dict[str, str]:
        state = act.move(conn, parked_id, reason=call.reason or PREVIEWED, actor=call.caller.actor, now=call.now)
        call.record(conn, act.action, parked_id, asked, reason=call.reason or None)
        return {"on": PAGE.path, "receipt": f"{act.label}: {parked_id} is {state}."}

    told: dict[str, str] = call.done_once(act.action, {"subject": parked_id, **asked}, work).get()
    return (
        call.receipt_at(PAGE.path, "#act")
        if call.confirmed
        else FormDone({"preview": f"{told['receipt']}\n{act.effect}", "label": act.label})
    )
