"""The OpenAPI document: who may call, how errors look, what every write takes."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from counterfoil.api.document.examples import add_example
from counterfoil.api.document.links import add_links
from counterfoil.api.http.problems import MEDIA_TYPE
from counterfoil.api.http.routing import needs_of, scope_named

DESCRIPTION: Final = """
The back office of a platform that holds other people's money: usage, invoices, settlements, payouts, and the ledger under them.

* **Amounts** are strings of whole minor units (`"1250"` is 12.50 EUR) beside their `asset`. A JSON number is refused.
* **Names** are camelCase; snake_case is understood too. A field or parameter that does not exist is refused.
* **Keys**: `Authorization: Bearer cf_…`. A key has a role and may be narrower, by scopes (`x-scope`); revoked, it ends within two seconds.
* **Idempotency-Key**: a write with the same key and body is done once and answered the same for 30 days; with another it is refused (422).
* **Dry runs**: `?dryRun=true` or the header `Dry-Run: true` does everything and rolls it back; the answer says `"dryRun": true`.
* **Errors** are `application/problem+json` (RFC 9457) with a stable `type`, the field and the limit, and what to do (`whatToDo`).
* **Lists** come in pages: pass `nextCursor` as `cursor`. `Accept: text/csv`, or that of an .xlsx workbook, answers a page as a file, with
  `nextCursor` in the header `Next-Cursor`; amounts stay in minor units.
* **Links** of an answer name the requests that may follow it, and which of its ids each takes.
"""
# Every tag with what it holds, in the groups in which they are shown.
GROUPS: Final[dict[str, dict[str, str]]] = {
    "From usage to settlement": {
        "Usage": "What was used, imported from CSV, NDJSON or JSON.",
        "Invoices": "What customers owe, and what they paid.",
        "Intents": "From the customer's payment to the settlement.",
        "Overpayments": "What customers paid too much or too late, and is owed back.",
        "Unidentified payments": "Money that belongs to no open invoice, and lies in suspense.",
        "Customers": "What stands between each customer and the house.",
        "Settlements": "How a paid invoice was divided.",
        "Fees": "Fees of settlements, recomputed by the rates that were in force.",
        "Treasury": "Fees: what came in, was distributed, was withdrawn, and is held.",
        "Escrows": "Money of customers that waits for its conditions.",
        "Affiliates": "Who refers customers, and who stands above whom.",
        "Commissions": "What affiliates earn of the sales that they referred.",
    },
    "Payouts": {
        "Payouts": "What payees are owed, and every attempt to pay it.",
        "Batches": "Payouts that people approve and execute together.",
        "Refunds": "What goes back to customers.",
        "Disputes": "What customers complain of, and who gets the money.",
        "Debts": "What payees and customers owe.",
        "Chargebacks": "What customers' banks took back.",
        "Holdbacks": "What is kept back of a settlement for a while.",
        "Destinations": "Where a payee's money goes.",
        "Payees": "Why a payee is paid less, later, or not.",
        "Bank files": "Files of payments for the bank, and what the bank reports.",
        "Webhooks in": "What providers tell us, signed.",
    },
    "Treasury of agents": {
        "Agents": "Programs that spend the treasury's money within their mandates.",
        "Transactions": "What moves between agents, wholly or not at all.",
        "Carbon": "Grams that agents emit by the energy they use, and carbon credits.",
    },
    "Reports": {
        "Reports": "The month of a program: balances, movements, fees, payouts, breaks, carbon, service levels.",
    },
    "Ledger": {
        "Programs": "Programs, their assets and fee rates.",
        "Accounts": "Accounts with their balances and statements.",
        "Journals": "Postings that belong together.",
        "Movements": "Many single movements, fast: gathered into one commit.",
        "Holds": "Money set aside until it is posted or voided.",
        "Periods": "Until when the books are closed.",
    },
    "Reconciliation": {
        "Reconciliation": "Runs: somebody else's statement against our books.",
        "Breaks": "What does not agree, and what was done about it.",
        "Bank and client money": "Bank statements, and the cash of clients held against them.",
    },
    "Proofs": {
        "Proofs": "Proofs of periods: made, signed by several people, verified by anybody.",
        "Proof exports": "Proofs that are being made: how far each is, and whether it lives.",
        "Audit": "The audit trail of an account.",
        "Copies": "Proofs, checkpoints and backups once more, in a store that locks them.",
        "Drills": "What must work on the worst day, practised: each outcome with its signed evidence.",
        "Service levels": "What is promised, how much of it was kept, and trends.",
        "Backups": "What could be restored: each backup, its moment, and where in the log it ends.",
        "Signers": "Whose keys sign proofs, and whether there are enough.",
    },
    "Integrity": {
        "Sentinel runs": "What was checked, up to when, and what was found.",
        "Alerts": "What the sentinel found, and who sees to it.",
        "Incidents": "What people answer within a time.",
        "Notices": "What people were told, on which channel.",
        "Silences": "For a time, no notices of some alerts.",
        "Runbooks": "Checklists and playbooks that can be run.",
        "Runbook runs": "Each run of one: its steps, their answers and evidence, and who signed it.",
    },
    "Access": {
        "Keys": "API keys and their roles.",
        "Logins": "The logins of people.",
        "People": "People, services and their roles; who logged in and who was refused.",
        "Approvals": "What takes two people: proposals and their decisions.",
    },
    "Operations": {
        "Operations": "System health, integrity checks, events, workers and jobs.",
        "Metrics": "Figures for Prometheus.",
        "Circuits": "Which providers work; others are not called.",
        "Queues": "Queues: what waits, what is paused, what is parked.",
        "Schedules": "What is done at fixed times, and how it ended.",
        "Endpoints": "Where partners are told what happens.",
        "Deliveries": "What endpoints are told, and what came of it.",
    },
}
TAGS: Final = [{"name": name, "description": told} for tags in GROUPS.values() for name, told in tags.items()]
_ERRORS: Final = {
    "400": "It cannot be read, or a write came without its Idempotency-Key.",
    "401": "No valid key.",
    "403": "The key's role, or its scopes, do not allow this.",
    "404": "It was not found.",
    "409": "It is refused as things stand: the problem's type says why.",
    "413": "The body is too large.",
    "422": "A field breaks a limit; both are named.",
    "503": "The database is busy or away; try again after Retry-After.",
}
OPENAPI_AT: Final = "/api/openapi.json"
_OPEN: Final = ("/healthz", "/webhooks/", "/peers/")  # no API key


def add_openapi(app: FastAPI) -> None:
    """Have the app describe itself. It is written once: whoever reads it slowly holds no copy."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    written = cache(lambda: json.dumps(described(), ensure_ascii=False, separators=(",", ":")).encode())

    async def document(_: Request) -> Response:
        return Response(written(), media_type="application/json")

    app.openapi = described  # type: ignore[method-assign]
    app.add_route(OPENAPI_AT, document, include_in_schema=False)


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title="counterfoil",
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = made.setdefault("components", {})
    shapes = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        shapes.pop(unused, None)
    shapes["Problem"] = PROBLEM
    components["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `cf_live_…` or `cf_test_…`."}
    }
    made["x-tagGroups"] = [{"name": name, "tags": list(tags)} for name, tags in GROUPS.items()]
    keyed = {route.operation_id for route in app.routes if isinstance(route, APIRoute) and _needs_key(route)}
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _describe(path, method, operation, keyed=operation["operationId"] in keyed)
            add_example(operation)
    add_links(made)
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema and (needs := needs_of(route)) is not None:
            for method in route.methods or ():
                made["paths"][route.path_format][method.lower()] |= {"x-permission": needs, "x-scope": scope_named(route)}
    return made


