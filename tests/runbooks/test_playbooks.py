"""Every playbook is walked to its end, on books with the fault of each check that names it.

The machine shows the fault, lets nobody tick it away while it stands, and passes when it is mended.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from psycopg import Connection, sql
from psycopg.types.json import Jsonb

from counterfoil.base.edge import make_id, now
from counterfoil.base.formats.runbook import ALERTS_OWN, StepSpec
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.problems import InvalidInput
from counterfoil.cli.core.commands import PARTS, load
from counterfoil.integrity.alerts.filing import Reading, file_answer
from counterfoil.integrity.alerts.machine import Alert
from counterfoil.integrity.asking import ask
from counterfoil.integrity.playbooks import PLAYBOOKS
from counterfoil.operations.access.access import Caller, NotAllowed
from counterfoil.operations.verbs import VerbCall, VerbResult, say
from counterfoil.operations.webhooks.parked import PARKED_ACTS
from counterfoil.operations.work.pauses import QueuePart, pull_brake
from counterfoil.payouts.payouts.matter import NotNow
from counterfoil.runbooks import runs
from counterfoil.runbooks.answering import Asker
from counterfoil.runbooks.catalogue import catalogue
from counterfoil.runbooks.doing import say_action
from counterfoil.runbooks.model import RunbookRun, RunbookStep, specs_of, steps_of
from counterfoil.wiring import CHECKS, NOUNS, RUNBOOK_NOUN, TABLES
from tests.builders import Desk
from tests.house.tree import ROOT
from tests.integrity.books import full_books, past_the_rules, triggers_off
from tests.integrity.planted import PLANTED

CHECKS_BY_CODE: Final = {one.code: one for one in CHECKS}
ASKER: Final = Asker(CHECKS_BY_CODE, TABLES, {})
ALL: Final = {name: one.runbook for name, one in catalogue(CHECKS_BY_CODE).runbooks.items()}
BOOKS: Final = {name: one for name, one in ALL.items() if name in PLAYBOOKS}
OLGA: Final = Caller("", "olga", "operator", principal_id="prn_olga")
TOUCHED: Final = re.compile(r"\b(?:update|delete from|insert into)\s+(?!set\b)([a-z_]+)")
# What is waited for in the playbook mends these, so that nothing is left for the last check to find.
MENDED_ON_THE_WAY: Final = ("WORKER_DOWN", "CHECK_NOT_RUN")
DONE_AS: Final = "person:olga"
# What these books hold already that a check finds, so that nothing but the fault is there to be mended.
CLEARED: Final = {
    "WEBHOOK_IN_PARKED": "update webhook_in set state = 'processed' where state = 'parked'",
    "CLEARING_AGED": "update break set due_on = current_date + 9",
}


@pytest.fixture(scope="module")
def books(server: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Books that each fault is planted in, one after the other."""
    with full_books(server, tmp_path_factory.mktemp("walked")) as desk:
        yield desk


@pytest.fixture(scope="module")
def superuser(books: Desk) -> Iterator[Connection[Any]]:
    """Whoever plants them: with every trigger off."""
    with past_the_rules(books) as conn:
        triggers_off(conn)
        yield conn


