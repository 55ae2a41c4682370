"""Requests that follow the links of the API's document: what an answer names is asked for next, with what the examples send."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections import Counter, defaultdict, deque
from datetime import timedelta
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.core.transforms import UNRESOLVABLE
from schemathesis.generation.stateful.state_machine import StepOutput
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from schemathesis.specs.openapi.stateful import collect_transitions

from counterfoil.api.document.examples import example_of
from counterfoil.base.edge import now
from counterfoil.operations.access.access import ROLES
from tests.api.office import Office, fresh

# 500 is documented nowhere, so it breaks the first of these.
CHECKS: Final = (status_code_conformance, content_type_conformance, response_schema_conformance)
# They would end the keys and logins that the rest is asked with: they are rolled back.
DRY: Final = re.compile("login_(end|revoke)|key_revoke|person_(end|end_logins|reset|revoke)")
DRY_SHARE: Final = 0.1
GENERATED_SHARE: Final = 0.2  # requests that are sent as they were generated; the others as the examples are
WIDE_SHARE: Final = 0.7  # lists that are asked for without the example's filters
ROLES_TRIED: Final = ("controller", "operator", "administrator", "approver", "auditor")
DECISIONS: Final = frozenset({"proposal_approve", "proposal_reject", "break_approve"})
DECIDERS: Final = ("approver", "second administrator")  # of what takes two people
ULID: Final = re.compile(r"\b([a-z]+)_[0-9A-HJKMNP-TV-Z]{26}\b")
FRESH: Final = frozenset({"key", "reference", "name", "fileName", "subject"})
AS_THEY_ARE: Final = re.compile("period_|drill_")  # whose moments and names mean something
CARRIED: Final = frozenset({"payloadSha256", "sha256", "asset", "programId", "payeeId", "customerId", "invoiceId", "total"})
# Moments, as days from now.
AHEAD: Final = {
    "until": 1,
    "validUntil": 300,
    "expiresAt": 300,
    "seenAt": 0,
    "since": -1,
    "from": -1,
    "to": -0.01,
    "startsAt": -1,
    "endsAt": 0,
}
KEPT: Final = 30
GENERATED_AT_ONCE: Final = 3


class Walker:
    """Asks what the links of earlier answers lead to, by who may, as the examples do; and holds every answer against the document."""

    def __init__(self, office: Office, document: dict[str, Any], seed: int = 0) -> None:
        self.office, self.random = office, random.Random(seed)
        schema = schemathesis.openapi.from_dict(document).exclude(path_regex="^/(webhooks|peers)/")  # signed by others
        self.operations = [found.ok() for found in schema.get_all_operations()]
        found = collect_transitions(self.operations).operations.values()
        self.links = [link for one in found for link in one.outgoing if not link.is_inferred]
        self.answers: dict[str, deque[StepOutput]] = defaultdict(lambda: deque(maxlen=KEPT))  # by operation and status
        self.ids: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=KEPT))
        self.linked: Counter[str] = Counter()  # requests that followed a link, by operation
        self.done: Counter[str] = Counter()  # of those, the ones that succeeded
        self.refused: dict[str, Counter[str]] = defaultdict(Counter)
        self.pool: dict[str, list[Any]] = defaultdict(list)
        self.wrong: list[str] = []

    def roles(self, operation: Any) -> tuple[str, ...]:
        """Whose key it is asked with: somebody's who may."""
        needs = operation.definition.raw.get("x-permission")
        if operation.definition.raw["operationId"] in DECISIONS:
            return DECIDERS
        return (next((one for one in ROLES_TRIED if needs in ROLES[one]), "viewer"),)

    def walk(self) -> None:
        """Ask whatever needs no id, then once what each link leads to: first from lists and from what was made, else in any order."""
        for operation in self.operations:
            if not operation.path_parameters:
                self.ask(operation, {}, None)
        for link in sorted(self.random.sample(self.links, len(self.links)), key=lambda one: bool(one.source.path_parameters)):
            known = self.answers[f"{link.source.label} {link.status_code}"]
            if known:
                parent = self.random.choice(known)
                taken = link.extract(parent).parameters.get("path_parameters", {})
                path = {name: one.value.ok() for name, one in taken.items() if isinstance(one.value, Ok)}
                if None not in path.values() and UNRESOLVABLE not in path.values():
                    self.ask(link.target, path, parent.response)

    def ask(self, operation: Any, path: dict[str, Any], parent: Any) -> None:
        """One request: with what its example sends or, now and then, with something generated; a decision, by whoever may take it."""
        name = operation.definition.raw["operationId"]
        for role in self.roles(operation):
            generated = self.random.random() < GENERATED_SHARE or example_of(name) is None
            told = json.loads(parent.content) if parent else None
            case = self.generated(operation) if generated else self.as_the_example(operation, path, told)
            case.path_parameters = {**(case.path_parameters or {}), **path}
            case.headers = {"Authorization": f"Bearer {self.office.keys[role]}"}
            if operation.method.upper() == "POST":
                dry = DRY.match(name) or self.random.random() < DRY_SHARE
                case.query = {**(case.query or {}), "dryRun": "true" if dry else "false"}
                case.headers["Idempotency-Key"] = fresh("linked")
            response = case.call(base_url=self.office.url, timeout=60)
            self.hear(case, response, linked=parent is not None)
            if response.status_code != 403:
                break

    def generated(self, operation: Any) -> Any:
        """A request as the document's shapes have it."""
        if not self.pool[operation.label]:
            self.pool[operation.label] = some_of(operation)
        return self.pool[operation.label].pop()

    def as_the_example(self, operation: Any, path: dict[str, Any], parent: Any) -> Any:
        """A request as the document's example has it, about what there is here."""
        example = example_of(operation.definition.raw["operationId"]) or {}
        if not AS_THEY_ARE.match(example["operation"]):
            example = example | {part: self.adapted(example[part], "", parent) for part in ("query", "body") if part in example}
        wide = operation.method.upper() == "GET" and self.random.random() < WIDE_SHARE
        query = {name: value for name, value in example["query"].items() if not wide or name == "programId"}
        case = operation.Case(path_parameters={**example["path"], **path}, query=query)
        if "body" in example or "text" in example:
            case.body = example["body"] if "body" in example else self.renumbered(example["text"])
            case.media_type = next(iter(operation.definition.raw["requestBody"]["content"]))
        return case

    def adapted(self, value: Any, name: str, parent: Any) -> Any:
        """An example's value, about what there is here and now."""
        if isinstance(value, dict):
            return {key: self.adapted(one, key, parent) for key, one in value.items()}
        if isinstance(value, list):
            return [self.adapted(one, name, parent) for one in value]
        if name in CARRIED and isinstance(parent, dict) and isinstance(parent.get(name), str):
            return parent[name]
        if name in AHEAD:
            return (now() + timedelta(days=AHEAD[name])).isoformat()
        if name == "day":
            return (now() - timedelta(days=1)).date().isoformat()
        if not isinstance(value, str):
            return value
        if found := ULID.fullmatch(value):
            self.ids[found[1]].rotate()
            return self.ids[found[1]][0] if self.ids[found[1]] else value
        if re.fullmatch(r"[0-9a-f]{64}", value):
            return f"{self.random.getrandbits(256):064x}"
        if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", value):
            return str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        return f"{value[:40]}-{fresh('n')}" if name in FRESH else value

    def renumbered(self, text: str) -> str:
        """A file that was not sent before."""
        return re.sub(r"\b([a-z]+)-\d+(-\d+)?", lambda found: f"{found[1]}-{fresh('n')}{found[2] or ''}", text)

    def hear(self, case: Any, response: Any, linked: bool) -> None:
        """Remember what it names, and hold it against the document."""
        name, status = case.operation.definition.raw["operationId"], response.status_code
        told = None
        if "json" in response.headers.get("content-type", [""])[0]:
            told = json.loads(response.content)
        if linked:
            self.linked[name] += 1
            self.done[name] += status < 300
        if status < 300 and "dryRun=true" not in (response.request.url or ""):
            self.answers[f"{case.operation.label} {status}"].append(StepOutput(response, case))
            for found in ULID.finditer(response.content.decode("utf-8", "replace")):
                known = self.ids[found[1]]
                if found[0] not in known:
                    known.append(found[0])
        elif status >= 300:
            self.refused[name][f"{status} {(told or {}).get('type')} {(told or {}).get('field', '')} {(told or {}).get('title')}"] += 1
        try:
            case.validate_response(response, checks=list(CHECKS))
        except FailureGroup as found:
            self.wrong.append(f"{name} {status}: {[str(one)[:600] for one in found.exceptions[:2]]}")


def some_of(operation: Any) -> list[Any]:
    """A few generated requests."""
    found = []

    @settings(
        max_examples=GENERATED_AT_ONCE,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize=True,
    )
    @given(case=operation.as_strategy())
    def gather(case: Any) -> None:
        found.append(case)

    gather()
    return found
