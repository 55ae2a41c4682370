"""Signing a statement of client money on its page, as over HTTP: looked at, said what was done about it, confirmed by a second person."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.base.formats.amounts import told_amount
from counterfoil.dashboard.web.driver import PREVIEWED, FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.operations.access.access import CLOSE_PERIOD
from counterfoil.reconciliation.client_money import ClientMoney, sign_client_money

PAGE: Final = next(page for page in PAGES if page.path == "/admin/client-money/{id}")


def add_client_money_form(router: APIRouter, served: Served) -> None:
    """The address that the form is sent to."""
    needs = (CLOSE_PERIOD, "client-money")
    told, prose = {"verb": "sign"}, frozenset({"reason"})
    form = PageForm(f"{PAGE.path}/sign", PAGE, _signed, lambda _: needs, reasoned=True, also=told, shows=("reason",), prose=prose)
    add_form(router, served, form)


def _signed(call: FormCall) -> FormDone:
    statement_id, asked = call.request.path_params["id"], {**call.of("sha256"), "reason": call.reason}

    def work(conn: Connection[Any]) -> dict[str, str]:
        done = sign_client_money(
            conn,
            statement_id,
            sha256=asked["sha256"],
            action_taken=call.reason or PREVIEWED,
            actor=call.caller.actor,
            now=call.now,
        )
        call.record(conn, "client_money.sign", statement_id, asked, reason=call.reason or None)
        on = PAGE.path.format(id=statement_id)
        return {"on": on, "receipt": f"It is signed by {call.caller.actor}.", "preview": _would(conn, done)}

    told: dict[str, str] = call.done_once("client_money.sign", {"subject": statement_id, **asked}, work).get()
    return call.receipt_at(told["on"], "#act") if call.confirmed else FormDone({"preview": told["preview"]})


def _would(conn: Connection[Any], one: ClientMoney) -> str:
    """What whoever signs stands for."""
    amount = told_amount(conn, abs(one.difference), one.asset)
    left = "nothing is missing" if not one.difference else f"{amount} {'is missing' if one.difference < 0 else 'is there beyond it'}"
    figures = f"of {told_amount(conn, one.owed, one.asset)} owed at the end of {one.on_day}, {left}"
    return f"You stand for these figures: {figures}.\nYour reason is kept with it as what was done about them. It moves no money."
