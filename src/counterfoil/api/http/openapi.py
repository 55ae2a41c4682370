"""The OpenAPI document: who may call, how errors look, what every write takes."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from counterfoil.api.http.problems import MEDIA_TYPE

DESCRIPTION: Final = """
The back office of a platform that holds other people's money: usage, invoices, settlements, payouts, and the ledger under them.

* **Amounts** are strings of whole minor units (`"1250"` is 12.50 EUR) beside their `asset`. A JSON number is refused.
* **Names** are camelCase; snake_case is understood too. A field or parameter that does not exist is refused.
* **Keys**: `Authorization: Bearer cf_…`. A key has a role; a revoked key ends within two seconds.
* **Idempotency-Key**: a write with the same key and body is done once and answered the same for 30 days; with another it is refused (422).
* **Dry runs**: `?dryRun=true` or the header `Dry-Run: true` does everything and rolls it back; the answer says `"dryRun": true`.
* **Errors** are `application/problem+json` (RFC 9457) with a stable `type`, the field and the limit.
* **Lists** come in pages: pass `nextCursor` as `cursor`.
"""
TAGS: Final = [
    {"name": "Programs", "description": "Programs, their assets and fee rates."},
    {"name": "Keys", "description": "API keys and their roles."},
    {"name": "Usage", "description": "What was used, imported from CSV."},
    {"name": "Invoices", "description": "What customers owe, and what they paid."},
    {"name": "Intents", "description": "From the customer's payment to the settlement."},
    {"name": "Settlements", "description": "How a paid invoice was divided."},
    {"name": "Payouts", "description": "What payees are owed, and every attempt to pay it."},
    {"name": "Ledger", "description": "Accounts, journals, holds, periods."},
    {"name": "Movements", "description": "Many single movements, fast: gathered into one commit."},
    {"name": "Reconciliation", "description": "The provider's statement against our books."},
    {"name": "Operations", "description": "Events, workers, queues, jobs, health, invariants."},
    {"name": "Webhooks in", "description": "What providers tell us, signed."},
]
_ERRORS: Final = {
    "400": "It cannot be read, or a write came without its Idempotency-Key.",
    "401": "No valid key.",
    "403": "The key's role does not allow this.",
    "404": "It was not found.",
    "409": "It is refused as things stand: the problem's type says why.",
    "413": "The body is too large.",
    "422": "A field breaks a limit; both are named.",
    "503": "The database is busy or away; try again after Retry-After.",
}
_OPEN: Final = ("/healthz", "/webhooks/")  # no API key


def add_openapi(app: FastAPI) -> None:
    """Have the app describe itself."""

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title="counterfoil", version=app.version, description=DESCRIPTION, routes=app.routes, tags=TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )  # fmt: skip
    components = made.setdefault("components", {})
    shapes = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        shapes.pop(unused, None)
    shapes["Problem"] = PROBLEM
    components["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `cf_live_…` or `cf_test_…`."}
    }
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _describe(path, method, operation)
    return made


def _describe(path: str, method: str, operation: dict[str, Any]) -> None:
    closed = not path.startswith(_OPEN)
    if closed:
        operation["security"] = [{"apiKey": []}]
    for status, meaning in _ERRORS.items():
        if closed or status not in ("403",):
            operation["responses"][status] = _error(meaning)
    if method == "post" and closed:
        operation.setdefault("parameters", []).extend([IDEMPOTENCY_KEY, DRY_RUN])


def _error(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "What was refused and why. Beside these members it carries the facts of its type.",
    "required": ["type", "title", "status", "requestId"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/InsufficientFunds"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "kind": {"type": "string", "examples": ["conflict"]},
        "field": {"type": "string"},
        "limit": {"type": "string"},
        "requestId": {"type": "string"},
    },
    "additionalProperties": True,
}
IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Required where something is created or money moves (400 without it).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
DRY_RUN: Final[dict[str, Any]] = {
    "name": "dryRun",
    "in": "query",
    "required": False,
    "description": "Do everything and roll it back.",
    "schema": {"type": "boolean", "default": False},
}
