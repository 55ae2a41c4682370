"""The links of the OpenAPI document: which id of an answer is asked for in which path, so that a reader knows what may come next.

Derived from the document itself: from its paths which things there are, from the names of fields and from the recorded examples what an id
is of. Of a list the first line is meant. A thing as it is shown or made leads to all that may be asked of it; a list, the answer to a verb,
and an answer about something else that names the thing, lead to the thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from counterfoil.api.document.examples import ALIAS, example_of

SIGNED: Final = ("/webhooks/", "/peers/")  # who asks these is told what comes next by nobody
ULID: Final = re.compile(r"([a-z]+)_[0-9A-HJKMNP-TV-Z]{26}$")
PROPOSAL: Final = "prop"  # it is decided on by whoever reads of it
Operation = dict[str, Any]


@dataclass
class Kind:
    """What a parameter in a path is an id of: `name`, the prefix of its `ids` if they have one, and the parameters that take one."""

    key: str
    ids: str
    name: str = ""
    fields: set[str] = field(default_factory=set)  # as answers about other things call it
    own: str = "id"  # as its own answers call it
    takers: list[tuple[str, Operation]] = field(default_factory=list)  # paths and operations, in the order of the document


def add_links(document: dict[str, Any]) -> None:
    """Put them at the answers of every operation."""
    kinds = _kinds(document)
    for path, method, operation in _operations(document):
        for status, answer in operation["responses"].items():
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            if schema is not None and status.startswith("2"):
                found = dict(_links_of(document, kinds, (path, method, operation), schema))
                if found:
                    answer["links"] = found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not path.startswith(SIGNED):
                yield path, method, operation


def _params(operation: Operation) -> list[dict[str, Any]]:
    return [one for one in operation.get("parameters", []) if one["in"] == "path"]


def _key(path: str, parameter: dict[str, Any]) -> tuple[str, str]:
    """What the parameter is told from others by, and the prefix of the ids that it takes."""
    prefix = re.match(r"\^([a-z]+)_\[", parameter["schema"].get("pattern", ""))
    if prefix:
        return prefix[1], f"{prefix[1]}_"
    name = str(parameter["name"])
    return (name if name.endswith("_id") else path.partition(f"/{{{name}}}")[0] + f"/{name}"), ""


def _kinds(document: dict[str, Any]) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for path, _, operation in _operations(document):
        for parameter in _params(operation):
            key, ids = _key(path, parameter)
            kind = kinds.setdefault(key, Kind(key, ids))
            name = parameter["name"]
            if name not in ("id", "name", "number"):
                kind.fields.add(_camel(name))
            if name != "id" and not name.endswith("_id"):
                kind.own = _camel(name)
            if not operation["operationId"].endswith(ALIAS):
                kind.takers.append((path, operation))
    for kind in kinds.values():
        kind.name = _name(kind)
        kind.fields |= {_camel(kind.name) + "Id", _camel(kind.name)}
    return {key: kind for key, kind in kinds.items() if kind.takers}


def _name(kind: Kind) -> str:
    """The words with which the names of its operations begin."""
    ids = [operation["operationId"].split("_") for _, operation in kind.takers] or [[kind.key, ""]]
    same = [words[0] for words in zip(*ids, strict=False) if len(set(words)) == 1]
    return "_".join(same[:-1] if len(same) == min(map(len, ids)) else same) or kind.key.removesuffix("_id")


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _links_of(
    document: dict[str, Any], kinds: dict[str, Kind], source: tuple[str, str, Operation], schema: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    path, _, operation = source
    told = dict(_told(document, kinds, operation, schema))  # kinds, and where the answer names one
    asked = {_key(path, one)[0]: f"$request.path.{one['name']}" for one in _params(operation)}
    for key, (where, is_own) in told.items():
        shown = [one for at, one in kinds[key].takers if at.endswith("}") and document["paths"][at].get("get") is one]
        met = operation in shown or (key not in asked and not (shown and "#/id" not in where))  # and not met before, or about to be
        for at, target in kinds[key].takers:
            given = {one["name"]: told.get(found, (asked.get(found), False))[0] for one in _params(target) if (found := _key(at, one)[0])}
            if target is operation or None in given.values() or where not in given.values():
                continue
            if target in shown or (is_own and met) or key == PROPOSAL:
                yield target["operationId"], {"operationId": target["operationId"], "parameters": given}


def _told(
    document: dict[str, Any], kinds: dict[str, Kind], operation: Operation, schema: dict[str, Any]
) -> Iterator[tuple[str, tuple[str, bool]]]:
    """The kinds of the ids in an answer, with the expression that finds each, and whether the answer is about that thing itself."""
    own = max(
        (one for one in kinds.values() if operation["operationId"].startswith(f"{one.name}_")), key=lambda one: len(one.name), default=None
    )
    example = (example_of(operation["operationId"]) or {}).get("answer")
    found: dict[str, tuple[str, bool]] = {}
    for name, pointer, shown in _fields(document, schema, example):
        kind = _kind_of(kinds, own, name, shown)
        if kind is not None and (kind.key not in found or (name == kind.own and not found[kind.key][1])):
            found[kind.key] = (f"$response.body#/{pointer}", name == kind.own)
    yield from found.items()


def _kind_of(kinds: dict[str, Kind], own: Kind | None, name: str, shown: Any) -> Kind | None:
    """What a field is an id of, as its name says and its example does not deny. Where the name says too little the example must show it."""
    prefix = ULID.match(shown) if isinstance(shown, str) else None
    of_example = kinds.get(prefix[1]) if prefix else None
    if own is not None and name == own.own:
        return own if shown is None or not own.ids else of_example
    if name == "id":
        return of_example
    named = [one for one in kinds.values() if name in one.fields]
    if of_example is not None:
        return of_example if of_example in named else None
    sure = len(named) == 1 and name.endswith("Id") and (shown is None or not named[0].ids)
    return named[0] if sure else None


def _fields(document: dict[str, Any], schema: dict[str, Any], example: Any) -> Iterator[tuple[str, str, Any]]:
    """The fields of an answer and of the first line of its list: name, where it stands, and what the example shows there."""
    whole = _shape(document, schema)
    shown = example if isinstance(example, dict) else {}
    for name, one in whole.get("properties", {}).items():
        if name.endswith("Ids") and one.get("type") == "array":
            yield name[:-1], f"{name}/0", _first(shown.get(name))
        elif one.get("type") != "array":
            yield name, name, shown.get(name)
    if "id" in whole.get("properties", {}):
        return
    for name, one in whole.get("properties", {}).items():
        line = _shape(document, one.get("items", {})) if one.get("type") == "array" else {}
        first = _first(shown.get(name))
        for part in line.get("properties", {}):
            yield part, f"{name}/0/{part}", first.get(part) if isinstance(first, dict) else None


def _first(shown: Any) -> Any:
    return shown[0] if isinstance(shown, list) and shown else None


def _shape(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
