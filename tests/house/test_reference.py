"""The reference is what the code says, and names everything that can be named."""

from __future__ import annotations

import ast
import re
from collections import Counter
from xml.etree import ElementTree as ET

import pytest

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import Machine
from counterfoil.base.problems import Problem, all_problems
from counterfoil.base.settings import Settings
from counterfoil.wiring import CHECKS
from docs import diagrams, problem_facts
from docs.catalogue import CATALOGUE
from docs.generate import DIAGRAMS, MONITORING, PAGES, Page, drawings, instances_of, modules, monitoring_files, text_of
from tests.house.tree import ROOT

REFERENCE = ROOT / "docs" / "reference"


def reference() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(REFERENCE.glob("*.md")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.file)
def test_a_page_of_the_reference_is_what_the_code_says(page: Page) -> None:
    file = REFERENCE / page.file
    assert file.exists(), "run `make docs`"
    assert file.read_text("utf-8") == text_of(page), "run `make docs`"


def test_the_files_for_prometheus_and_grafana_are_what_the_code_says() -> None:
    assert {path.name: path.read_text("utf-8") for path in MONITORING.iterdir()} == monitoring_files(), "run `make docs`"


def test_every_code_of_the_catalogue_is_asked_by_checks_that_there_are() -> None:
    known = {one.code for one in CHECKS}
    assert [one.code for one in CATALOGUE if not one.checks or not set(one.checks) <= known] == []
    assert len({one.code for one in CATALOGUE}) == len(CATALOGUE) == 51


def test_every_diagram_is_what_the_code_says() -> None:
    drawn = drawings()
    assert {path.name for path in DIAGRAMS.glob("*.svg")} == set(drawn), "run `make docs`"
    assert [name for name, one in drawn.items() if (DIAGRAMS / name).read_text("utf-8") != one] == [], "run `make docs`"


def test_a_diagram_draws_every_state_and_every_verb_and_is_well_formed() -> None:
    for machine in instances_of(Machine):
        drawn = diagrams.machine_svg(machine)
        said = " ".join(ET.fromstring(drawn).itertext())
        words = {*machine.states(), *(verb for _, verb in machine.transitions)}
        assert [word for word in words if not set(word.split("_")) <= set(said.split())] == []
        assert drawn.count('class="tip') >= len({(verb, end) for (_, verb), end in machine.transitions.items()})


def test_the_facts_of_every_problem_are_those_that_the_code_gives_it() -> None:
    list(modules())
    assert problem_facts.FILE.read_text("utf-8") == problem_facts.recorded(), "run `make docs`"


def test_every_page_of_the_documentation_is_in_its_navigation() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    listed = set(re.findall(r"^[a-z]+(?:[/-][a-z0-9-]+)*$", index, re.MULTILINE))
    docs = ROOT / "docs"
    pages = {str(path.relative_to(docs).with_suffix("")) for path in docs.rglob("*.md")}
    pages = {one for one in pages if not one.startswith(("_build/", "measured/")) and one != "index"}
    assert pages - listed == set(), "name them in docs/index.md"
    assert {one for one in listed if "/" in one} - pages == set()


def test_measurements_are_figures_and_no_logs() -> None:
    blocks = re.findall(r"```text\n(.*?)```", (REFERENCE / "measurements.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) > 3
    assert [len(one.splitlines()) for one in blocks if len(one.splitlines()) > 31 or "\n{" in one] == []


def test_every_problem_setting_invariant_and_machine_is_in_the_reference() -> None:
    list(modules())
    names = [
        *(one.__name__ for one in all_problems() if one.__module__.startswith("counterfoil.")),
        *Settings.model_fields,
        *(one.code for one in instances_of(Invariant)),
    ]
    text = reference()
    assert [name for name in names if f"`{name}`" not in text] == [], "run `make docs`"
    assert [one.name for one in instances_of(Machine) if f"## {one.name}\n" not in text] == [], "run `make docs`"


def test_a_problem_is_named_once_and_says_what_it_is() -> None:
    list(modules())
    ours = [one for one in all_problems() if one.__module__.startswith("counterfoil.")]
    assert [one.__name__ for one in ours if not (one.__doc__ or "").strip()] == [], "its docstring is its public title"
    names = Counter(one.__name__ for one in every_problem())
    assert [name for name, times in names.items() if times > 1] == [], "a problem's name is its public code: give one of them another"


def test_what_a_problem_says_names_no_class_of_ours() -> None:
    list(modules())
    ours = {
        one.name
        for path in (ROOT / "src").rglob("*.py")
        for one in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(one, ast.ClassDef) and re.search(r"[a-z][A-Z]", one.name)
    }
    said = {one.__name__: f"{one.__doc__} {one.todo}" for one in every_problem()}
    assert {name: found for name, text in said.items() if (found := ours & set(re.findall(r"\w+", text)))} == {}, "an operator reads this"


def every_problem() -> set[type[Problem]]:
    """Every class of a problem, also where two share a name."""
    found: set[type[Problem]] = set()
    waiting: list[type[Problem]] = [Problem]
    while waiting:
        for one in waiting.pop().__subclasses__():
            found.add(one)
            waiting.append(one)
    return {one for one in found if one.__module__.startswith("counterfoil.")}


def test_every_term_of_the_glossary_stands_in_it_once() -> None:
    terms = re.findall(r"^([a-z][^\n:]*)\n: ", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE)
    assert len(terms) > 50
    assert sorted(terms) == sorted(set(terms))


def test_links_between_pages_lead_somewhere() -> None:
    pages = [path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if "_build" not in path.parts]
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in pages
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []
