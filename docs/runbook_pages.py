"""The page of the runbooks that come with counterfoil, from the files that are run: each with its steps, and how one does or types them."""

from __future__ import annotations

from collections.abc import Callable

from counterfoil.base.formats.runbook import ALERTS_OWN, Runbook, StepSpec
from counterfoil.runbooks.catalogue import catalogue
from counterfoil.wiring import CHECKS

Table = Callable[[list[str], list[list[str]]], str]


def page(table: Table) -> str:
    """Playbooks, which follow a finding, and checklists and the rest, which somebody begins."""
    books = [one.runbook for one in catalogue([one.code for one in CHECKS]).runbooks.values()]
    named = {check.playbook for check in CHECKS}
    intro = (
        "Each is a file of typed steps; [Run checklists and playbooks](../how-to/run-checklists-and-playbooks.md) says how they are run "
        "and how to write your own. What stands in braces in a command is filled in for the alert that a run answers."
    )
    follow = "\n\n".join(_book(one, table) for one in books if one.name in named)
    others = "\n\n".join(_book(one, table) for one in books if one.name not in named)
    return f"{intro}\n\n## Playbooks: what to do about a finding\n\n{follow}\n\n## What is begun by a person\n\n{others}"


def _book(one: Runbook, table: Table) -> str:
    owner = f"Owner: {one.owner.replace('_', ' ')}." if one.owner else ""
    codes = ", ".join(f"`{check.code}`" for check in CHECKS if check.playbook == one.name)
    parts = [f"### {one.name}: {one.title}", *filter(None, (one.about, f"{owner} For {codes}." if codes else owner))]
    rows = [[str(number), step.type, _said(step), _how(step)] for number, step in enumerate(one.steps, start=1)]
    return "\n\n".join([*parts, table(["step", "type", "what", "how"], rows)])


def _said(step: StepSpec) -> str:
    return f"{step.title}. {step.help}".strip() if step.help else f"{step.title}."


def _how(step: StepSpec) -> str:
    told = [f"`{step.command}`"] if step.command else []
    if step.checks == (ALERTS_OWN,):
        told.append("the alert's own check")
    elif step.checks:
        told.append(", ".join(f"`{code}`" for code in step.checks))
    if step.report:
        told.append(f"the {step.report} report")
    if step.minutes:
        told.append(f"{step.minutes} minutes")
    if step.optional:
        told.append("may be skipped")
    return "; ".join(told)
