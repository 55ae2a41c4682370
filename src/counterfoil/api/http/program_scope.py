"""Keys and logins of one program: to them the others are not there. What cannot be told by program is refused, not shown in part."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, ClassVar, Final, LiteralString, NamedTuple, TypeVar
from urllib.parse import urlencode

from fastapi import Request, params
from fastapi.concurrency import run_in_threadpool
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from psycopg import Connection

from counterfoil.api.http.calls import WITHIN, WholeInstallation, services_of
from counterfoil.base.edge import Database
from counterfoil.base.problems import NotFound, Problem
from counterfoil.base.text import camel
from counterfoil.operations.access.access import Caller, permissions_of

PROGRAM: Final = "programId"
ROWS: Final = "counterfoil.rows"  # in a request's scope: the ids that its body names, once they are read
Reader = Callable[[bytes], Iterable[str]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Coroutine[Any, Any, Any]])
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
    "overpayment_id": "select program_id from overpayment where id = %s",
    "unidentified_payment_id": "select program_id from unidentified_payment where id = %s",
    "destination_id": "select program_id from destination where id = %s",
    "refund_id": "select program_id from refund where id = %s",
    "dispute_id": "select program_id from dispute where id = %s",
    "escrow_id": "select program_id from escrow where id = %s",
    "affiliate_id": "select program_id from affiliate where id = %s",
    "commission_id": "select program_id from commission where id = %s",
    "chargeback_id": "select program_id from chargeback where id = %s",
    "holdback_id": "select program_id from holdback_tranche where id = %s",
    "payout_batch_id": "select program_id from payout_batch where id = %s",
    "endpoint_id": "select program_id from webhook_endpoint where id = %s",
    "delivery_id": "select program_id from webhook_delivery where id = %s",
    "alert_id": "select program_id from alert where id = %s",
    "incident_id": "select program_id from incident where id = %s",
    "runbook_run_id": "select program_id from runbook_run where id = %s",
    "hold_id": """select b.program_id from hold h join account a on a.id = h.debit join book b on b.id = a.book_id
                  where h.id::text = %s""",
}
# The same of many things, as a body names them in its rows.
OWNERS_OF_ROWS: Final[Mapping[str, LiteralString]] = {"break_id": "select id, program_id from break where id = any(%s)"}
# What an id is of, as its prefix says: routes call it `id`, and some call two kinds alike.
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
    "ovp": "overpayment_id",
    "unp": "unidentified_payment_id",
    "dst": "destination_id",
    "ref": "refund_id",
    "dsp": "dispute_id",
    "esc": "escrow_id",
    "aff": "affiliate_id",
    "com": "commission_id",
    "cb": "chargeback_id",
    "hb": "holdback_id",
    "bat": "payout_batch_id",
    "whe": "endpoint_id",
    "whd": "delivery_id",
    "alt": "alert_id",
    "inc": "incident_id",
    "rbr": "runbook_run_id",
    "pf": "file_id",
}


class ProgramNeeded(Problem, kind="invalid"):
    """You have roles in several programs: say which of them this is about."""

    todo: ClassVar[str] = "Name one of the programs that are told, in the field that is named."


class RouteScope(NamedTuple):
    """By what a route tells which program it is about."""

    ids: tuple[str, ...]  # ids in the address
    in_path: bool
    in_query: bool
    in_body: bool
    own: bool = False  # about the caller alone
    rows: str = ""  # what the ids are of that the body names in its rows, each of a program of its own
    ids_in: Reader | None = None  # reads them out of a body that is a file
    body_ids: tuple[str, ...] = ()  # ids in the body, where nothing but they say which program it is

    @property
    def any(self) -> bool:
        """Can it be told at all?"""
        return bool(self.ids) or self.in_path or self.in_query or self.in_body or bool(self.rows) or bool(self.body_ids)


def rows_of(what: str, read: Reader) -> Callable[[Endpoint], Endpoint]:
    """An endpoint whose body is a file with rows, each about a thing of a program of its own; `read`: the ids of those things."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.rows_of = (what, read)  # type: ignore[attr-defined]
        return endpoint

    return mark


