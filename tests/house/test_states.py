"""Lists of states: a machine knows its open and its final states, so nobody types them again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from counterfoil.base.machine import Machine, listed
from counterfoil.base.problems import InvariantBroken
from counterfoil.wiring import CHECKS, JOBS, MACHINES, NOUNS, QUEUES
from tests.house.tree import SOURCE, tree_of

# Where a list is no set of states that the machine could tell, and why.
ALLOWED = {
    ("src/counterfoil/settlement/queries.py", "invoice"): "the order in which a page shows all of them",
    ("src/counterfoil/operations/providers/__init__.py", "chargeback"): "the provider's words, from which our states follow",
    ("src/counterfoil/simulator/http/schemas.py", "chargeback"): "the simulator stands alone",
}
IN_SQL = re.compile(r"in \(((?:'[a-z_]+'(?:,\s*)?)+)\)")
ASKED = re.compile(r"\bstate\s*(?:=|<>|is (?:not )?distinct from)\s*'([a-z_]+)'|\bstate\s+(?:not\s+)?in\s*\(((?:'[a-z_]+'(?:,\s*)?)+)\)")
# Words that a column called `state` holds without a machine.
NO_MACHINE = {
    ("src/counterfoil/operations/providers/chain/notebook.py", "taken"): "a nonce in the notebook of a chain",
    ("src/counterfoil/operations/work/calls.py", "stored"): "an answer that came back and is not applied yet",
    ("src/counterfoil/operations/work/calls.py", "applied"): "the same, when it is",
    ("src/counterfoil/reconciliation/runs/standing.py", "elsewhere"): "what the same question worked out",
}
# States that are no end and in no queue, and what takes them on: a job, a verb of a person, another thing that carries them along, or a
# check that tells them. `rest`: nothing is to be done.
WAITS = {
    ("event", "parked"): "check EVENT_PARKED",
    ("webhook_in", "parked"): "check WEBHOOK_IN_PARKED",
    ("endpoint", "draft"): "verb endpoint.enable",
    ("endpoint", "enabled"): "rest",
    ("endpoint", "disabled"): "verb endpoint.enable",
    ("delivery", "kept"): "verb endpoint.replay",
    ("delivery", "failed"): "check WEBHOOK_OUT_DEAD",
    ("invoice", "draft"): "verb invoice.cancel",
    ("invoice", "pending"): "job overdue",
    ("invoice", "partially_paid"): "job overdue",
    ("invoice", "overdue"): "verb invoice.write_off",
    ("invoice", "paid"): "rest",
    ("invoice", "disputed"): "with dispute",
    ("invoice", "refunded"): "rest",
    ("intent", "created"): "job expire-intents",
    ("intent", "payment_pending"): "job expire-intents",
    ("intent", "expired"): "verb intent.reopen",
    ("intent", "failed"): "verb intent.retry",
    ("overpayment", "owed"): "verb overpayment.repay",
    ("unidentified_payment", "open"): "verb unidentified_payment.repay",
    ("payout", "processing"): "with provider_payout",
    ("payout", "reconcile_required"): "with provider_payout",
    ("payout", "held"): "with dispute",
    ("payout", "failed"): "verb payout.retry",
    ("provider_conflict", "open"): "with provider_payout",
    ("refund", "owed"): "verb refund.execute",
    ("refund", "charged_back"): "with chargeback",
    ("escrow", "disputed"): "verb escrow.rule",
    ("commission", "payable"): "with affiliate",
    ("commission", "reversed"): "with affiliate",
    ("payout_batch", "draft"): "verb batch.submit",
    ("payout_batch", "pending_approval"): "check BATCH_AGED",
    ("destination", "active"): "rest",
    ("destination", "quarantined"): "verb destination.release",
    ("chargeback", "open"): "check CHARGEBACK_AGED",
    ("break", "open"): "verb break.investigate",
    ("break", "investigating"): "verb break.accept",
    ("break", "timing"): "job reconcile",
    ("break", "pending_adjustment"): "verb break.approve",
    ("circuit", "closed"): "rest",
    ("circuit", "open"): "verb circuit.probe",
    ("circuit", "half_open"): "with provider_payout",
    ("payment_file", "made"): "with provider_payout",
    ("payment_file", "downloaded"): "with provider_payout",
    ("agent", "active"): "rest",
    ("agent", "frozen"): "verb agent.unfreeze",
    ("sentinel_run", "running"): "job sentinel",
    ("alert", "acknowledged"): "verb alert.resolve",
    ("silence", "active"): "job silences",
    ("proof", "waiting"): "check PROOF_GAP",
    ("proof_export", "running"): "job proof-exports",
    ("copy", "kept"): "rest",
    ("copy", "wrong"): "check COPY_WRONG",
    ("backup", "running"): "job backup",
    ("backup", "kept"): "job backup",
    ("drill", "waiting"): "job drills",
    ("drill", "running"): "job drills",
    ("runbook_run", "running"): "verb runbook_run.close",
}
DOOR = Machine(
    "door",
    "door",
    ("shut",),
    {("shut", "open"): "ajar", ("ajar", "shut"): "shut", ("ajar", "burn"): "gone", ("gone", "mend"): "shut"},
    ended=frozenset({"gone"}),
)


def lists_in(tree: ast.Module) -> Iterator[tuple[int, frozenset[str]]]:
    """Every list of two words or more: a tuple, a list or a set of the code, and what stands behind `in` in SQL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            words = [each.value for each in node.elts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if len(words) == len(node.elts) > 1:
                yield node.lineno, frozenset(words)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in IN_SQL.finditer(node.value):
                words = re.findall("[a-z_]+", found[1])
                if len(words) > 1:
                    yield node.lineno, frozenset(words)


def restated(words: frozenset[str]) -> str | None:
    """Of which machine these are the open or the final states, or three or more of its states."""
    for machine in MACHINES:
        if words in (frozenset(machine.open), frozenset(machine.final)) or (len(words) > 2 and words <= set(machine.states())):
            return machine.name
    return None


def declares(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Machine" for node in ast.walk(tree))


@pytest.mark.parametrize("path", SOURCE, ids=str)
def test_no_file_types_the_states_of_a_machine_again(path: Path) -> None:
    tree = tree_of(path)
    found = (
        []
        if declares(tree)
        else [
            f"{path}:{line}: {restated(words)}"
            for line, words in lists_in(tree)
            if restated(words) and (str(path), restated(words)) not in ALLOWED
        ]
    )
    assert found == [], "ask the machine: `.open`, `.final`, `.before(verb)`, `.after(verb)`; in SQL `listed(…)` of it"


def test_a_list_of_states_is_found_in_code_and_in_sql() -> None:
    tree = ast.parse("""LIVE = ("open", "timing", "investigating", "pending_adjustment")\nx = "state in ('processed', 'ignored')" """)
    assert [restated(words) for _, words in lists_in(tree)] == ["break", "webhook_in"]


def test_a_machine_tells_its_ends_and_what_is_open() -> None:
    assert (DOOR.open, DOOR.final) == (("shut", "ajar"), ("gone",))
    assert (DOOR.before("shut", "mend"), DOOR.after("burn")) == (("ajar", "gone"), ("gone",))
    assert all(set(one.open) | set(one.final) == set(one.states()) and set(one.initial) <= set(one.open) for one in MACHINES)


def test_only_plain_words_become_sql() -> None:
    assert listed(DOOR.open) == "('shut', 'ajar')"
    for wrong in ([], ["it's"]):
        with pytest.raises(InvariantBroken):
            listed(wrong)


def test_no_question_asks_for_a_state_that_nothing_is_ever_in() -> None:
    """A tile or a check that asks for such a state finds nothing for ever, and is green."""
    states = {state for machine in MACHINES for state in machine.states()}
    found = {(str(path), word) for path in SOURCE for word in asked_in(tree_of(path)) if word not in states}
    assert found == set(NO_MACHINE), "no machine has this state: ask for one that is written, or say in NO_MACHINE what it is"


def asked_in(tree: ast.Module) -> set[str]:
    """Every word that SQL compares with a column called `state`."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {word for text in texts for one in ASKED.finditer(text) for word in re.findall("[a-z_]+", one[1] or one[2])}


def test_a_state_that_is_asked_for_is_found_in_sql() -> None:
    asks = ["p.state = 'lost' and d.state <> 'gone' or state not in ('a', 'b')", "estate = 'z'", "state is distinct from 'w'"]
    tree = ast.parse(repr(asks))
    assert asked_in(tree) == {"lost", "gone", "a", "b", "w"}


def test_every_state_that_is_no_end_is_taken_up_by_a_worker_or_by_somebody_who_is_named() -> None:
    """What is put into a state that nobody reads stays there for ever, while whoever put it there was told that it is done."""
    taken = {(queue.table, state) for queue in QUEUES for state in queue.states}
    left = {(machine.name, state) for machine in MACHINES for state in machine.open if (machine.table, state) not in taken}
    assert left == set(WAITS), "give it a queue that takes it up, or say in WAITS what takes it on"
    known = {"rest", *(f"job {one.name}" for one in JOBS), *(f"check {one.code}" for one in CHECKS)}
    known |= {f"verb {noun.name}.{verb.name}" for noun in NOUNS for verb in noun.verbs}
    known |= {f"with {machine.name}" for machine in MACHINES}
    assert set(WAITS.values()) - known == set(), "there is nothing of this name"


def test_every_queue_takes_up_states_that_its_table_has() -> None:
    held = {machine.table: set(machine.states()) for machine in MACHINES}
    astray = [(queue.name, state) for queue in QUEUES for state in queue.states if queue.table in held and state not in held[queue.table]]
    assert astray == []
    assert {queue.table for queue in QUEUES} - set(held) == {"call_answer"}
