"""What holds for every noun, verb and job, whichever edge it is reached by: the same authority, and nothing that is left out."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import get_type_hints

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from counterfoil.api.http.app import ROUTERS
from counterfoil.api.http.verbs import noun_routes
from counterfoil.base.problems import Problem
from counterfoil.base.settings import Settings
from counterfoil.cli.core.connection import ROLES as KEYS
from counterfoil.cli.core.verbs import noun_app
from counterfoil.cli.local.installation import refuse_unless_settings_agree
from counterfoil.operations.access.access import ROLES
from counterfoil.operations.verbs import AMOUNTS, Noun
from counterfoil.wiring import JOBS, NOUNS
from docs.generate import openapi
from tests.house.tree import ROOT, functions_of, text_of

COMMANDS = sorted(path.relative_to(ROOT) for path in (ROOT / "src/counterfoil/cli/nouns").rglob("*.py"))


@cache
def needs() -> dict[tuple[str, str], str]:
    """What each route needs: by its method and its path, each part that varies as `*`."""
    found = {}
    for router in (*ROUTERS, *map(noun_routes, NOUNS)):
        for route in router.routes:
            if isinstance(route, APIRoute):
                declared = [one.call.needs for one in route.dependant.dependencies if hasattr(one.call, "needs")]
                declared += [needed] if (needed := getattr(route.endpoint, "needs", None)) else []
                for method in route.methods:
                    found[method, re.sub(r"\{[^}]*\}", "*", route.path)] = declared[0] if declared else ""
    return found


def asked_in(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Each request of a command that names its address: the command, the key that it asks with, the method and the address."""
    for function in functions_of(path):
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        keys = [one.args[0].value for one in calls if named(one) == "asked" and isinstance(one.args[0], ast.Constant)]
        for one in calls:
            address = address_of(one.args[0]) if one.args else ""
            if len(set(keys)) == 1 and named(one) in ("get", "post", "listed"):
                address = address or (address_of(one.args[1]) if len(one.args) > 1 else "")
                if address.startswith("/api/"):
                    yield f"{path.stem} {function.name}", keys[0], "POST" if named(one) == "post" else "GET", address


def named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def address_of(node: ast.expr) -> str:
    """A text with `*` for each part that varies; empty for anything else."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_a_command_asks_with_the_authority_that_its_address_needs() -> None:
    asked = [one for path in COMMANDS for one in asked_in(path)]
    assert len(asked) > 30
    wrong = []
    for command, key, method, address in asked:
        needed = needs().get((method, address))
        if needed is None:
            needed = next((found for (one, path), found in needs().items() if one == method and fits(path, address)), None)
        if needed is None:
            wrong.append(f"{command}: no route {method} {address}")
        elif lacking := [role for role in KEYS[key] if needed not in ROLES[role]]:
            wrong.append(f"{command} asks with keys to {key!r}, and {method} {address} refuses {lacking}")
    assert wrong == []


def fits(path: str, address: str) -> bool:
    parts, given = path.split("/"), address.split("/")
    return len(parts) == len(given) and all(p in (g, "*") or g == "*" for p, g in zip(parts, given, strict=True))


def test_page_and_api_give_a_verb_to_the_same_people() -> None:
    """The page of a noun asks for the permission of the verb's declaration; so does its route."""
    for noun in NOUNS:
        for verb in noun.verbs:
            assert needs()["POST", f"/api/{noun.plural}/*/{verb.word}"] == verb.permission, f"{noun.name} {verb.name}"
    assert {verb.permission for noun in NOUNS for verb in noun.verbs} <= {one for held in ROLES.values() for one in held}


