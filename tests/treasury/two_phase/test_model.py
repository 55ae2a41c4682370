"""The exhaustive model of the protocol beside the real tables: the same messages in the same order lead to the same states.

The model is walked at random, message by message, lost, doubled, late and reordered as it allows; each step is done in the database as
well, and what stands there afterwards is compared with the model. What the model never allows is tried in the database, and refused.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import close_account
from counterfoil.ledger.periods import close_period
from counterfoil.treasury.agents.agents import freeze_agent
from counterfoil.treasury.agents.model import account_name
from counterfoil.treasury.two_phase.model import participants_of, show_transaction
from counterfoil.treasury.two_phase.participants import apply_participant, prepare_participant, release_participant
from counterfoil.treasury.two_phase.transactions import Decided, decide, force_transaction, refuse_force
from tests.builders import NOW, PROGRAM
from tests.shared_data import shared
from tests.soak import examples
from tests.treasury.purse import a_treasury, an_agent, begun

SAID: dict[str, Any] = {"actor": "test", "now": NOW}
UNUSUAL = ("the time-out", "a participant asks", "a prepared participant", "prepare arrives: a participant votes no")
OURS = ("CF001", "CF002", "23505", "42501")  # append-only; by our rules; a second row; no right to


def _model() -> Any:
    path = shared("models", "two_phase_model.py")
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location("two_phase_model", path)
        assert spec is not None
        assert spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        return found
    finally:
        sys.path.remove(str(path.parent))


class Side:
    """The real transaction that goes along with a walk of the model: participant by participant, in the model's own words."""

    def __init__(self, conn: Connection[Any]) -> None:
        self.conn = conn
        self.agents = [an_agent(conn, money=100), an_agent(conn, money=100)]
        payer, payee = self.agents
        self.id = begun(conn, (payer, "debit", 10), (payee, "credit", 10))
        conn.execute(
            "update two_phase set state = 'preparing', steps = 2 where id = %s",
            [self.id],
        )
        conn.execute(
            """insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
               values ('transaction', %s, 2, 'initiated', 'prepare', 'preparing', 'test', %s)""",
            [self.id, NOW],
        )

    @property
    def one(self) -> Any:
        return show_transaction(self.conn, self.id)

    def standing(self, number: int) -> str:
        """In the model's letters: n none, h held, y applied, r released."""
        return {"none": "n", "held": "h", "applied": "y", "released": "r"}[participants_of(self.conn, self.id)[number - 1].standing]

    def prepare(self, number: int, *, willing: bool = True) -> bool:
        if not willing and participants_of(self.conn, self.id)[number - 1].vote is None:
            row = self.conn.execute(
                """insert into two_phase_vote (transaction_id, number, program_id, vote, why, at)
                   values (%s, %s, 'main', 'no', 'it does not want to', %s) returning vote""",
                [self.id, number, NOW],
            ).fetchone()
            return row == ("yes",)
        return prepare_participant(self.conn, self.one, number, **SAID).yes

    def decide(self, word: str) -> None:
        one = self.one
        if one.decision is None and word == "c" and one.state == "preparing":
            self.conn.execute("update two_phase set state = 'prepared', steps = steps + 1 where id = %s", [self.id])
            self.conn.execute(
                """insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
                   select 'transaction', id, steps, 'preparing', 'vote', 'prepared', 'test', %s from two_phase where id = %s""",
                [NOW, self.id],
            )
        decision, cause = {"c": ("commit", "votes"), "a": ("abort", "time_out")}[word]
        decide(self.conn, self.one, decision, Decided(cause, "test"), now=NOW)

    def apply(self, number: int) -> None:
        apply_participant(self.conn, self.one, number, **SAID)

    def release(self, number: int) -> None:
        release_participant(self.conn, self.one, number, **SAID)

    def impair(self, kind: str, number: int) -> bool:
        """Freeze, close, or the end of its period. False where it is refused, as it must be of what was promised."""
        agent = self.agents[number - 1]
        because: dict[str, Any] = {"reason": "a look", **SAID}
        try:
            with self.conn.transaction():
                if kind == "f":
                    freeze_agent(self.conn, agent, **because)
                elif kind == "x":
                    close_account(self.conn, PROGRAM, account_name(agent), asset="EUR", **because)
                else:
                    late = NOW + timedelta(hours=2)
                    close_period(self.conn, PROGRAM, until=NOW + timedelta(hours=1), reason="month", actor="test", now=late)
        except (Problem, psycopg.DatabaseError):
            return False
        return True


