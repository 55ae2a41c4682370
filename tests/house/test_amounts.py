"""Amounts in what people read: facts of problems are told in whole units with their asset, and no sentence tells minor units."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Final

import pytest

from counterfoil.base.money import Asset, out_of_range
from counterfoil.base.problems import Problem, all_problems, told_facts
from counterfoil.ledger.problems import InsufficientFunds
from docs import problem_facts
from docs.generate import modules
from tests.house.tree import SOURCE, tree_of

# What an amount in minor units is called, in facts and in code.
AMOUNTS: Final = frozenset(
    """minor amount amounts due held paid balance gross net fee platform_fee validator_fee holdback asked owed owes left_minor remaining
    difference at_stake stake total_minor lacks unused funded released refunded credited written_off charged_back payable receivable
    beyond excess ordered spent moved proposed_for approved left kept most_minor exposure refund closing opening""".split()  # noqa: SIM905
)
# The engine of matching compares figures of files, whose assets no book may know; it is not told of here.
ELSEWHERE: Final = ("matching/", "statements/", "simulator/", "proofs/packages/")
# Facts that only sound like one.
NO_AMOUNT: Final = {
    ("AssetMismatch", "left"): "an asset",
    ("StateMoved", "moved"): "how many steps",
    ("StateMoved", "asked"): "how many steps",
    ("RoleConflict", "held"): "a role",
    ("SignerRoleNotHeld", "held"): "a role",
}
# What stands before an asset there is in whole units already, or in a provider's.
TOLD: Final = ("payouts/batches/rule.py", "operations/providers/stripe/amounts.py")
# Sentences that tell minor units on purpose.
ON_PURPOSE: Final = {
    "base/problems.py": "an asset that nobody knows the decimals of",
    "base/money.py": "what the wire carries",
    "settlement/usage/rules.py": "the most that one line can be, in any asset",
    "settlement/commissions/rules.py": "the most that a minimum can be, in any asset",
    "treasury/two_phase/transactions.py": "the most that one transaction can move, in any asset",
    "operations/providers/stripe/amounts.py": "what the provider's unit is, not an amount",
    "cli/core/money.py": "an asset that nobody knows the decimals of",
    "proofs/disclosures/verifying.py": "a verifier that has no books, as in a package",
    "proofs/inclusion/verifying.py": "a verifier that has no books, as in a package",
    "dashboard/work/payloads.py": "a proposal whose asset is not named",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCE:
        name = str(path).removeprefix("src/counterfoil/")
        if not name.startswith(ELSEWHERE):
            yield name, tree_of(path)


def last_word(node: ast.expr) -> str:
    """What an expression is called at its end: `one.due`, `str(max(0, held))` and `-line.amount` are due, held and amount."""
    match node:
        case ast.Name(id=word) | ast.Attribute(attr=word):
            return word
        case ast.UnaryOp(operand=inner):
            return last_word(inner)
        case ast.Call(func=ast.Name(id="str" | "max" | "min" | "abs" | "int"), args=[*_, inner]):
            return last_word(inner)
        case ast.BinOp(left=left, right=right):
            return last_word(left) if last_word(left) in AMOUNTS else last_word(right)
        case ast.Subscript(slice=ast.Constant(value=str(word))):
            return word
    return ""


def raised(kinds: dict[str, type[Problem]]) -> Iterator[tuple[str, str, dict[str, ast.expr]]]:
    """Every problem that the code makes: where, which, and the facts that it is given by name."""
    for where, tree in trees():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in kinds:
                yield f"{where}:{call.lineno}", call.func.id, {word.arg: word.value for word in call.keywords if word.arg}


@pytest.fixture(scope="module")
def kinds() -> dict[str, type[Problem]]:
    list(modules())
    return {one.__name__: one for one in all_problems() if one.__module__.startswith("counterfoil.")}


def test_each_fact_that_is_an_amount_is_declared_as_one_and_has_its_asset_beside_it(kinds: dict[str, type[Problem]]) -> None:
    wrong = []
    for where, name, facts in raised(kinds):
        sounds = {fact for fact, value in facts.items() if fact in AMOUNTS or last_word(value) in AMOUNTS}
        sounds -= {fact for one, fact in NO_AMOUNT if one == name}
        wrong += [f"{where}: {name}.{fact} is an amount: declare it in `amounts`" for fact in sorted(sounds - set(kinds[name].amounts))]
        if set(kinds[name].amounts) & set(facts) and "asset" not in facts:
            wrong.append(f"{where}: {name} tells amounts without their asset")
    assert wrong == []


def test_what_is_declared_as_an_amount_is_a_fact_of_that_problem(kinds: dict[str, type[Problem]]) -> None:
    recorded = json.loads(problem_facts.recorded())
    declared = {name: set(kind.amounts) for name, kind in kinds.items() if kind.amounts}
    assert {name: facts - set(recorded[name]) for name, facts in declared.items() if facts - set(recorded[name])} == {}
    assert [name for name in declared if "asset" not in recorded[name]] == []
    assert len(declared) >= 10


def test_the_command_line_has_the_same_table(kinds: dict[str, type[Problem]]) -> None:
    assert kinds
    assert problem_facts.AMOUNTS_FILE.read_text("utf-8") == problem_facts.amounts(), "run `make reference`"


def test_no_sentence_tells_minor_units() -> None:
    found = {
        f"{where}:{text.lineno}"
        for where, tree in trees()
        for text in ast.walk(tree)
        if isinstance(text, ast.JoinedStr) and where not in ON_PURPOSE
        for part in text.values
        if isinstance(part, ast.Constant) and "minor units" in str(part.value)
    }
    assert sorted(found) == [], "tell it in whole units: Asset.told, told_amount, out_of_range"


def test_no_sentence_sets_a_bare_amount_before_its_asset() -> None:
    found = []
    for where, tree in ((where, tree) for where, tree in trees() if where not in TOLD):
        for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
            for amount, between, asset in zip(text.values, text.values[1:], text.values[2:], strict=False):
                if not isinstance(amount, ast.FormattedValue) or not isinstance(asset, ast.FormattedValue):
                    continue
                if isinstance(between, ast.Constant) and between.value == " " and last_word(asset.value) == "asset":
                    found += [f"{where}:{text.lineno}"] if last_word(amount.value) in AMOUNTS else []
    assert found == [], "tell it in whole units: Asset.told, told_amount"


def test_people_read_whole_units_and_machines_minor_units() -> None:
    euro = Asset("EUR", 2)
    short = InsufficientFunds(account="payable:payee:p1", minor=106656, asset="EUR", line=None)
    assert short.facts == {"account": "payable:payee:p1", "minor": "106656", "asset": "EUR", "line": None}
    assert short.told(lambda minor, _: euro.told(minor)) == {"account": "payable:payee:p1", "amount": "1,066.56 EUR", "line": None}
    assert "amount 106656 minor units of EUR" in short.sentence(), "where nobody knows the decimals they are called what they are"
    beyond = out_of_range("amount", 10_000, euro, most=7800, what="what can still go back")
    assert beyond.facts["limit"] == "from 0.01 EUR to 78.00 EUR, which is what can still go back"
    assert (beyond.facts["got"], beyond.told(lambda minor, _: euro.told(minor))["got"]) == ("10000", "100.00 EUR")
    assert out_of_range("amount", 1, euro, most=0, what="what it holds").facts["limit"] == "none: 0.00 EUR is what it holds"
    assert told_facts({"got": "abc", "asset": "EUR"}, ("got",), lambda *_: "") == {"got": "abc", "asset": "EUR"}, "no amount at all"