@dataclass
class Walk:
    """A run of a playbook that a person goes through, on a superuser's connection."""

    conn: Connection[Any]
    run: RunbookRun
    alert: Alert

    @property
    def steps(self) -> list[RunbookStep]:
        return steps_of(self.conn, self.run.id)

    @property
    def specs(self) -> tuple[StepSpec, ...]:
        return specs_of(self.conn, self.run.id)

    def ask(self, number: int) -> str:
        """The machine asks a step; what follows is asked, too."""
        found = runs.ask_step(self.conn, ASKER, self.run, number, by=DONE_AS, now=now())
        runs.go_on(self.conn, ASKER, self.run, now=now())
        return found.outcome

    def turn(self) -> int | None:
        """The number of the first step that is not answered well."""
        return next((one.number for one in self.steps if one.outcome not in runs.GREEN), None)

    def do(self, number: int) -> None:
        """What a person does at a step, as the file says it."""
        spec = self.specs[number - 1]
        if spec.type == "note" or spec.type == "approval":
            by = DONE_AS if spec.type == "note" else "person:paul"
            runs.tick_step(self.conn, self.run, number, "seen", kind=spec.type, by=by, now=now())
            runs.go_on(self.conn, ASKER, self.run, now=now())
            return
        if spec.type == "action":
            self._act(number, spec)
        elif self.ask(number) == "passed":
            return
        elif spec.optional:
            runs.skip_step(self.conn, self.run, number, "it is not needed", by=DONE_AS, now=now())
            runs.go_on(self.conn, ASKER, self.run, now=now())
            return
        elif spec.type == "wait":
            self._bring_about()
        assert self.ask(number) == "passed", (spec.title, self.steps[number - 1].told)

    def call(self, **taken: str) -> VerbCall:
        """As olga says it of this run."""
        return VerbCall(self.conn, self.run.id, OLGA, now(), make_id, "as the playbook says", {"of": None, **taken})

    def say(self, verb: str, number: int, **taken: str) -> VerbResult:
        """A verb of the run itself, of one of its steps."""
        said = say(RUNBOOK_NOUN, RUNBOOK_NOUN.verb(verb), self.call(step=str(number), **taken))
        assert isinstance(said, VerbResult)
        return said

    def _act(self, number: int, spec: StepSpec) -> None:
        """Does it, and leaves the entry that the server makes of it in the log of actions."""
        subject = spec.things[0] if spec.things else "x"
        if spec.action.startswith("alert."):
            said_here = self.say("do", number)
            assert subject in said_here.told
            return
        if spec.action == "queue.pause":
            pull_brake(self.conn, QueuePart(subject, program_id=self.run.program_id), reason="t", actor="t", now=now())
        elif spec.action == "queue.resume":
            self.conn.execute(
                "insert into queue_pause (queue, program_id, paused, reason, actor, at) values (%s, %s, false, 't', 't', %s)",
                [subject, self.run.program_id, now()],
            )
        self.conn.execute(
            """insert into action (id, actor, role, verb, subject_id, request_id, payload, at)
               values (%s, %s, 'operator', %s, %s, %s, '{}', %s)""",
            [make_id("act"), DONE_AS, spec.action, subject, make_id("req"), now()],
        )

    def _bring_about(self) -> None:
        """What the two things that must be waited for look like: a worker that is at work, and a full run that is over."""
        self.conn.execute(
            "insert into worker (id, host, pid, version, started_at, beat_at) values ('new', 'h', 2, 'v', %(now)s, %(now)s) "
            "on conflict do nothing",
            {"now": now()},
        )
        self.conn.execute(
            """insert into sentinel_run (id, number, kind, actor, started_at, beat_at, finished_at, checks, holding, broken,
                                         failed, findings, opened, state, state_at)
               values (%s, (select max(number) + 1 from sentinel_run), 'full', 't', %s, %s, %s, 1, 1, 0, 0, 0, 0, 'finished', %s)""",
            [make_id("srun"), now(), now(), now(), now()],
        )


@contextmanager
def planted(conn: Connection[Any], code: str) -> Iterator[tuple[Walk, Mapping[str, sql.Composed]]]:
    """The first fault of a code in the books, found and filed, and the playbook begun for its alert; with what mends it."""
    check, fault = CHECKS_BY_CODE[code], next(iter(PLANTED[code].values()))
    with conn.transaction(force_rollback=True):
        if code in CLEARED:
            conn.execute(CLEARED[code])
        mends = {table: _kept(conn, table) for table in sorted({found[1] for found in TOUCHED.finditer(fault)})}
        for part in fault.split(";"):
            if part.strip():
                conn.execute(part.encode())
        row = conn.execute("select id from sentinel_run order by number desc limit 1").fetchone()
        assert row is not None
        conn.execute("delete from alert where code = %s", [code])
        answer = ask(conn, check, now=now(), tables=TABLES)
        alert = file_answer(conn, check, answer, Reading(row[0], now(), "full"), make_id=make_id, now=now())[0]
        about = runs.About(alert_id=alert.id)
        run = runs.begin(conn, ASKER, BOOKS[check.playbook], about, by=DONE_AS, make_id=make_id, now=now())
        yield Walk(conn, run, alert), mends


