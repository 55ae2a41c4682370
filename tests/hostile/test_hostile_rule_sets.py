"""Hostile rule sets: whatever stands in a rule set, it is refused in plain words or run as text; no other file is read, none is written."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from counterfoil.base.formats.runbook import parse_runbook
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.ledger.importing.map import load_map
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import NAMES, reconcile_files
from tests.hostile.test_hostile_inputs import places_of, put
from tests.hostile.values import VALUES
from tests.ledger.test_imports import MAP
from tests.matching.builders import row, rules_text, write_csv
from tests.runbooks.test_format import GOOD as RUNBOOK
from tests.soak import examples

DEEP: Final = 50  # deeper ones stand in TEXTS
SECRET: Final = "a-secret-that-no-output-holds"
PASSES: Final = """
[[pass]]
kind = "key"
name = "exact"
left = ["reference"]
right = ["reference"]
[[pass]]
kind = "text"
name = "similar"
[[left.where]]
column = "memo"
contains = "x"
not = true
[[right.where]]
column = "amount"
at_least = 1
[left.dates]
formats = ["%Y-%m-%d"]
[left.status]
paid = ["paid"]
[calendar]
holidays = [2026-12-25]
"""
RULES: Final = rules_text(PASSES, head='version = 1\nname = "hostile"\n')


def injections(outside: Path) -> dict[str, Any]:
    """What would be read, written or run if any text of a rule set became a query, a path, a template or a number without bounds."""
    file, made = outside / "secret.csv", outside / "made.csv"
    readers = [
        f"read_csv('{file}')",
        f"read_text('{file}')",
        f"read_parquet('{file}')",
        f"glob('{outside}/*')",
        f"(select * from '{file}')",
    ]
    queries = [
        f"\"; copy (select 1) to '{made}'; --",
        f"'; attach '{made}' as x; --",
        f"\") as x from read_csv('{file}') --",
        f"') union all select * from read_text('{file}') --",
        'amount" from left_side; drop table left_side; --',
        "memo) or (1=1",
        "' || (select getenv('HOME')) || '",
        '"; install httpfs; load httpfs; --',
        '"; set enable_external_access = true; --',
        f"\"; pragma database_list; import database '{outside}'; --",
        "$$; select 1; $$",
        "{{ 7*7 }}${7*7}%(id)s%s{0}{name.__class__}",
        "'' ; select pg_sleep(9); --",
        "x/**/or/**/1=1",
        'column0" as "id',
    ]
    paths = [
        str(file),
        f"../{outside.name}/secret.csv",
        f"file://{file}",
        "http://127.0.0.1:9/x.csv",
        "s3://bucket/x",
        "/dev/zero",
        "../" * 30,
    ]
    names = [
        "іd",
        "ｉｄ",
        "id\u200b",
        "ID ",
        "amount\u202e",
        "__class__",
        "__proto__",
        "constructor",
        "rowid",
        "*",
        "id.id",
        "left.id",
        '"id"',
    ]
    patterns = ["(a+)+$", "(" * 500, "[", "\\", "(?P<x", ".*" * 200, "%Q%!", "%" * 99, "%Y" * 99]
    numbers = [10**19, -(10**40), 2**63, 1e308, -0.0, 10**400]
    kinds = [[], {}, [[]], [{}], {"a": {"b": []}}, True, False, ["x"] * 2_000, [1, "a", {}], "x" * 100_000]
    told = {f"{kind} {n}": value for kind, group in locals().items() if isinstance(group, list) for n, value in enumerate(group)}
    return told | {f"value {name}": value for name, value in VALUES.items() if value is not None and str(value).count("[") < DEEP}


def toml(value: Any) -> str:
    """A value as TOML writes it; tables inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(name))} = {toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)


