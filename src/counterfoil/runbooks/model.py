"""A run of a runbook: its machine, its rows, and how they are found again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.formats.runbook import StepSpec
from counterfoil.base.machine import Machine
from counterfoil.base.problems import NotFound
from counterfoil.operations.events.events import declare

RUNBOOK_RUN: Final = Machine(
    name="runbook_run",
    table="runbook_run",
    initial=("running",),
    transitions={("running", "sign"): "signed", ("running", "close"): "closed"},
    reasoned=frozenset({"close"}),
)
EVENT_KINDS: Final = declare(
    info={"runbook_run_signed": "A run of a runbook is signed: each of its steps is answered, and none of its checks fails."},
    warning={"runbook_run_closed": "A run of a runbook was ended by a person before it passed."},
)
GREEN: Final = ("passed", "done", "skipped", "does_not_apply")


class RunbookRun(NamedTuple):
    """A run. `starts_at` and `ends_at`: the time it is about, the end not in it; `subject`: the one thing it is about, if it is about one;
    `passed`: steps that are answered well, of `steps_total`."""

    id: str
    program_id: str
    runbook: str
    kind: str
    title: str
    state: str
    starts_at: datetime | None
    ends_at: datetime | None
    subject: str
    alert_id: str | None
    started_by: str
    started_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    passed: int
    steps_total: int
    sha256: str


class RunbookStep(NamedTuple):
    """A step of a run with its newest answer. `outcome`: passed or failed, as a check says; not_checked: it could not be asked;
    does_not_apply; done: by a person; skipped; open: not answered yet. `told`: what was found, in a sentence."""

    number: int
    type: str
    title: str
    outcome: str
    told: str
    actor: str | None
    at: datetime | None
    attempts: int
    help: str
    command: str
    optional: bool
    evidence: dict[str, Any]


_COLUMNS: Final = """r.id, r.program_id, r.runbook, r.kind, r.title, r.state, r.starts_at, r.ends_at, r.subject, r.alert_id, r.started_by,
    r.started_at, r.ended_by, r.ended_at,
    (select count(*) from (select distinct on (number) outcome from runbook_answer a where a.run_id = r.id
                           order by number, attempt desc) n
     where outcome in ('passed', 'done', 'skipped', 'does_not_apply'))::int as passed,
    jsonb_array_length(r.steps_written) as steps_total, encode(r.sha256, 'hex') as sha256"""


def show_run(conn: Connection[Any], run_id: str) -> RunbookRun:
    """One run. Raises NotFound."""
    return _one(conn, run_id, "where r.id = %s")


def lock_run(conn: Connection[Any], run_id: str) -> RunbookRun:
    """One run, locked. Raises NotFound."""
    return _one(conn, run_id, "where r.id = %s for update of r")


def list_runs(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> Sequence[RunbookRun]:
    """Runs, newest first."""
    ending = "where (%s::text is null or r.id < %s) and (%s::text is null or r.state = %s) order by r.id desc limit %s"
    return _select(conn, ending, [after, after, state, state, rows_max])


def runs_by_id(conn: Connection[Any], ids: Sequence[str]) -> Sequence[RunbookRun]:
    """These runs, in any order."""
    return _select(conn, "where r.id = any(%s)", [list(ids)])


def newest_runs(conn: Connection[Any]) -> dict[str, RunbookRun]:
    """The newest run of each runbook, by its name."""
    ending = "where r.id in (select max(id) from runbook_run group by runbook)"
    return {one.runbook: one for one in _select(conn, ending, [])}


def specs_of(conn: Connection[Any], run_id: str) -> tuple[StepSpec, ...]:
    """The steps of a run as they were written when it began."""
    row = conn.execute("select steps_written from runbook_run where id = %s", [run_id]).fetchone()
    if row is None:
        raise NotFound(what="runbook run", id=run_id)
    return tuple(_spec(one) for one in row[0])


def _spec(told: dict[str, Any]) -> StepSpec:
    things = told.get("things")
    return StepSpec(**{**told, "checks": tuple(told["checks"]), "things": None if things is None else tuple(things)})


def steps_of(conn: Connection[Any], run_id: str) -> list[RunbookStep]:
    """Its steps in their order, each with its newest answer."""
    rows = conn.execute(
        """select distinct on (number) number, outcome, told, actor, at, attempt, evidence
           from runbook_answer where run_id = %s order by number, attempt desc""",
        [run_id],
    ).fetchall()
    answered = {row[0]: row[1:] for row in rows}
    found = []
    for number, one in enumerate(specs_of(conn, run_id), start=1):
        outcome, told, actor, at, attempts, evidence = answered.get(number, ("open", "", None, None, 0, {}))
        shape = (number, one.type, one.title, outcome, told, actor, at, attempts, one.help, one.command, one.optional, evidence)
        found.append(RunbookStep(*shape))
    return found


def _one(conn: Connection[Any], run_id: str, ending: str) -> RunbookRun:
    found = _select(conn, ending, [run_id])
    if not found:
        raise NotFound(what="runbook run", id=run_id)
    return found[0]


def _select(conn: Connection[Any], ending: str, given: Sequence[Any]) -> list[RunbookRun]:
    with conn.cursor(row_factory=class_row(RunbookRun)) as cur:
        return cur.execute(f"select {_COLUMNS} from runbook_run r {ending}".encode(), given).fetchall()
