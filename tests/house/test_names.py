"""One word for each concept, and one concept for each word: in source, pages, commands, messages and documentation."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from counterfoil.api.http.problems import RESERVED
from counterfoil.base.problems import all_problems
from counterfoil.base.text import camel
from counterfoil.wiring import MACHINES
from docs.generate import modules
from tests.house.tree import ROOT, SOURCE, text_of, tree_of

# What things were called once, and what they are called. A space stands for any white space; a word of code is found in part, too.
OLD: dict[str, str] = {
    "What waits for a person?": "Needs action",
    "Does anybody work?": "Workers",
    "Does work pile up?": "Queues",
    "Is everything still true?": "Integrity checks",
    "What was out of the ordinary?": "Warnings",
    "Does the provider say the same?": "Provider reconciliation",
    "Does it foot?": "Control totals",
    "What does each half say?": "Compare records",
    "Leave it to time": "Mark as timing difference",
    "Stop waiting": "End timing difference",
    "Take it up": "Investigate, or resume",
    "Put it back": "Reopen and unassign",
    "Give it to": "Assign",
    "is nobody's": "Unassigned",
    "was nobody's": "Unassigned",
    "Empty: nobody's": "Unassigned",
    "does not hold what it must": "Invalid value for a field",
    "There is no such thing": "not found, with what it is and its id",
    "Machinery": "Operations",
    "the counters of the runbook": "System health",
    "halves": "sides, or provider_balances",
    "twin": "JSON view",
    "truths": "integrity_checks",
}
# Where an old word is an ordinary one. The words of a line are exact: remove a line when its reason is gone.
EXCUSED = {
    ("src/counterfoil/base/edge.py", "halves"): "what it costs is halved",
    ("src/counterfoil/matching/passes/groups.py", "halves"): "of a reversal: both parts of one movement",
    ("src/counterfoil/reconciliation/runs/schedule.py", "is nobody's"): "is nobody's fault",
}
GLOSSARY = "docs/glossary.md"


def read() -> list[Path]:
    """What people read: source, templates, and pages that are written by hand or from the code."""
    found = [path for kind in ("*.py", "*.html", "*.css", "*.js") for path in (ROOT / "src").rglob(kind)]
    pages = [path for path in (ROOT / "docs").rglob("*.md") if not {"_build", "decisions"} & set(path.parts)]
    return sorted(path.relative_to(ROOT) for path in (*found, *pages, ROOT / "README.md", ROOT / "CONTRIBUTING.md"))


def old_in(text: str) -> list[str]:
    """The old phrases in a text."""
    flat = re.sub(r"[\s#*]+", " ", text).casefold()
    return [old for old in OLD if re.search(rf"(?<![a-z]){re.escape(old.casefold())}(?![a-z])", flat)]


def test_no_old_name_comes_back() -> None:
    found = [(str(path), old) for path in read() for old in old_in(text_of(path))]
    wrong = [f"{path}: {old!r}; say: {OLD[old]}" for path, old in found if (path, old) not in EXCUSED]
    assert wrong == []
    assert set(EXCUSED) - set(found) == set(), "remove them from EXCUSED"


@pytest.mark.parametrize("old", OLD)
def test_an_old_name_is_found_wherever_it_stands(old: str) -> None:
    first, _, rest = old.partition(" ")
    assert old_in(f"## {first}\n    # {rest} now".replace("#  now", "now")) == [old]
    assert old_in(f'<h2 title="{old.upper()}">') == [old]


def test_a_class_has_a_name_that_no_other_class_has() -> None:
    where = defaultdict(list)
    for path in SOURCE:
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(str(path))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}, "name what sets each apart"


def terms() -> list[str]:
    """Every term of the glossary; an entry may name several."""
    heads = re.findall(r"^([a-z][^\n]*)\n: ", text_of(Path(GLOSSARY)), re.MULTILINE)
    return [re.sub(r"\(.*?\)", "", one).strip() for head in heads for one in re.sub(r"\(.*?\)", "", head).split(",")]


def test_no_term_has_two_meanings() -> None:
    twice = [term for term, times in Counter(terms()).items() if times > 1]
    assert twice == [], f"each stands in {GLOSSARY} in two entries: give one of the two concepts another word"


def test_every_noun_with_states_is_a_term_of_the_glossary() -> None:
    known = {*terms(), *(term.removesuffix("s") for term in terms())}
    lacking = [one.name for one in MACHINES if one.name.replace("_", " ") not in known]
    assert lacking == [], f"say in {GLOSSARY} what they are"


def test_no_fact_of_a_problem_is_called_as_what_every_problem_says_of_itself() -> None:
    """Such a fact was left out of the answer; one called `kind` stood in the place of the problem's own, and the command ended as if the
    fault were ours."""
    list(modules())
    problems = {one.__name__ for one in all_problems()}
    calls = [
        (path, one)
        for path in SOURCE
        for one in ast.walk(tree_of(path))
        if isinstance(one, ast.Call) and getattr(one.func, "id", getattr(one.func, "attr", "")) in problems
    ]
    assert len(calls) > 500
    wrong = [f"{path}:{one.lineno}" for path, one in calls if {camel(each.arg) for each in one.keywords if each.arg} & RESERVED]
    assert wrong == []
