"""Keys and logins of one program: to them the others are not there. What cannot be told by program is refused, not shown in part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, LiteralString, NamedTuple
from urllib.parse import urlencode

from fastapi import Request, params
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from counterfoil.api.http.calls import WITHIN, WholeInstallation, services_of
from counterfoil.base.edge import Database
from counterfoil.base.problems import NotFound
from counterfoil.operations.access.access import Caller

PROGRAM: Final = "programId"
# Of which program a thing is, by the name of its id in an address.
OWNERS: Final[Mapping[str, LiteralString]] = {
    "invoice_id": "select program_id from invoice where id = %s",
    "intent_id": "select program_id from intent where id = %s",
    "settlement_id": "select program_id from settlement where id = %s",
    "payout_id": "select program_id from payout where id = %s",
    "run_id": "select program_id from reconciliation_run where id = %s",
    "break_id": "select program_id from break where id = %s",
    "statement_id": "select program_id from client_money where id = %s",
    "file_id": "select program_id from payment_file where id = %s",
    "proposal_id": "select program_id from approval_proposal where id = %s",
    "notice_id": "select program_id from notice where id = %s",
    "silence_id": "select program_id from silence where id = %s",
    "agent_id": "select program_id from agent where id = %s",
    "transaction_id": "select program_id from two_phase where id = %s",
    "journal_id": "select program_id from journal where id::text = %s",
    "hold_id": """select b.program_id from hold h join account a on a.id = h.debit join book b on b.id = a.book_id
                  where h.id::text = %s""",
}
# Routes that are derived from a noun call it `id`: then its prefix says what it is of.
BY_PREFIX: Final[Mapping[str, str]] = {
    "inv": "invoice_id",
    "int": "intent_id",
    "set": "settlement_id",
    "po": "payout_id",
    "rec": "run_id",
    "break": "break_id",
    "cm": "statement_id",
    "prop": "proposal_id",
    "ntc": "notice_id",
    "sil": "silence_id",
    "agent": "agent_id",
    "txn": "transaction_id",
}


class RouteScope(NamedTuple):
    """By what a route tells which program it is about."""

    ids: tuple[str, ...]  # ids in the address
    in_path: bool
    in_query: bool
    in_body: bool

    @property
    def any(self) -> bool:
        """Can it be told at all?"""
        return bool(self.ids) or self.in_path or self.in_query or self.in_body


def scope_of(route: APIRoute) -> RouteScope:
    """Read from the route's own parameters."""
    flat = get_flat_params(route.dependant)
    in_path = [one.name for one in flat if isinstance(one.field_info, params.Path)]
    in_query = any(one.alias == PROGRAM for one in flat if isinstance(one.field_info, params.Query))
    bodies = [one.field_info.annotation for one in route.dependant.body_params]
    said = json.dumps((route.openapi_extra or {}).get("requestBody", {}))
    in_body = any("program_id" in getattr(one, "model_fields", {}) for one in bodies) or f'"{PROGRAM}"' in said
    return RouteScope(tuple(one for one in in_path if one in OWNERS or one == "id"), "program_id" in in_path, in_query, in_body)


async def keep_within(request: Request, scope: RouteScope, caller: Caller) -> None:
    """Let a caller of one program ask about that one only: a list without a program is theirs, and what is another's is not there.

    Raises WholeInstallation, NotFound.
    """
    own = caller.program_id
    if own is None:
        return
    if not scope.any:
        raise WholeInstallation(program=own)
    if scope.in_path and request.path_params["program_id"] != own:
        raise NotFound(what="program", id=request.path_params["program_id"])
    if scope.in_query:
        _in_query(request, own)
    if scope.in_body:
        _in_body(await request.body(), own)
    if scope.ids:
        database = services_of(request).database
        asked = {name: str(request.path_params[name]) for name in scope.ids}
        await run_in_threadpool(_of_ids, database, asked, own)
    request.scope[WITHIN] = True


def _in_query(request: Request, own: str) -> None:
    given = request.query_params.get(PROGRAM)
    if given is not None and given != own:
        raise NotFound(what="program", id=given[:64])
    if given is None:
        pairs = [*request.query_params.multi_items(), (PROGRAM, own)]
        request.scope["query_string"] = urlencode(pairs).encode()
        vars(request).pop("_query_params", None)  # it is read anew


def _in_body(body: bytes, own: str) -> None:
    try:
        told = json.loads(body)
    except ValueError:
        return  # the route refuses it
    names = (PROGRAM, "program_id")
    given = [told[name] for name in names if name in told] if isinstance(told, dict) else []
    if not given or any(one != own for one in given):
        raise NotFound(what="program", id=str(given[0] if given else "")[:64])


def _of_ids(database: Database, asked: Mapping[str, Any], own: str) -> None:
    with database.transaction(read_only=True) as conn:
        for name, value in asked.items():
            known = BY_PREFIX.get(value.partition("_")[0]) if name == "id" else name
            if known is None or conn.execute(OWNERS[known], [value]).fetchone() != (own,):
                raise NotFound(what=name.removesuffix("_id"), id=value[:64])