class Given:
    """Chooses moves by numbers. Time-outs, questions and accidents one time in four, or hardly any walk would commit."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def __iter__(self) -> Iterator[Callable[[list[str]], int | None]]:
        for number in self.numbers:
            yield lambda labels, number=number: self._pick(labels, number)  # type: ignore[misc]

    def _pick(self, labels: list[str], number: int) -> int:
        usual = [place for place, label in enumerate(labels) if not label.startswith(UNUSUAL)]
        pool = usual if usual and number % 4 else list(range(len(labels)))
        return pool[number // 4 % len(pool)]


class Script:
    """Chooses the first move that begins with each of these words."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    def __iter__(self) -> Iterator[Callable[[list[str]], int | None]]:
        for word in self.words:
            yield lambda labels, word=word: next(  # type: ignore[misc]
                (place for place, label in enumerate(labels) if label.startswith(word)), None
            )


def walk(conn: Connection[Any], choices: Given | Script) -> list[str]:
    """A way through the model and through the database at once; the labels of its steps."""
    model, side = _model(), Side(conn)
    successors = model.successors_for(frozenset(model.RULES), False, True)
    state = ("-", "preparing", 0, "-", 0, 0, (model.NEW,) * 2)
    # The model keeps its participants sorted, since they are alike; ours have numbers: theirs by place, kept in step with each move.
    numbers = [1, 2]
    labels = []
    for choose in choices:
        # A participant here reads the decision itself, so it promises nothing for a transaction that is over.
        moves = [one for one in successors(state) if one[3] is None and not (state[0] != "-" and one[0].startswith("prepare arrives"))]
        if not moves:
            break
        place = choose([one[0] for one in moves])
        assert place is not None, (labels, [one[0] for one in moves])
        label, after, _, _ = moves[place]
        moved = _moved(state[6], after[6])
        number = numbers[moved[0]] if moved else 0
        _do(side, label, number)
        if moved:
            rest = [(part, numbers[place]) for place, part in enumerate(state[6]) if place != moved[0]]
            both = sorted([*rest, (moved[1], number)], key=lambda pair: pair[0])
            numbers = [pair[1] for pair in both]
        state = after
        labels.append(label)
        assert [side.standing(number) for number in numbers] == [part[0] for part in state[6]], labels
        decided = {None: "-", "commit": "c", "abort": "a"}[side.one.decision]
        assert decided == state[0], labels
    return labels


def _moved(before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[int, Any] | None:
    """Which participant moved, by its place before, and what it is then."""
    left = list(after)
    gone = []
    for place, part in enumerate(before):
        if part in left:
            left.remove(part)
        else:
            gone.append(place)
    return (gone[0], left[0]) if gone else None


def _do(side: Side, label: str, number: int) -> None:
    told = {
        "prepare arrives: a participant takes the hold and votes yes": lambda: side.prepare(number) or pytest.fail("it promises"),
        "prepare arrives: a participant votes no": lambda: side.prepare(number, willing=False) and pytest.fail("it does not"),
        "a late prepare is answered no": lambda: side.prepare(number) and pytest.fail("it is over"),
        "commit arrives: a participant applies": lambda: side.apply(number),
        "a copy of commit is confirmed": lambda: side.apply(number),
        "cancel arrives: a participant releases": lambda: side.release(number),
        "cancel arrives before prepare": lambda: side.release(number),
        "a copy of cancel is confirmed": lambda: side.release(number),
        "the coordinator writes commit": lambda: side.decide("c"),
        "the coordinator writes commit, and the commit of that row is ambiguous": lambda: side.decide("c"),
        "the time-out passes: the coordinator writes abort": lambda: side.decide("a"),
        "a participant asks; abort is written first, then answered": lambda: side.decide("a"),
        "a participant asks and is told abort: it releases": lambda: side.release(number),
        "a prepared participant: its account is frozen": lambda: side.impair("f", number),
        "a prepared participant: its period is closed": lambda: side.impair("p", number),
        "the coordinator learns of a no": lambda: side.decide("a"),  # it follows at once; a row that is there wins
    }.get(label)
    if told is not None:
        told()
        told()  # whatever is said is said again, and answered as before


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choices=st.lists(st.integers(0, 10_000), min_size=1, max_size=24))
def test_every_way_through_the_model_leads_to_the_same_in_the_database(conn: Connection[Any], choices: list[int]):
    with conn.transaction(force_rollback=True):
        a_treasury(conn)
        walk(conn, Given(choices))
        still_true_of_records(conn)