def hostile_texts(rules: str, outside: Path) -> Iterator[tuple[str, str]]:
    """Each injection at some of the places in turn, under its name, so that each place meets each kind of them."""
    plain = tomllib.loads(rules)
    places = itertools.cycle([place for place in places_of(plain) if place])
    for name, value in injections(outside).items():
        for place in itertools.islice(places, examples(2)):
            made = put(plain, place, value)
            yield name, "\n".join(f"{toml(key)} = {toml(one)}" for key, one in made.items())
            if isinstance(value, str) and isinstance(place[-1], str):  # as the name of a key, too
                beside = put(plain, place[:-1], {**_at(plain, place[:-1]), value: "id"}) if place[:-1] else {**plain, value: "id"}
                yield f"{name} as a name", "\n".join(f"{toml(key)} = {toml(one)}" for key, one in beside.items())


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for part in place:
        value = value[part]
    return value


TEXTS: Final = (
    "",
    "\0",
    "\ufeffversion = 1",
    "version = 1\nversion = 2",
    "[left]\n[left]",
    "left = 1\n[left.csv]",
    "a" * 200_000,
    "x = " + "[" * 500 + "]" * 500,
    "x = " + "{a=" * 300 + "1" + "}" * 300,
    "[" + ".".join("a" * 1_000) + "]\n",
    "x = " + "9" * 10_000,
    "x = 1e999999999",
    "x = 9999-99-99",
    'x = "\\ud800"',
    "--- !!python/object/apply:os.system ['id']",
    "<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
    "'''",
    '"""',
    "\r\r\r",
    "include = '/etc/passwd'",
)


def a_runbook(text: str) -> Any:
    return parse_runbook(text, file="mine.toml")


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_a_text_that_is_no_rule_set_no_map_and_no_runbook_is_refused_in_plain_words(number: int, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(TEXTS[number], encoding="utf-8")
    for read, given in (
        (load_rules, TEXTS[number]),
        (load_rules, tmp_path / "rules.toml"),
        (load_map, TEXTS[number]),
        (a_runbook, TEXTS[number]),
    ):
        with pytest.raises(InvalidInput):
            read(given)


@pytest.mark.parametrize(("read", "good"), [(load_map, MAP), (a_runbook, RUNBOOK)], ids=["map", "runbook"])
def test_a_map_of_journals_and_a_runbook_are_read_or_refused_whatever_stands_in_them(read: Any, good: str, tmp_path: Path) -> None:
    wrong, asked = [], 0
    for told, text in hostile_texts(good, tmp_path):
        asked += 1
        try:
            read(text)
        except Problem:
            continue
        except Exception as error:  # noqa: BLE001 - whatever else it is, it is the fault that is looked for
            wrong.append((told, repr(error)[:200]))
    assert wrong == []
    assert asked > 169


def test_no_rule_set_reads_or_writes_another_file_or_fails_otherwise_than_by_a_problem(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.csv").write_text(f"id,amount,memo\n1,{SECRET},{SECRET}\n")
    left = write_csv(inside / "left.csv", [row("a", memo="Order"), row("b", amount=5)])
    right = write_csv(inside / "right.csv", [row("a"), row("c", status="")])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    wrong, asked, refused, ran = [], 0, 0, 0
    reconciled = set()
    for told, text in hostile_texts(RULES, outside):
        asked += 1
        out = inside / "out"
        try:
            rules = load_rules(text)
            if told in reconciled:
                continue  # each is let through to the files once: that takes a while
            reconciled.add(told)
            reconcile_files(left, right, rules, out=out, threads=1)
            ran += 1
        except Problem:
            refused += 1
        except Exception as error:  # noqa: BLE001 - whatever else it is, it is the fault that is looked for
            wrong.append((told, repr(error)[:200]))
        if out.exists():
            written = {path.name for path in out.iterdir()}
            assert written <= set(NAMES), told
            assert not any(SECRET.encode() in (out / name).read_bytes() for name in written), told
    assert wrong == []
    assert asked > 169
    assert refused > 169
    assert len(reconciled) > 50
    assert ran > 10, "some are texts like any other, and do no harm where they stand"
    now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "out" not in path.parts}
    assert now == before