def _kept(conn: Connection[Any], table: str) -> sql.Composed:
    """A copy of a table, and the statement that puts it back."""
    columns = conn.execute(
        """select column_name from information_schema.columns
           where table_schema = 'public' and table_name = %s and is_generated = 'NEVER' order by ordinal_position""",
        [table],
    ).fetchall()
    named = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns)
    kept, where = sql.Identifier(f"kept_{table}"), sql.Identifier(table)
    conn.execute(sql.SQL("create temp table {} on commit drop as select * from {}").format(kept, where))
    return sql.SQL("delete from {where}; insert into {where} ({named}) overriding system value select {named} from {kept}").format(
        where=where, named=named, kept=kept
    )


@pytest.mark.parametrize("code", sorted(CHECKS_BY_CODE))
def test_a_playbook_shows_its_fault_lets_nobody_tick_it_away_and_passes_when_it_is_mended(superuser: Connection[Any], code: str) -> None:
    with planted(superuser, code) as (walk, mends):
        first = walk.steps[0]
        assert (first.outcome, walk.specs[0].checks) == ("passed", (ALERTS_OWN,)), first.told
        [asked] = first.evidence["checks"]
        assert (asked["code"], asked["found"] > 0) == (code, True)
        assert [row[0] for row in asked["rows"]] == [walk.alert.subject] * len(asked["rows"]), "the alert's own"
        last = max(number for number, one in enumerate(walk.specs, start=1) if one.type == "check" and one.checks == (ALERTS_OWN,))
        while (turn := walk.turn()) is not None and turn != last:
            walk.do(turn)
        if code not in MENDED_ON_THE_WAY:
            _stands(walk, last)
            for mend in mends.values():
                walk.conn.execute(mend)
            assert walk.ask(last) == "passed", walk.steps[last - 1].told
        while (turn := walk.turn()) is not None:
            walk.do(turn)
        assert runs.why_not_signed(walk.steps) is None
        assert walk.conn.execute("select state from alert where id = %s", [walk.alert.id]).fetchone() == ("resolved",)
        wrong = [(one.title, one.told) for one in walk.steps if one.outcome not in runs.GREEN]
        assert wrong == []


def _stands(walk: Walk, last: int) -> None:
    """The last check fails, and no person can make it pass or leave it out."""
    assert (walk.turn(), walk.steps[last - 1].outcome) == (last, "failed"), walk.steps[last - 1].told
    with pytest.raises(runs.RunbookStepRefused):
        runs.tick_step(walk.conn, walk.run, last, "it is fine", kind="note", by=DONE_AS, now=now())
    with pytest.raises(runs.RunbookStepRefused):
        runs.skip_step(walk.conn, walk.run, last, "it is fine", by=DONE_AS, now=now())
    assert runs.why_not_signed(walk.steps) is not None


def test_every_check_has_a_playbook_and_every_playbook_a_check() -> None:
    assert {one.playbook for one in CHECKS} == set(BOOKS) == set(PLAYBOOKS)