def _needs_key(route: APIRoute) -> bool:
    return any(getattr(one.call, "needs_key", False) for one in route.dependant.dependencies)


def _describe(path: str, method: str, operation: dict[str, Any], *, keyed: bool) -> None:
    closed = not path.startswith(_OPEN)
    if closed:
        operation["security"] = [{"apiKey": []}]
    for status, meaning in _ERRORS.items():
        if closed or status not in ("403",):
            operation["responses"][status] = _error(meaning)
    if method == "post" and closed:
        operation.setdefault("parameters", []).extend([IDEMPOTENCY_KEY | {"required": keyed}, DRY_RUN])


def _error(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "What was refused and why. Beside these members it carries the facts of its type.",
    "required": ["type", "title", "status", "whatToDo", "requestId"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/InsufficientFunds"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "kind": {"type": "string", "examples": ["conflict"]},
        "field": {"type": "string"},
        "limit": {"type": "string"},
        "whatToDo": {"type": "string", "description": "What whoever meets it does next."},
        "requestId": {"type": "string"},
    },
    "additionalProperties": True,
}
IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "With it, sending the request twice does it once. Where it is required, a request without it is refused (400).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "2026-11-20-0001",
}
DRY_RUN: Final[dict[str, Any]] = {
    "name": "dryRun",
    "in": "query",
    "required": False,
    "description": "Do everything and roll it back.",
    "schema": {"type": "boolean", "default": False},
}
