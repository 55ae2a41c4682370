"""Making a new thing on the page of its list: filled in, looked at as a dry run, confirmed. As over HTTP; a form that is sent twice makes
one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.problems import NotFound
from counterfoil.dashboard.web.driver import FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.fields import field_given
from counterfoil.dashboard.web.navigation import DashboardPage
from counterfoil.dashboard.web.serving import Served
from counterfoil.operations.verbs import Begin, Noun, VerbCall


def add_begin_form(router: APIRouter, served: Served, noun: Noun, page: DashboardPage) -> None:
    """The address that the form of a list is sent to, if things of its kind are made there."""
    begin = noun.begin
    if begin is None:
        return
    needs = (begin.permission, noun.area)
    add_form(router, served, PageForm(page.path, page, lambda call: _begun(call, noun, begin), lambda _: needs, prose=begin.prose))


def _begun(call: FormCall, noun: Noun, begin: Begin) -> FormDone:
    asked, only = call.of(*(one.name for one in begin.takes)), call.caller.program_id
    if only is not None and asked.get("program_id", only) != only:
        raise NotFound(what="program", id=asked["program_id"][:64])
    make_id = call.served.wiring.make_id

    def work(conn: Connection[Any]) -> dict[str, str]:
        asset = known_assets(conn).get(asked.get("asset", ""))
        taken = {one.name: field_given(one, asked, asset) for one in begin.takes}
        done = begin.do(VerbCall(conn, "", call.caller, call.now, make_id, taken=taken))
        call.record(conn, begin.action, done.made or "", asked, reason=asked.get(begin.because))
        path = f"/admin/{noun.plural}/{done.made}"
        return {"on": path, "receipt": f"It was made just now: {done.told}" if call.confirmed else done.told}

    made: dict[str, str] = call.done_once(begin.action, asked, work).get()
    return call.receipt_at(made["on"]) if call.confirmed else FormDone({"preview": made["receipt"]})