@pytest.mark.parametrize("name", BOOKS)
def test_a_playbook_begins_with_what_is_found_and_ends_with_the_check_and_the_alert(name: str) -> None:
    steps = BOOKS[name].steps
    assert (steps[0].type, steps[0].checks) == ("query", (ALERTS_OWN,))
    assert (steps[1].action, steps[-1].action) == ("alert.ack", "alert.resolve")
    assert [one for one in steps if one.type == "check"][-1].checks == (ALERTS_OWN,)
    assert {one.type for one in steps[2:-2]} - {"note"}, "more than notes"
    assert len(PLAYBOOKS[name].steps) == len(steps), "alerts and documents tell the same steps"


@pytest.mark.parametrize("name", ALL)
def test_every_action_is_one_that_the_log_can_have_and_every_command_one_that_can_be_typed(name: str) -> None:
    known = {f"{noun.name}.{verb.name}" for noun in NOUNS for verb in noun.verbs} | {act.action for act in PARKED_ACTS.values()}
    for file in (ROOT / "src" / "counterfoil" / "api").rglob("*.py"):
        known |= set(re.findall(r'"([a-z_]+\.[a-z_]+)"', file.read_text()))
    steps = ALL[name].steps
    assert [one.action for one in steps if one.action and one.action not in known] == []
    assert [f"{one.command}: {why}" for one in steps if one.command for why in _wrong(one.command)] == []
    # In its text a command is named without what it is about: it is there, and has what is said of it.
    named = {command for one in steps for command in re.findall("`(counterfoil [^`]+)`", f"{one.title} {one.help}")}
    wrong = [f"{one}: {why}" for one in sorted(named) for why in _wrong(one)]
    assert [one for one in wrong if ": it needs" not in one and ", and 0 " not in one] == []


def _wrong(command: str) -> Iterator[str]:
    """Why a command line cannot be typed: no such command, an option that it does not have, or one that is missing."""
    program, part, *rest = shlex.split(command)
    if program != "counterfoil" or part not in PARTS:
        yield f"there is no {part}"
        return
    at: Any = load(part)
    while rest and rest[0] in getattr(at, "commands", ()):
        at = at.commands[rest.pop(0)]
    if getattr(at, "commands", ()) and not at.invoke_without_command:
        yield f"{at.name} takes one of {', '.join(at.commands)}"
        return
    options = {each: one for one in at.params if one.param_type_name == "option" for each in one.opts}
    said = [one for one in rest if one.startswith("--")]
    yield from (f"it has no {one}" for one in said if one not in options)
    yield from (f"it needs {one.opts[0]}" for one in options.values() if one.required and not set(one.opts) & set(said))
    values = sum(1 for one in said if one in options and not options[one].is_flag)
    words, wanted = len(rest) - len(said) - values, [one for one in at.params if one.param_type_name == "argument"]
    if not sum(one.required for one in wanted) <= words <= len(wanted):
        yield f"it takes {len(wanted)} words, and {words} are given"


def test_a_run_for_no_alert_asks_every_check_of_the_playbook_and_speaks_of_what_stands(superuser: Connection[Any]) -> None:
    conn = superuser
    with conn.transaction(force_rollback=True):
        run = runs.begin(conn, ASKER, BOOKS["P13"], runs.About(), by=DONE_AS, make_id=make_id, now=now())
        first, ack = steps_of(conn, run.id)[:2]
        asked = {one["code"] for one in first.evidence["checks"]}
        assert asked == {one.code for one in CHECKS if one.playbook == "P13"}
        assert (first.outcome, ack.outcome) == ("passed", "does_not_apply")


def test_what_a_command_is_about_stands_in_it_and_cannot_be_more_than_one_word(superuser: Connection[Any]) -> None:
    conn = superuser
    with conn.transaction(force_rollback=True):
        about = runs.About(subject="x; rm -rf /")
        run = runs.begin(conn, ASKER, BOOKS["P3"], about, by=DONE_AS, make_id=make_id, now=now())
        [typed] = [one.command for one in steps_of(conn, run.id) if one.command.startswith("counterfoil accounts")]
        assert shlex.split(typed)[:4] == ["counterfoil", "accounts", "explain", "x; rm -rf /"]


