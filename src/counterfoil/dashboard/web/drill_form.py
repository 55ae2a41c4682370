"""Asking for a drill on its page, as over HTTP: the worker runs it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.dashboard.web.driver import FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.drills.drills import ask_for_drill
from counterfoil.operations.access.access import OPERATE

PAGE: Final = next(page for page in PAGES if page.path == "/admin/drills")


def add_drill_form(router: APIRouter, served: Served) -> None:
    """The address that the form is sent to."""
    add_form(router, served, PageForm(PAGE.path, PAGE, _asked, lambda _: (OPERATE, "drills"), shows=("name",)))


def _asked(call: FormCall) -> FormDone:
    asked = call.of("name")
    if call.caller.program_id is not None:  # a drill kills workers and restores databases, of all programs
        raise WholeInstallation(program=call.caller.program_id)
    with call.served.database.transaction(program_id=call.caller.program_id) as conn:
        drill_id = call.served.wiring.make_id("drl")
        ask_for_drill(conn, drill_id, asked["name"], backup_id=None, actor=call.caller.actor, now=call.now)
        call.record(conn, "drill.ask", drill_id, asked)
    return FormDone(goto=f"{PAGE.path}/{drill_id}")
