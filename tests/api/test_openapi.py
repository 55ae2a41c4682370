"""The document says what the server does: generated requests find no 5xx and no answer outside its schema."""

from __future__ import annotations

import json
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.office import Office
from tests.soak import examples

EXAMPLES = examples(5)
# 500 is documented nowhere, so it breaks the second of these; 503 is, and means it.
CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)
ROLE = {"GET": "auditor", "POST": "controller"}


def test_every_operation_is_described(office: Office):
    document = office.ask("GET", "/api/openapi.json", role=None).json()
    poor = []
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            name = f"{method} {path}"
            ok = str(min(status for status in one["responses"] if status.startswith("2")))
            given = one["responses"][ok]["content"]  # JSON, or the file that it gives
            schema = (given.get("application/json") or next(iter(given.values())))["schema"]
            if not (one.get("summary") and one.get("description") and one.get("tags") and schema):
                poor.append(name)
            if not path.startswith(("/healthz", "/webhooks", "/peers")) and one.get("security") != [{"apiKey": []}]:
                poor.append(f"{name}: security")
            if {"401", "422", "503"} - set(one["responses"]):
                poor.append(f"{name}: errors")
    assert poor == []
    assert {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"]) == set()


def test_operations_are_named_by_one_scheme_and_stand_in_a_group(office: Office):
    """`noun_verb`, unique, by which generated clients name their functions; an alias is the same verb at another address."""
    document = office.ask("GET", "/api/openapi.json", role=None).json()
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    ids = [one["operationId"] for one in operations]
    assert len(set(ids)) == len(ids)
    assert [one for one in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)+", one)] == []
    reads = [one["operationId"] for methods in document["paths"].values() for name, one in methods.items() if name == "get"]
    verbs = ("list", "show", "check", "explain", "ping", "export")
    assert [one for one in reads if not set(one.split("_")) & set(verbs)] == []
    assert [one.removesuffix("_alias") for one in ids if one.endswith("_alias") and one.removesuffix("_alias") not in ids] == []
    described = {tag["name"] for tag in document["tags"]}
    grouped = [tag for group in document["x-tagGroups"] for tag in group["tags"]]
    assert sorted(described) == sorted(grouped)
    assert {tag for one in operations for tag in one["tags"]} == described
    assert [one["summary"] for one in operations if one["summary"].endswith("?") or len(one["summary"]) > 60] == []


def test_an_idempotency_key_is_required_where_the_document_says_so(office: Office):
    document = office.ask("GET", "/api/openapi.json", role=None).json()
    required = [
        path
        for path, methods in document["paths"].items()
        for one in methods.get("post", {}).get("parameters", [])
        if one["name"] == "Idempotency-Key" and one["required"]
    ]
    assert len(required) > 10
    for path in required:
        answer = office.ask("POST", re.sub(r"\{[^}]*}", "x", path), role="administrator", json={})
        assert answer.status_code in (400, 403, 422), path
    missing = office.ask("POST", "/api/invoices/issue", role="operator", json={"programId": "main"})
    assert (missing.status_code, missing.json()["type"]) == (400, "/problems/IdempotencyKeyMissing")


def test_amounts_are_strings_everywhere(office: Office):
    shapes = office.ask("GET", "/api/openapi.json", role=None).json()["components"]["schemas"]
    amounts = ("amount", "total", "paid", "gross", "net", "fee", "balance", "held", "debits", "credits", "difference")
    found = [
        (name, field, one.get("type"))
        for name, shape in shapes.items()
        for field, one in shape.get("properties", {}).items()
        if field in amounts
    ]
    assert len(found) > 15
    assert [one for one in found if one[2] not in ("string", None)] == []


def test_generated_requests_find_nothing_that_the_document_does_not_say(office: Office):
    schema = schemathesis.openapi.from_dict(json.loads(office.ask("GET", "/api/openapi.json", role=None).text))
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        tried += _try(office, operation)
    assert tried > 300


def _try(office: Office, operation) -> int:
    role = (
        "administrator"
        if operation.path.startswith(("/api/keys", "/api/programs", "/api/destinations"))
        else ROLE[operation.method.upper()]
    )
    tried = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(data=st.data())
    def one(data: st.DataObject) -> None:
        nonlocal tried
        case = data.draw(operation.as_strategy())
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {office.keys[role]}"}
        response = case.call(base_url=office.url, timeout=60)
        case.validate_response(response, checks=CHECKS)
        tried += 1

    try:
        one()
    except BaseExceptionGroup as found:
        pytest.fail(f"{operation.method} {operation.path}: {[str(error)[:1500] for error in found.exceptions[:2]]}")
    return tried