def still_true_of_records(conn: Connection[Any]) -> None:
    """All that is said of records; a walk may leave a state behind them, since it sends its messages itself."""
    found = conn.execute(
        """select o.transaction_id from two_phase_outcome o left join two_phase_decision d using (transaction_id)
           where d.decision is distinct from case o.outcome when 'applied' then 'commit' else 'abort' end"""
    ).fetchall()
    assert found == []
    both = "select transaction_id from two_phase_outcome group by transaction_id having count(distinct outcome) > 1"
    assert conn.execute(both).fetchall() == []


ASKED = ("the coordinator sends prepare", "prepare arrives: a participant takes") * 2 + ("the coordinator learns of a yes",) * 2
COMMITS = ("the coordinator writes commit", *("the coordinator sends commit", "commit arrives") * 2)
CANCELS = ("the coordinator sends cancel", "cancel arrives") * 2


@pytest.mark.parametrize(
    "script",
    [
        (*ASKED, *COMMITS),
        (*ASKED, "a prepared participant: its account is frozen", "a prepared participant: its period is closed", *COMMITS),
        (*ASKED, "the coordinator writes commit, and the commit", "the coordinator reads", *COMMITS[1:]),
        (*ASKED, "the time-out passes", *CANCELS),
        (*ASKED[:1], "the time-out passes", *(CANCELS[0], "cancel arrives before prepare") * 2, "a late prepare"),
        (*ASKED[:1], "prepare arrives: a participant votes no", "the coordinator learns of a no", *CANCELS[:1]),
        (*ASKED[:4], "a participant asks; abort is written", "a participant asks and is told abort"),
    ],
    ids=["committed", "frozen and closed", "ambiguous", "timed out", "cancel before prepare", "a no", "asked by a participant"],
)
def test_a_way_that_matters_leads_to_the_same_in_the_database(conn: Connection[Any], script: tuple[str, ...]):
    a_treasury(conn)
    assert len(walk(conn, Script(script))) == len(script)
    still_true_of_records(conn)


def test_what_the_model_never_allows_is_refused_by_the_database(conn: Connection[Any]):
    a_treasury(conn)
    side = Side(conn)
    assert side.prepare(1)

    def refused(query: str, *given_: Any) -> None:
        with pytest.raises(psycopg.DatabaseError) as told, conn.transaction():
            conn.execute(query.encode(), given_)
        assert told.value.sqlstate in OURS, told.value

    decision = """insert into two_phase_decision (transaction_id, program_id, decision, cause, actor, at)
                  values (%s, 'main', %s, %s, 'x', now())"""
    outcome = """insert into two_phase_outcome (transaction_id, number, program_id, outcome, journal_id, at)
                 values (%s, %s, 'main', %s, %s, now())"""
    refused(decision, side.id, "commit", "votes")  # not every participant promised
    refused(outcome, side.id, 1, "applied", "00000000-0000-4000-8000-000000000000")  # nothing is decided
    refused(outcome, side.id, 1, "released", None)
    void = (
        "insert into hold_resolution (hold_id, verb, amount, resolved_at, actor) select hold_id, 'void', 0, now(), 'x' from two_phase_vote"
    )
    refused(void)  # it is a promise
    assert side.prepare(2)
    side.decide("c")
    refused(decision, side.id, "abort", "time_out")  # one row, once
    refused("update two_phase_decision set decision = 'abort' where transaction_id = %s", side.id)
    refused("delete from two_phase_decision where transaction_id = %s", side.id)
    refused(outcome, side.id, 1, "released", None)  # it is to be applied
    refused("update two_phase set state = 'aborting' where id = %s", side.id)
    assert not side.impair("x", 1), "an account with a promise on it is not closed"
    assert not side.impair("x", 2), "on either side of it"
    side.apply(1)
    side.apply(2)
    still_true_of_records(conn)


def test_a_forced_decision_loses_against_a_row_that_is_there(conn: Connection[Any]):
    a_treasury(conn)
    side = Side(conn)
    side.prepare(1)
    assert "not every participant has promised" in str(refuse_force(side.one, "force_commit"))
    side.decide("a")
    for verb in ("force_commit", "force_rollback"):
        with pytest.raises(Problem, match="abort was decided"):
            force_transaction(conn, side.id, verb, how=Decided("forced", "x", "r", "INC-1"), now=NOW)
    side.release(1)
    side.release(2)
    still_true_of_records(conn)


def test_nobody_forces_alone(conn: Connection[Any]):
    a_treasury(conn)
    side = Side(conn)
    side.prepare(1)
    with pytest.raises(ApprovalNeeded), conn.transaction():
        force_transaction(conn, side.id, "force_rollback", how=Decided("forced", "x", "r", "INC-1"), now=NOW)
    side.decide("a")
    side.release(1)
    side.release(2)
