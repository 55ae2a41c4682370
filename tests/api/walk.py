"""Every route of the application with a request that it understands, made from its own description: nothing here is typed per route."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import psycopg

from counterfoil.api.http.program_scope import BY_PREFIX, OWNERS
from tests.api.office import Office

FAKE: Final = "01KA0000000000000000000000"
UUID: Final = "01a1f942-62e2-7001-a2bc-82827114880b"
MOMENT: Final = "2026-01-01T00:00:00Z"
FORMATS: Final = {"date-time": MOMENT, "date": "2026-01-01", "uuid": UUID, "binary": "x"}
Ids = Mapping[str, str]  # a thing of the program, by the name of its id in an address


class Asked(NamedTuple):
    """One request. `needs`: the permission that the route declares; None: open to everybody."""

    method: str
    route: str
    path: str
    params: dict[str, str]
    body: Any
    needs: str | None
    scope: str | None  # what a key needs that is narrower than its role


@dataclass
class Walk:
    """What is asked about `program` and its things."""

    doc: dict[str, Any]
    program: str
    ids: Ids

    def __iter__(self) -> Iterator[Asked]:
        for route, operations in self.doc["paths"].items():
            for method, operation in operations.items():
                yield self._asked(method.upper(), route, operation)

    def _asked(self, method: str, route: str, operation: dict[str, Any]) -> Asked:
        given = {one["name"]: one for one in operation.get("parameters", []) if one["in"] in ("path", "query")}
        path = route
        for name, one in given.items():
            if one["in"] == "path":
                path = path.replace(f"{{{name}}}", self._id(name, one["schema"]))
        params = {
            name: str(self._value(one["schema"], name))
            for name, one in given.items()
            if one["in"] == "query" and (one.get("required") or name == "programId")
        }
        return Asked(method, route, path, params, self._body(operation), operation.get("x-permission"), operation.get("x-scope"))

    def _body(self, operation: dict[str, Any]) -> Any:
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            return self._value(content["application/json"]["schema"], "")
        return "x" if content else None

    def _id(self, name: str, schema: dict[str, Any]) -> str:
        if name == "program_id":
            return self.program
        prefix = re.match(r"\^([a-z]+)_", schema.get("pattern", ""))
        known = BY_PREFIX.get(prefix[1], name) if name == "id" and prefix else name
        if known in self.ids:
            return self.ids[known]
        return f"{prefix[1]}_{FAKE}" if prefix else str(self._value(schema, name))

    def _value(self, schema: dict[str, Any], name: str) -> Any:
        while "$ref" in schema:
            schema = self.doc["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                return self._value(next(one for one in schema[word] if one.get("type") != "null"), name)
        if name == "programId":
            return self.program
        if name.endswith("Id") and (found := self.ids.get(_snake(name))):
            return found
        for word in ("const", "enum", "examples"):
            if word in schema:
                return schema[word] if word == "const" else schema[word][0]
        return self._typed(schema, name)

    def _typed(self, schema: dict[str, Any], name: str) -> Any:
        kind = schema.get("type", "string")
        if kind == "object":
            wanted = set(schema.get("required", ())) | ({"programId"} & set(schema.get("properties", ())))
            return {one: self._value(schema["properties"][one], one) for one in sorted(wanted)}
        if kind == "array":
            return [self._value(schema["items"], name)] if schema.get("minItems") else []
        if kind in ("integer", "number"):
            return schema.get("minimum", 1)
        if kind == "boolean":
            return False
        if (form := FORMATS.get(schema.get("format", ""))) is not None:
            return form
        pattern = schema.get("pattern", "")
        if "a-f" in pattern:
            return "0" * 64
        return f"{prefix[1]}_{FAKE}" if (prefix := re.match(r"\^([a-z]+)_\[", pattern)) else "x" * max(1, schema.get("minLength", 1))


def walk(office: Office, program: str) -> Walk:
    """About what this program has."""
    doc = json.loads(office.ask("GET", "/api/openapi.json", role=None).text)
    return Walk(doc, program, ids_of(office, program))


def ids_of(office: Office, program: str) -> dict[str, str]:
    """One thing of each kind that this program has, by the name of its id in an address."""
    found = {}
    with psycopg.connect(office.database.url) as conn:
        for name, query in OWNERS.items():
            wanted = re.sub(
                r"^\s*select (\S+) (.*?)where (\S+) = %s$",
                r"select \3::text \2where \1 = %s limit 1",
                query,
                flags=re.S,
            )
            row = conn.execute(wanted.encode(), [program]).fetchone()
            if row is not None:
                found[name] = row[0]
    return found


def marks_of(office: Office, program: str) -> list[str]:
    """Words that tell of this program wherever they stand: the ids of all that it has."""
    marks = [json.dumps(program)]
    with psycopg.connect(office.database.url) as conn:
        for query in OWNERS.values():
            wanted = re.sub(
                r"^\s*select (\S+) (.*?)where (\S+) = %s$",
                r"select \3::text \2where \1 = %s limit 1000",
                query,
                flags=re.S,
            )
            marks += [row[0] for row in conn.execute(wanted.encode(), [program]).fetchall()]
    return marks


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()