def scope_of(route: APIRoute) -> RouteScope:
    """Read from the route's own parameters."""
    if getattr(route.endpoint, "of_all", False):
        return RouteScope((), False, False, False)
    flat = get_flat_params(route.dependant)
    in_path = [one.name for one in flat if isinstance(one.field_info, params.Path)]
    in_query = any(one.alias == PROGRAM for one in flat if isinstance(one.field_info, params.Query))
    bodies = [one.field_info.annotation for one in route.dependant.body_params]
    said = json.dumps((route.openapi_extra or {}).get("requestBody", {}))
    in_body = any("program_id" in getattr(one, "model_fields", {}) for one in bodies) or f'"{PROGRAM}"' in said
    own = any(getattr(one.call, "own", False) for one in route.dependant.dependencies)
    rows, ids_in = getattr(route.endpoint, "rows_of", ("", None))
    rows = rows or next((str(found) for one in bodies if (found := getattr(one, "rows_of", ""))), "")
    ids = tuple(one for one in in_path if one in OWNERS or one == "id")
    fields = {name for one in bodies for name in getattr(one, "model_fields", {}) if name.endswith("_id")}
    body_ids = tuple(sorted(fields)) if fields and fields <= set(OWNERS) else ()
    return RouteScope(ids, "program_id" in in_path, in_query, in_body, own, rows, ids_in, body_ids)


async def in_one_program(request: Request, scope: RouteScope, caller: Caller, needs: str) -> Caller:
    """Somebody who has roles in single programs, as whoever they are in the program that the request is about.

    Where it names none, their roles of all programs count, or the only program in which they may. Where its rows are of several programs,
    the caller stays who they are in each, and each row is decided on by its own. Raises ProgramNeeded.
    """
    if scope.own:
        return caller
    of_rows = set((await _owners_of_rows(request, scope)).values()) if scope.rows else set()
    if len(of_rows) > 1:
        return caller
    named = next(iter(of_rows)) if of_rows else await _named(request, scope)
    if named is not None and named in caller.programs:
        return caller.within(named)
    if needs in permissions_of(caller.role) or (named is not None and caller.role):
        return caller.within(None)
    fits = [one for one in sorted(caller.programs) if needs in caller.within(one).permissions]
    if named is None and len(fits) > 1 and (scope.in_query or scope.in_body):
        raise ProgramNeeded(field=PROGRAM, programs=fits)
    return caller.within(fits[0])  # where another program is named, it is not there


async def _named(request: Request, scope: RouteScope) -> str | None:
    """The program that a request is about, as it says itself or as the thing says that it is about."""
    if scope.in_path:
        return str(request.path_params["program_id"])
    if scope.in_query and (given := request.query_params.get(PROGRAM)) is not None:
        return given
    if scope.in_body and (told := _told_in(await request.body())):
        return str(told[0])
    if asked := await _asked_about(request, scope):
        return await run_in_threadpool(_owner_of, services_of(request).database, asked)
    return None


async def _asked_about(request: Request, scope: RouteScope) -> list[tuple[str, str]]:
    """The ids in the address and, where they are all that tells, in the body; what is malformed the route refuses."""
    found = [(name, str(request.path_params[name])) for name in scope.ids]
    if scope.body_ids:
        told = _json_of(await request.body())
        named = [(name, told.get(word)) for name in scope.body_ids for word in dict.fromkeys((camel(name), name))]
        found += [(name, value) for name, value in named if isinstance(value, str) and value.isprintable()]
    return found


def _owner_of(database: Database, asked: Iterable[tuple[str, str]]) -> str | None:
    with database.transaction(read_only=True) as conn:
        return owner_of(conn, asked)


def owner_of(conn: Connection[Any], asked: Iterable[tuple[str, str]]) -> str | None:
    """The program of the first of these things, each by the name of its id in an address, that is of one."""
    for name, value in asked:
        known = _kind_of(name, value)
        row = conn.execute(OWNERS[known], [value]).fetchone() if known in OWNERS else None
        if row is not None and row[0] is not None:
            return str(row[0])
    return None