def test_every_job_can_be_run_by_its_name() -> None:
    names = [job.name for job in JOBS]
    assert len(set(names)) == len(names)
    (run,) = openapi()["paths"]["/api/admin/ops/run/{job}"].values()
    (job,) = [one for one in run["parameters"] if one["name"] == "job"]
    assert sorted(job["schema"]["enum"]) == sorted(names)


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_every_noun_is_tested_by_every_edge(noun) -> None:
    """An address, a command and a page of it stand in a test of that edge."""
    edges = {"api": rf"/api/{noun.plural}", "cli": rf"[\"' ](?:{noun.plural}|{noun.name})[\"' ]", "dashboard": rf"/admin/{noun.plural}"}
    tests = [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py") if "house" not in path.parts]
    lacking = [edge for edge, pattern in edges.items() if not any(re.search(pattern, text_of(one)) for one in tests)]
    assert lacking == [], f"no test reaches {noun.plural} by these edges"


def test_settings_that_must_agree_are_checked_before_anything_starts() -> None:
    """Whichever setting says of itself that it is more than another: the pair is refused when it is not."""
    pairs = [
        (name, other)
        for name, field in Settings.model_fields.items()
        for other in re.findall(r"[Mm]ore than[^.`]*`(\w+)`", field.description or "")
        if other in Settings.model_fields
    ]
    assert len(pairs) >= 2
    for name, other in pairs:
        # The other a little above what this one is: their own bounds allow it, and both are set, the rest is as it comes.
        given = {"worker_lease_s": 3_600, "provider_horizon_s": 86_400, other: 30_000} | {name: 20}
        refuse_unless_settings_agree(Settings(_env_file=None, **(given | {other: 10_000})))
        with pytest.raises(Problem):
            refuse_unless_settings_agree(Settings(_env_file=None, **given))


def mixed_up(labels: Mapping[str, str]) -> list[str]:
    """The labels, by their verbs, that say another verb of the noun, take it back by their own, or stand twice."""
    said = {verb: label.casefold().replace(" ", "_") for verb, label in labels.items()}
    others = {verb: {other for other in labels if other != verb} for verb in labels}
    return [
        f"{verb} is labelled {label!r}"
        for verb, label in labels.items()
        if (said[verb] != verb and said[verb].removeprefix("un") in others[verb]) or said[verb] in {said[other] for other in others[verb]}
    ]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_no_verb_is_labelled_with_another_of_its_noun(noun: Noun):
    assert mixed_up({verb.name: verb.label for verb in noun.verbs}) == []


def test_labels_that_can_be_mixed_up_are_seen():
    assert mixed_up({"mature": "Reopen", "reopen": "Unassign", "assign": "Assign"}) == [
        "mature is labelled 'Reopen'",
        "reopen is labelled 'Unassign'",
    ]
    assert len(mixed_up({"wait": "Hold", "park": "Hold"})) == 2


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_every_amount_of_a_part_is_of_an_asset(noun: Noun):
    """Its row says which, or the thing does; a page would show minor units for whole ones."""
    own = noun.row is not None and "asset" in noun.row._fields
    for part in noun.parts:
        if AMOUNTS & set(part.columns or part.row._fields):
            assert own or "asset" in part.row._fields, part.name


# What numbers of rows count that are no amounts; a new one is an amount, and stands in AMOUNTS, or it is named here.
COUNTS = frozenset(
    """level number size rate_version condition score_micro depth customers lines lines_paid lines_left approvals approvers round failures
    window_calls window_failures tries attempt attempts waiting kept failed took_ms status open_size close_size entries entries_done
    duration_ms bytes silent_s log_size migration server_version restore_ms lost_s lost_entries place times rest checks holding broken
    findings opened not_asked passed steps_total""".split()  # noqa: SIM905
)


def test_every_number_of_a_row_is_an_amount_or_is_known_to_count_something():
    """A dispute's refund was no amount by its name: people read 2000 where 20.00 USD went back."""
    found = {
        (noun.plural, name)
        for noun in NOUNS
        for row in (noun.row, *(part.row for part in noun.parts))
        if row is not None
        for name, kind in get_type_hints(row).items()
        if kind in (int, int | None) and name not in AMOUNTS | COUNTS
    }
    assert found == set()


@pytest.mark.parametrize("noun", [one for one in NOUNS if one.rows is not None and one.row is not None], ids=lambda noun: noun.plural)
def test_the_command_that_lists_a_noun_narrows_it_as_its_address_does(noun: Noun):
    [route] = [one for one in noun_routes(noun).routes if isinstance(one, APIRoute) and one.path == f"/api/{noun.plural}"]

    def asked(dependant: Dependant) -> set[str]:
        return {one.alias for one in dependant.query_params}.union(*map(asked, dependant.dependencies))

    [command] = [one.callback for one in noun_app(noun).registered_commands if one.name == "list"]
    options = set(inspect.signature(command).parameters) - {"limit", "output"}
    assert options <= {one.flag or one.name for one in noun.narrows} | {"state", "sort", "program"}
    assert len(options) == len(asked(route.dependant) - {"limit", "cursor"}), "what the address narrows, the command does, too"
