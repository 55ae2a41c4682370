"""Asking for a drill on its page, as over HTTP: looked at, given a reason, confirmed; the worker runs it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.dashboard.web.driver import FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.drills.drills import KIND_BY_NAME, ask_for_drill
from counterfoil.operations.access.access import OPERATE

PAGE: Final = next(page for page in PAGES if page.path == "/admin/drills")


def add_drill_form(router: APIRouter, served: Served) -> None:
    """The address that the form is sent to."""
    needs = (OPERATE, "drills")
    add_form(router, served, PageForm(PAGE.path, PAGE, _asked, lambda _: needs, reasoned=True, shows=("name", "reason")))


def _asked(call: FormCall) -> FormDone:
    asked = call.of("name")
    if call.caller.program_id is not None:  # a drill kills workers and restores databases, of all programs
        raise WholeInstallation(program=call.caller.program_id)

    def work(conn: Connection[Any]) -> dict[str, str]:
        drill_id = call.served.wiring.make_id("drl")
        ask_for_drill(conn, drill_id, asked["name"], backup_id=None, actor=call.caller.actor, now=call.now)
        call.record(conn, "drill.ask", drill_id, asked, reason=call.reason or None)
        kind = KIND_BY_NAME[asked["name"]]
        if not call.confirmed:
            return {"preview": f"{kind.title}: {kind.says}\nA worker takes it up as soon as one is free. No live provider is called."}
        return {"on": f"/admin/drills/{drill_id}", "receipt": f"It was asked for just now: {kind.title}. A worker runs it."}

    told: dict[str, str] = call.done_once("drill.ask", asked, work).get()
    return call.receipt_at(told["on"]) if call.confirmed else FormDone(told)