def _kind_of(name: str, value: str) -> str:
    return BY_PREFIX.get(value.partition("_")[0], name)


async def keep_within(request: Request, scope: RouteScope, caller: Caller) -> None:
    """Let a caller of one program ask about that one only: a list without a program is theirs, and what is another's is not there.

    Raises WholeInstallation, NotFound.
    """
    own = caller.program_id
    if scope.own:
        request.scope[WITHIN] = True
        return
    if scope.rows and (own is not None or caller.programs):
        await _rows_are_there(request, scope, caller)
        request.scope[WITHIN] = True
        return
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
    asked = await _asked_about(request, scope)
    if not (asked or scope.in_path or scope.in_query or scope.in_body):
        raise WholeInstallation(program=own)  # nothing of its body says it
    if asked:
        await run_in_threadpool(_of_ids, services_of(request).database, asked, own)
    request.scope[WITHIN] = True


async def _rows_are_there(request: Request, scope: RouteScope, caller: Caller) -> None:
    """All of the rows, or none: one that is of a program that the caller does not see is not there. Raises NotFound."""
    owners = await _owners_of_rows(request, scope)
    for one in await _ids_of_rows(request, scope):
        program_id = owners.get(one)
        seen = caller.program_id in (None, program_id) and permissions_of(caller.within(program_id).role)
        if program_id is None or not seen:
            raise NotFound(what=scope.rows.removesuffix("_id"), id=one[:64])


async def _owners_of_rows(request: Request, scope: RouteScope) -> dict[str, str]:
    """The program of each thing that the rows name, of those that there are."""
    ids = await _ids_of_rows(request, scope)
    if not ids:
        return {}

    def read() -> dict[str, str]:
        with services_of(request).database.transaction(read_only=True) as conn:
            return dict(conn.execute(OWNERS_OF_ROWS[scope.rows], [ids]).fetchall())

    return await run_in_threadpool(read)


async def _ids_of_rows(request: Request, scope: RouteScope) -> list[str]:
    """The ids in the rows of a body; what is malformed the route refuses."""
    if ROWS not in request.scope:
        request.scope[ROWS] = await run_in_threadpool(_ids_in, await request.body(), scope.ids_in or _ids_in_json)
    found: list[str] = request.scope[ROWS]
    return found


def _ids_in(body: bytes, read: Reader) -> list[str]:
    try:
        return [one for one in read(body) if one.isprintable()]
    except Problem:
        return []


def _json_of(body: bytes) -> dict[str, Any]:
    """Of a body that is no JSON object, an empty one."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _ids_in_json(body: bytes) -> list[str]:
    """With what they are all said to be copies of."""
    told = _json_of(body)
    rows = told.get("rows")
    named = [one.get("id") for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []
    named += [told.get("duplicateOf"), told.get("duplicate_of")]
    return [one for one in named if isinstance(one, str)]


def _in_query(request: Request, own: str) -> None:
    given = request.query_params.get(PROGRAM)
    if given is not None and given != own:
        raise NotFound(what="program", id=given[:64])
    if given is None:
        pairs = [*request.query_params.multi_items(), (PROGRAM, own)]
        request.scope["query_string"] = urlencode(pairs).encode()
        vars(request).pop("_query_params", None)  # it is read anew


def _in_body(body: bytes, own: str) -> None:
    given = _told_in(body)
    if given is None:
        return  # the route refuses it
    if not given or any(one != own for one in given):
        raise NotFound(what="program", id=str(given[0] if given else "")[:64])


def _told_in(body: bytes) -> list[Any] | None:
    """The programs that a body names; None for what is no JSON."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return [told[name] for name in (PROGRAM, "program_id") if name in told] if isinstance(told, dict) else []


def _of_ids(database: Database, asked: Iterable[tuple[str, str]], own: str) -> None:
    with database.transaction(read_only=True) as conn:
        for name, value in asked:
            known = _kind_of(name, value)
            if known not in OWNERS or conn.execute(OWNERS[known], [value]).fetchone() != (own,):
                raise NotFound(what=name.removesuffix("_id"), id=value[:64])
