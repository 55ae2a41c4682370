"""The ledger beside a second, much simpler one: whatever is asked, in whatever order, both agree, money is conserved, limits hold.

The simple ledger is a dictionary of balances and a dictionary of holds. It is too plain to share a mistake with the real one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from counterfoil.base.edge import Database
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import freeze_account, unfreeze_account
from counterfoil.ledger.holds import hold_id, post_hold, take_hold, void_hold
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch_types import Movement, MovementKind, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, BulkPosted, post_bulks, post_many, prepare
from counterfoil.ledger.journals.journal import NewJournal, Posted, post, post_journals, reverse
from counterfoil.ledger.journals.key_spaces import PAYMENT
from counterfoil.ledger.journals.memory import Memory
from counterfoil.ledger.journals.post_all import ProgramJournal, post_each
from counterfoil.ledger.periods import close_period
from counterfoil.ledger.reads.balances import balances, trial_totals
from tests.ledger.builders import a_program, small_segments
from tests.points import at_points
from tests.soak import examples

ACCOUNTS = {  # name: may it fall below nothing?
    "cash:bank:client": True,
    "suspense": True,
    "escrow:a": False,
    "escrow:b": False,
    "payable:payee:a": False,
    "receivable:payee:a": False,
}
DEBIT_NORMAL = {"cash:bank:client", "receivable:payee:a"}
_numbers = itertools.count(1)
names = st.sampled_from(list(ACCOUNTS))
amounts = st.one_of(st.integers(1, 40), st.integers(1, 10**6))
transfers = st.tuples(names, names, amounts).filter(lambda t: t[0] != t[1])
Transfer = tuple[str, str, int]


class SimpleHold(NamedTuple):
    """What is set aside."""

    debit: str
    credit: str
    minor: int


class SimpleLedger:
    """Balances on their normal side, and holds. No more."""

    def __init__(self) -> None:
        self.balance: Counter[str] = Counter()
        self.frozen: set[str] = set()
        self.holds: dict[UUID, SimpleHold] = {}

    def held(self, name: str) -> int:
        lowers = [h.minor for h in self.holds.values() if (h.credit if name in DEBIT_NORMAL else h.debit) == name]
        return sum(lowers)

    def may(self, debit: str, credit: str, minor: int, *, fact: bool = False) -> bool:
        lowered = ([] if debit in DEBIT_NORMAL else [debit]) + ([credit] if credit in DEBIT_NORMAL else [])
        if not fact and self.frozen.intersection(lowered):
            return False
        return all(ACCOUNTS[name] or self.balance[name] - self.held(name) >= minor for name in lowered)

    def move(self, debit: str, credit: str, minor: int) -> None:
        self.balance[debit] += minor if debit in DEBIT_NORMAL else -minor
        self.balance[credit] += -minor if credit in DEBIT_NORMAL else minor

    def try_all(self, lines: list[Transfer], *, fact: bool = False) -> bool:
        """All lines or none."""
        before = self.balance.copy()
        for line in lines:
            if not self.may(*line, fact=fact):
                self.balance = before
                return False
            self.move(*line)
        return True


class Ledgers(RuleBasedStateMachine):
    """Everything is asked of both."""

    database: Database  # set by the test

    journals = Bundle("journals")
    holds = Bundle("holds")

    @initialize()
    def begin(self) -> None:
        self.program = f"program_{next(_numbers)}_{uuid4().hex[:8]}"
        self.simple = SimpleLedger()
        self.memory = Memory()
        self.lines: dict[UUID, list[Transfer]] = {}
        self.now = datetime.now(UTC)
        self.closed = datetime(1970, 1, 1, tzinfo=UTC)
        self.late = 0
        with self.database.transaction() as conn:
            a_program(conn, self.program, list(ACCOUNTS), ["EUR"])

    def attempt(self, act: Callable[[Any], Any]) -> Any:
        """In a transaction of its own; None when it was refused."""
        try:
            with self.database.transaction() as conn:
                return act(conn)
        except Problem:
            return None

    @rule(target=journals, lines=st.lists(transfers, min_size=1, max_size=4))
    def post_one(self, lines: list[Transfer]) -> Any:
        given = {"kind": "test", "lines": lines, "asset": "EUR", "actor": "machine", "now": self.now}
        key = f"key-{next(_numbers)}"
        done = self.attempt(lambda conn: post(conn, self.program, key=key, **given))
        assert (done is not None) == self.simple.try_all(lines)
        if done is None:
            return multiple()
        again = self.attempt(lambda conn: post(conn, self.program, key=key, **given))
        assert again == done._replace(existed=True)
        self.lines[done.journal_id] = lines
        return done.journal_id

    @rule(ahead=st.integers(1, 10))
    def close_the_books(self, ahead: int) -> None:
        """Up to now, or to some days ago: also past the moment that the other rules post at."""
        until = min(max(self.closed, self.now - timedelta(days=30)) + timedelta(days=ahead), datetime.now(UTC))
        if until <= self.closed:
            return
        with self.database.transaction() as conn:
            close_period(conn, self.program, until=until, reason="test", actor="machine", now=datetime.now(UTC))
        self.closed = until

    @rule(name=names)
    def freeze_or_unfreeze(self, name: str) -> None:
        act = unfreeze_account if name in self.simple.frozen else freeze_account
        with self.database.transaction() as conn:
            act(conn, self.program, name, asset="EUR", reason="test", actor="machine", now=self.now)
        self.simple.frozen ^= {name}

    @rule(lines=st.lists(transfers, min_size=1, max_size=3), back=st.integers(0, 40))
    def post_into_the_past(self, lines: list[Transfer], back: int) -> None:
        """A person's journal of some days ago: refused when its period is closed."""
        at = self.now - timedelta(days=back)
        given = {
            "kind": "test",
            "lines": lines,
            "asset": "EUR",
            "actor": "machine",
            "now": self.now,
            "effective_at": at,
        }
        key = f"key-{next(_numbers)}"
        done = self.attempt(lambda conn: post(conn, self.program, key=key, **given))
        if at < self.closed:
            assert done is None
        else:
            assert (done is not None) == self.simple.try_all(lines)

    @rule(facts=st.lists(st.tuples(st.lists(transfers, min_size=1, max_size=3), st.integers(0, 40)), min_size=1, max_size=4))
    def hear_of_facts(self, facts: list[tuple[list[Transfer], int]]) -> None:
        """What has happened some days ago: never refused for a freeze or a close, and late exactly when its period is closed."""
        bookings = []
        for lines, back in facts:
            name, at = str(next(_numbers)), self.now - timedelta(days=back)
            new = NewJournal(PAYMENT.key(name), "payment", lines, "EUR", "machine", at, source=("charge", name), space=PAYMENT)
            bookings.append(ProgramJournal(self.program, new))
        with self.database.transaction() as conn:
            results = post_each(conn, bookings, now=self.now)
            for (lines, back), result in zip(facts, results, strict=True):
                assert isinstance(result, Posted) == self.simple.try_all(lines, fact=True)
                if isinstance(result, Posted):
                    at = self.now - timedelta(days=back)
                    assert result.effective_at == max(at, self.closed)
                    self.late += len(lines) if at < self.closed else 0

    @rule(target=journals, journals=st.lists(st.lists(transfers, min_size=1, max_size=3), min_size=2, max_size=6))
    def post_several(self, journals: list[list[Transfer]]) -> Any:
        new = [NewJournal(f"key-{next(_numbers)}", "test", lines, "EUR", "machine") for lines in journals]
        results = self.attempt(lambda conn: post_journals(conn, self.program, new, now=self.now))
        expected = [self.simple.try_all(lines) for lines in journals]
        assert [isinstance(result, Posted) for result in results] == expected
        ids = []
        for result, lines in zip(results, journals, strict=True):
            if isinstance(result, Posted):
                self.lines[result.journal_id] = lines
                ids.append(result.journal_id)
        return multiple(*ids)

    @rule(
        moves=st.lists(st.tuples(transfers, st.booleans()), min_size=1, max_size=90),
        forget=st.booleans(),
        commit=st.sampled_from([True, True, True, False]),
    )
    def post_bulk(self, moves: list[tuple[Transfer, bool]], forget: bool, commit: bool) -> None:
        movements = [Movement(uuid4().bytes, *transfer, linked=linked) for transfer, linked in moves]
        movements[-1] = movements[-1]._replace(linked=False)
        before = self.simple.balance.copy()
        expected: list[bool] = []
        sets: list[list[Transfer]] = [[]]
        for movement in movements:
            sets[-1].append(movement[1:4])
            if not movement.linked:
                expected += [self.simple.try_all(sets[-1])] * len(sets[-1])
                sets.append([])
        bulk = Bulk(f"key-{next(_numbers)}", "test", "EUR", "machine")
        with self.database.transaction(commit=commit) as conn:
            memory = None if forget else self.memory
            done = post_many(conn, self.program, bulk, movements, now=self.now, memory=memory)
        assert [outcome is MovementOutcome.POSTED for outcome in done.outcomes] == expected
        if not commit:
            self.simple.balance = before

    @rule(
        groups=st.lists(st.lists(transfers, min_size=1, max_size=40), min_size=2, max_size=4),
        forget=st.booleans(),
        commit=st.sampled_from([True, True, True, False]),
    )
    def post_bulks_together(self, groups: list[list[Transfer]], forget: bool, commit: bool) -> None:
        before = self.simple.balance.copy()
        expected = [[self.simple.try_all([transfer]) for transfer in group] for group in groups]
        bulks = [
            prepare(Bulk(f"key-{next(_numbers)}", "test", "EUR", "machine"), [Movement(uuid4().bytes, *transfer) for transfer in group])
            for group in groups
        ]
        with self.database.transaction(commit=commit) as conn:
            memory = None if forget else self.memory
            done = post_bulks(conn, self.program, bulks, now=self.now, memory=memory)
        found = [[outcome is MovementOutcome.POSTED for outcome in one.outcomes] for one in done if isinstance(one, BulkPosted)]
        assert found == expected
        if not commit:
            self.simple.balance = before

    @rule(moves=st.lists(transfers, min_size=1, max_size=40), dies=st.sampled_from(["ledger.locked", "ledger.before_commit"]))
    def crash_in_a_bulk(self, moves: list[Transfer], dies: str) -> None:
        """The database ends the writer's connection in the middle of a batch: nothing of it stands, and its memory misleads nobody."""
        bulk = Bulk(f"key-{next(_numbers)}", "test", "EUR", "machine")
        movements = [Movement(uuid4().bytes, *transfer) for transfer in moves]
        ended: list[str] = []

        def write() -> None:
            with self.database.transaction() as conn:

                def end(point: str) -> None:
                    if point == dies:
                        with psycopg.connect(self.database.url, autocommit=True) as other:
                            other.execute("select pg_terminate_backend(%s, 5000)", [conn.info.backend_pid])
                        ended.append(point)

                with at_points(end):
                    post_many(conn, self.program, bulk, movements, now=self.now, memory=self.memory)

        with pytest.raises((psycopg.Error, Problem)):
            write()
        assert ended == [dies], "the writer was not ended where it should be"

    @rule(target=holds, hold=transfers)
    def take(self, hold: Transfer) -> Any:
        debit, credit, minor = hold
        key = f"key-{next(_numbers)}"
        done = self.attempt(
            lambda conn: take_hold(
                conn,
                self.program,
                key=key,
                debit=debit,
                credit=credit,
                minor=minor,
                asset="EUR",
                actor="machine",
                now=self.now,
            )
        )
        assert (done is not None) == self.simple.may(*hold)
        if done is None:
            return multiple()
        assert done.id == hold_id(self.program, key)
        self.simple.holds[done.id] = SimpleHold(*hold)
        return done.id

    @rule(hold=consumes(holds), part=st.integers(1, 100))
    def post_held(self, hold: UUID, part: int) -> None:
        debit, credit, held = self.simple.holds.pop(hold)
        minor = max(1, held * part // 100)
        assert self.attempt(lambda conn: post_hold(conn, self.program, hold, actor="machine", now=self.now, minor=minor))
        self.simple.move(debit, credit, minor)
        assert not self.attempt(lambda conn: post_hold(conn, self.program, hold, actor="machine", now=self.now, minor=minor + 1))

    @rule(hold=consumes(holds))
    def void_held(self, hold: UUID) -> None:
        del self.simple.holds[hold]
        with self.database.transaction() as conn:
            void_hold(conn, self.program, hold, reason="test", actor="machine", now=self.now)

    @rule(hold=consumes(holds), transfer=transfers)
    def resolve_and_move_in_one_bulk(self, hold: UUID, transfer: Transfer) -> None:
        debit, credit, minor = self.simple.holds.pop(hold)
        movements = [
            Movement(uuid4().bytes, "", "", minor, MovementKind.POST_HOLD, hold_id=hold.bytes),
            Movement(uuid4().bytes, *transfer),
        ]
        self.simple.move(debit, credit, minor)
        bulk = Bulk(f"key-{next(_numbers)}", "test", "EUR", "machine")
        with self.database.transaction() as conn:
            outcomes = post_many(conn, self.program, bulk, movements, now=self.now, memory=self.memory).outcomes
        assert [outcome is MovementOutcome.POSTED for outcome in outcomes] == [True, self.simple.try_all([transfer])]

    @rule(journal=consumes(journals))
    def reverse_one(self, journal: UUID) -> None:
        back = [(credit, debit, minor) for debit, credit, minor in reversed(self.lines.pop(journal))]

        def act(conn: Any) -> Posted:
            key = f"key-{next(_numbers)}"
            return reverse(conn, self.program, journal, key=key, reason="test", actor="machine", now=self.now)

        done = self.attempt(act)
        assert (done is not None) == self.simple.try_all(back)
        if done is not None:
            assert self.attempt(act) is None  # under another key

    @rule(moves=st.lists(st.lists(transfers, min_size=1, max_size=5), min_size=2, max_size=4))
    def write_at_once(self, moves: list[list[Transfer]]) -> None:
        """Writers side by side, one post at a time and in bulk: who wins is open, that nothing is lost is not."""

        def write(number: int) -> list[Transfer]:
            done: list[Transfer] = []
            if number == 0:
                movements = [Movement(uuid4().bytes, *transfer) for transfer in moves[0]]
                bulk = Bulk(f"key-{next(_numbers)}", "test", "EUR", "machine")
                with self.database.transaction() as conn:
                    outcomes = post_many(conn, self.program, bulk, movements, now=self.now, memory=self.memory).outcomes
                return [t for t, outcome in zip(moves[0], outcomes, strict=True) if outcome is MovementOutcome.POSTED]
            for transfer in moves[number]:
                given = {"kind": "test", "lines": [transfer], "asset": "EUR", "actor": "machine", "now": self.now}
                key = f"key-{next(_numbers)}"
                if self.attempt(lambda conn, key=key, given=given: post(conn, self.program, key=key, **given)):
                    done.append(transfer)
            return done

        with ThreadPoolExecutor(len(moves)) as pool:
            for done in pool.map(write, range(len(moves))):
                for transfer in done:
                    self.simple.move(*transfer)

    @invariant()
    def both_agree(self) -> None:
        with self.database.transaction(read_only=True) as conn:
            late = """select count(*) from late_posting l join journal j on j.id = l.journal_id where j.program_id = %s"""
            assert conn.execute(late, [self.program]).fetchone() == (self.late,)
            found = balances(conn, self.program, list(ACCOUNTS), asset="EUR")
            totals = trial_totals(conn, self.program, asset="EUR")
        assert {name: (b.minor, b.held) for name, b in found.items()} == {
            name: (self.simple.balance[name], self.simple.held(name)) for name in ACCOUNTS
        }
        assert totals[0] == totals[1], "money is conserved"
        assert all(ACCOUNTS[name] or b.available >= 0 for name, b in found.items()), "limits hold"

    def teardown(self) -> None:
        with self.database.transaction() as conn:
            assert run_invariants(conn, INVARIANTS) == []


@pytest.mark.parametrize("steps", [30])
def test_the_ledger_agrees_with_a_simple_one(database: Database, steps: int):
    Ledgers.database = database
    small_segments(database.url, 20)
    run_state_machine_as_test(
        Ledgers,
        settings=settings(
            max_examples=examples(10),
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # to shrink a history of transactions takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
    with database.transaction() as conn:
        assert conn.execute("select max(segment) > 1 from posting").fetchone() == (True,)
