"""The document shows an example of every call; each was sent by a test that is named beside it and fails when it sends it no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from counterfoil.api.document.examples import FILE, example_of, examples
from counterfoil.base.secret import SIGNING_PREFIX
from counterfoil.operations.access.access import PREFIXES
from docs.generate import openapi
from tests.api.recorder import SECRET, not_as_the_examples_say, sent


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By their ids."""
    return {one["operationId"]: one for methods in document["paths"].values() for one in methods.values()}


def test_the_document_shows_an_example_of_every_call(document):
    lacking = sorted(name for name in operations(document) if example_of(name) is None)
    assert lacking == [], "send it in a test, then: make examples"


def test_no_example_is_of_a_call_that_is_gone(document):
    assert sorted(set(examples()) - set(operations(document))) == []


def test_what_is_asked_and_answered_in_an_example_conforms_to_the_document(document):
    wrong = []
    checked = 0
    for name, one in examples().items():
        operation = operations(document)[name]
        parts = [(operation["responses"][str(one["status"])], one.get("answer")), (operation.get("requestBody", {}), one.get("body"))]
        for part, value in parts:
            content = part.get("content", {}).get("application/json")
            if content is None or value is None:
                continue
            checked += 1
            schema = {**content["schema"], "components": document["components"]}
            wrong += [(name, error.message[:200]) for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(value)]
    assert wrong == []
    assert checked > 150


def test_links_lead_from_the_ids_of_answers_to_what_takes_them(document):
    known, seen, wrong = operations(document), 0, []
    for name, one in known.items():
        for link in (found for answer in one["responses"].values() for found in answer.get("links", {}).values()):
            target = known[link["operationId"]]
            takes = {given["name"]: given["schema"] for given in target["parameters"] if given["in"] == "path"}
            assert set(link["parameters"]) == set(takes), (name, link)
            for parameter, where in link["parameters"].items():
                value = at((example_of(name) or {}).get("answer"), where.partition("#/")[2])
                seen += value is not None
                if value is not None and not jsonschema_rs.Draft202012Validator(takes[parameter]).is_valid(value):
                    wrong.append((name, link["operationId"], where, value))
    assert wrong == []
    assert seen > 300
    paid = known["payout_show"]["responses"]["200"]["links"]
    assert paid["invoice_show"] == {"operationId": "invoice_show", "parameters": {"invoice_id": "$response.body#/invoiceId"}}
    assert "payout_cancel" in paid


def at(answer: Any, pointer: str) -> Any:
    """What stands there; None if nothing does."""
    for part in pointer.split("/") if pointer else ():
        if isinstance(answer, list):
            answer = answer[int(part)] if int(part) < len(answer) else None
        else:
            answer = answer.get(part) if isinstance(answer, dict) else None
    return answer if pointer else None


def test_the_document_carries_them(document):
    issue = operations(document)["invoice_issue"]
    assert issue["requestBody"]["content"]["application/json"]["example"] == examples()["invoice_issue"]["body"]
    created = issue["responses"][str(examples()["invoice_issue"]["status"])]["content"]["application/json"]
    assert created["example"]["invoiceIds"]


IDS = re.compile(r"[a-z]+_[0-9A-Z]{26}")
RANDOM = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9+/]{16,}")  # letters and digits without an end
PUBLIC = {"publicKey", "noteKey", "quantumNoteKey"}  # the halves of keys that everybody may know
SHOWN = {
    "proof_sign": {"signature"},
    "signer_keys_export": {"key"},
    "journal_inclusion_show": {"key"},
    "payout_inclusion_show": {"key"},
}  # and where they stand under a plainer name
LETS_IN = ("token", "secret", "key", "password", "once", "signature")


def secrets_in(told: Any, name: str = "") -> Iterator[str]:
    """What looks like a secret, whatever the recorder takes for one: by how it begins, or by the field that it stands in."""
    if isinstance(told, dict):
        for field, one in told.items():
            yield from () if field in PUBLIC else secrets_in(one, field)
    elif isinstance(told, list):
        for one in told:
            yield from secrets_in(one, name)
    elif isinstance(told, str):
        named = name.lower().endswith(LETS_IN) and RANDOM.search(IDS.sub("", told))
        if named or re.search(r"\b(cf_[a-z]+_|whsec_|sk_[a-z]+_)[^\s…\"']{8,}", told):
            yield f"{name}: {told}"


def test_no_example_shows_a_secret():
    assert "…" in FILE.read_text("utf-8")
    found = [(name, one) for name, told in examples().items() for one in secrets_in(dict(told))]
    assert [(name, one) for name, one in found if one.partition(":")[0] not in SHOWN.get(name, ())] == []


@pytest.mark.parametrize(
    "told",
    [
        {"token": "D26BC5XJ65FH2Y9VSXKVPMM6TDM2"},
        {"data": [{"apiKey": "9f86d081884c7d659a2feaa0"}]},
        {"note": "with cf_newkind_D26BC5XJ65FH"},
        {"note": "whsec_c2l4dGVlbiBieXRlcw=="},
    ],
)
def test_a_secret_is_seen_by_its_field_or_its_beginning(told):
    assert len(list(secrets_in(told))) == 1


@pytest.mark.parametrize("told", [{"token": "cf_login_…"}, {"key": "payout-inv_01M8D4DH4H39TNRNQDTCPDRFN1-1"}, {"token": "acct_bolt_0001"}])
def test_what_is_no_secret_is_let_be(told):
    assert list(secrets_in(told)) == []


@pytest.mark.parametrize("begins", [*PREFIXES, SIGNING_PREFIX])
def test_the_recorder_shortens_every_secret_of_ours(begins):
    assert SECRET.sub(r"\1…", f'"{begins}D26BC5XJ65FH"') == f'"{begins}…"'


def test_a_test_that_sends_its_example_no_more_is_told(monkeypatch):
    one = examples()["invoice_issue"]
    assert len(not_as_the_examples_say(one["test"])) >= 1
    monkeypatch.setitem(sent, one["test"], [("invoice_issue", tuple(sorted(one["answer"])))])
    assert not any("invoice_issue" in told for told in not_as_the_examples_say(one["test"]))
    monkeypatch.setitem(sent, one["test"], [("invoice_issue", ("other",))])
    assert any("invoice_issue" in told for told in not_as_the_examples_say(one["test"]))


def test_every_test_that_an_example_names_is_there():
    missing = []
    for one in examples().values():
        file, _, name = one["test"].partition("::")
        text = (FILE.parents[4] / file).read_text("utf-8")
        if f"def {name.partition('[')[0]}(" not in text:
            missing.append(one["test"])
    assert missing == []


def test_json_is_kept_as_it_is_written():
    assert json.loads(FILE.read_text("utf-8")) == list(examples().values())