def test_an_action_is_done_of_each_thing_by_itself_and_only_what_needs_no_more_words(superuser: Connection[Any]) -> None:
    with planted(superuser, "OUTBOX_SENDING_STUCK") as (walk, _):
        said = [one.action for one in walk.specs]
        ask, ack = (said.index(one) + 1 for one in ("payout.force_reconcile", "alert.ack"))
        with pytest.raises(runs.RunbookStepRefused, match="type query: there is nothing to be done"):
            say_action(walk.call(), walk.run, 1, walk.specs[0], lambda: NOUNS)
        with pytest.raises(runs.RunbookStepRefused, match="comes first"):
            walk.say("do", ask)
        two = replace(walk.specs[ack - 1], things=(walk.alert.id, "alt_that_is_gone"))
        with walk.conn.transaction(force_rollback=True):
            done, refused = say_action(walk.call(), walk.run, ack, two, lambda: NOUNS)
            assert (done.id, done.state, done.refused) == (walk.alert.id, "is acknowledged", None)
            assert (refused.state, "alt_that_is_gone" in str(refused.refused)) == (None, True)
            assert walk.ask(ack) == "passed", "the log of actions has it"
        with walk.conn.transaction(force_rollback=True):
            gone = [*(asdict(one) for one in walk.specs)]
            gone[ack - 1]["things"] = ["alt_gone_1", "alt_gone_2"]
            walk.conn.execute("alter table runbook_run disable trigger user")
            walk.conn.execute("update runbook_run set steps_written = %s where id = %s", [Jsonb(gone), walk.run.id])
            with pytest.raises(runs.RunbookStepRefused, match="nothing was done: alt_gone_1 was refused"):
                walk.say("do", ack)
        walk.say("do", ack)
        with pytest.raises(runs.RunbookStepRefused, match="passed already"):
            walk.say("do", ack)
        while (turn := walk.turn()) is not None and turn != ask:
            walk.do(turn)
        [payout] = walk.specs[ask - 1].things or ()
        with pytest.raises(InvalidInput, match=payout):
            walk.say("do", ask, of="po_of_somebody_else")
        with pytest.raises(NotNow, match="its attempt is sending"):  # the verb's own guard, and the true reason
            walk.say("do", ask)
        needed = replace(next(one for one in BOOKS["P1"].steps if one.action == "incident.write"), things=("inc_1",))
        with pytest.raises(runs.RunbookStepRefused, match="is told text, which only a person knows: counterfoil incidents write"):
            say_action(walk.call(), walk.run, ask, needed, lambda: NOUNS)
        approve = replace(two, action="batch.approve", things=("bat_1",))
        with pytest.raises(NotAllowed):
            say_action(walk.call(), walk.run, ask, approve, lambda: NOUNS)
        with pytest.raises(runs.RunbookStepRefused, match="has a command of its own"):
            say_action(walk.call(), walk.run, ask, replace(two, action="proof.export"), lambda: NOUNS)


def test_an_action_of_another_thing_is_not_the_one_that_was_asked_for(superuser: Connection[Any]) -> None:
    with planted(superuser, "OUTBOX_SENDING_STUCK") as (walk, _):
        at = next(number for number, one in enumerate(walk.specs, start=1) if one.action == "payout.force_reconcile")
        while (turn := walk.turn()) is not None and turn != at:
            walk.do(turn)
        [payout] = walk.specs[at - 1].things or ()
        assert payout in walk.steps[at - 1].command
        later: datetime = now() + timedelta(seconds=1)
        for subject, outcome in (("po_of_somebody_else", "failed"), (payout, "passed")):
            walk.conn.execute(
                """insert into action (id, actor, role, verb, subject_id, request_id, payload, at)
                   values (%s, 't', 'operator', 'payout.force_reconcile', %s, 'r', '{}', %s)""",
                [make_id("act"), subject, later],
            )
            assert walk.ask(at) == outcome
