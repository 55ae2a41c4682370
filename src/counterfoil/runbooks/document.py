"""A run as a document to print: each step with its answer, who gave it and when, and the first rows of its evidence, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.runbooks.model import GREEN, RunbookRun, RunbookStep, show_run, steps_of
from counterfoil.runbooks.runs import why_not_signed

ROWS_PRINTED_MAX: Final = 20
_BOXES: Final = {"passed": "x", "done": "x", "skipped": "-", "does_not_apply": "-"}


def document_of(conn: Connection[Any], run_id: str, *, now: datetime) -> str:
    """The document. Raises NotFound."""
    run, steps = show_run(conn, run_id), steps_of(conn, run_id)
    parts = [_head(run, steps, now), *(_step(one) for one in steps)]
    return "\n\n".join(parts) + "\n"


def _head(run: RunbookRun, steps: Sequence[RunbookStep], now: datetime) -> str:
    left = why_not_signed(steps)
    facts = [
        ("Run", run.id),
        ("Runbook", f"{run.runbook}, SHA-256 {run.sha256}"),
        ("State", run.state if run.state != "running" else f"running, {run.passed} of {run.steps_total} steps passed"),
        *([("Of", f"{_at(run.starts_at)} up to {_at(run.ends_at)}")] if run.starts_at and run.ends_at else []),
        *([("Program", run.program_id)] if run.program_id else []),
        *([("About", run.subject)] if run.subject else []),
        *([("Alert", run.alert_id)] if run.alert_id else []),
        ("Begun", f"{_at(run.started_at)} by {run.started_by}"),
        *([(run.state.capitalize(), f"{_at(run.ended_at)} by {run.ended_by}")] if run.ended_at else []),
        *([("Not passed", left)] if left else []),
        ("Printed", _at(now)),
    ]
    rows = "\n".join(f"| {name} | {_cell(value)} |" for name, value in facts)
    return f"# {run.title}\n\n| | |\n|---|---|\n{rows}"


def _step(one: RunbookStep) -> str:
    box = _BOXES.get(one.outcome, " ")
    answered = f"{one.outcome.replace('_', ' ')}, {_at(one.at)}, {one.actor}" if one.at else "open"
    told = f"\n\n{_paragraphs(one.told)}" if one.told else ""
    return f"## [{box}] {one.number}. {one.title}\n\n*{one.type}: {answered}*{told}{_to_do(one)}{_evidence(one.evidence)}"


def _to_do(one: RunbookStep) -> str:
    """Of a step that is not answered well: what helps, and what is typed."""
    if one.outcome in GREEN:
        return ""
    typed = f"`{one.command}`" if one.command else ""
    return "".join(f"\n\n{text}" for text in (_plain(one.help), typed) if text)


def _evidence(evidence: dict[str, Any]) -> str:
    if evidence.get("rows"):
        return _table(evidence["columns"], evidence["rows"], int(evidence["found"]))
    if evidence.get("reports"):
        rows = [[program, one["verdict"], one["sha256"]] for program, one in evidence["reports"].items()]
        return _table(["program", "verdict", "sha256"], rows, len(rows))
    if evidence.get("checks"):
        rows = [[one["code"], one["outcome"], str(one["found"]), one.get("error") or ""] for one in evidence["checks"]]
        found = _table(["check", "outcome", "found", "why not asked"], rows, len(rows))
        return found + "".join(_table(one["columns"], one["rows"], one["found"]) for one in evidence["checks"] if one.get("rows"))
    return ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> str:
    shown = [[_cell(cell) for cell in row] for row in rows[:ROWS_PRINTED_MAX]]
    lines = [f"| {' | '.join(row)} |" for row in ([_cell(one) for one in columns], ["---"] * len(columns), *shown)]
    more = f"\n\n{total - len(shown)} more are not printed." if total > len(shown) else ""
    return "\n\n" + "\n".join(lines) + more


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("\\", "\\\\").replace("|", "\\|")[:200] or " "


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")


def _paragraphs(text: str) -> str:
    """What a person wrote, with the ends of its lines: two blanks before one are a break in Markdown."""
    return "\n\n".join("  \n".join(map(_plain, part.splitlines())) for part in re.split(r"\n{2,}", text) if part.strip())


def _at(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else ""
