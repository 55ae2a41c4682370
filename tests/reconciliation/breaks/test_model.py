"""Runs and people in any order, beside a second, simpler account of what a break is; after every step all invariants hold."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import hypothesis.strategies as st
import psycopg
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from counterfoil.base.edge import make_id, set_up
from counterfoil.base.encryption.keys import carry
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import Problem
from counterfoil.ledger.journals.journal import NewPosting
from counterfoil.ledger.reads.balances import balance
from counterfoil.reconciliation.breaks import adjusting, work
from counterfoil.reconciliation.breaks.invariants import INVARIANTS
from tests.conftest import KEYS
from tests.people import who as logged_in
from tests.reconciliation.breaks.builders import (
    NOW,
    PROGRAM,
    a_break,
    a_number,
    a_proposal,
    a_run,
    an_open_program,
    still_true,
    the_cases,
)
from tests.soak import examples

NAMES = ("payout:a", "payout:b", "payout:c")
PEOPLE = ("person:mira", "person:noah", "person:olga")
VERBS = ("investigate", "reopen", "accept")


class Told:
    """A break as a child would keep it: where it stands, whether it is still there, what was accepted, who proposed what and when."""

    def __init__(self, amount):
        self.state, self.there, self.amount, self.accepted = "open", True, amount, None
        self.maker, self.at, self.kind, self.proposed, self.posted = None, None, None, None, 0


class Model(RuleBasedStateMachine):
    """Three records may disagree by two or three units. People and runs do what they like; the model says what comes of it."""

    url = ""

    def __init__(self):
        super().__init__()
        self.conn = psycopg.connect(self.url, autocommit=True, prepare_threshold=None)
        carry(self.conn, KEYS)  # of all invariants that are asked at the end some open what is encrypted
        self.transaction = self.conn.transaction(force_rollback=True)
        self.transaction.__enter__()
        set_up(self.conn, "counterfoil_app")
        an_open_program(self.conn)
        self.now = NOW
        self.told: dict[str, list[Told]] = {name: [] for name in NAMES}
        self.moved = self.seen = 0
        self.reading: list[tuple[int, dict[str, int]]] = []

    def teardown(self):
        try:
            still_true(self.conn)
        finally:
            self.transaction.__exit__(None, None, None)
            self.conn.close()

    @rule(found=st.dictionaries(st.sampled_from(NAMES), st.sampled_from([2_00, 3_00])))
    def a_run_begins(self, found):
        self.reading.append((a_number(self.conn), found))

    @precondition(lambda self: self.reading)
    @rule(data=st.data(), complete=st.booleans())
    def a_run_ends(self, data, complete):
        number, found = self.reading.pop(data.draw(st.integers(0, len(self.reading) - 1)))
        breaks = [a_break(name, ours=1_000_00, theirs=1_000_00 - off) for name, off in sorted(found.items())]
        a_run(self.conn, breaks, at=self.now, number=number, complete=complete)
        for name, kept in self.told.items():
            self.file(kept, number, found.get(name), complete, number < self.seen)
        self.seen = max(self.seen, number) if complete else self.seen

    def file(self, kept, number, off, complete, older):
        newest = kept[-1] if kept else None
        if older or (newest is not None and number < newest.number):
            return
        if off is None:
            if newest is None or not complete or not newest.there:
                return
            newest.there, newest.number = False, number
            if newest.state in ("open", "investigating"):
                newest.state = "matched"
            return
        if newest is not None:
            same = newest.state == "accepted" and newest.there and newest.accepted == off
            if newest.state in ("open", "investigating", "pending_adjustment") or same:
                newest.there, newest.amount, newest.number = True, off, number
                return
            if number <= newest.posted:
                return
            newest.there = False
        kept.append(Told(off))
        kept[-1].number = number

    @rule(hours=st.sampled_from([1, 13]))
    def time_goes_by(self, hours):
        self.now += timedelta(hours=hours)

    @precondition(lambda self: any(self.told.values()))
    @rule(data=st.data(), who=st.sampled_from(PEOPLE), verb=st.sampled_from(VERBS))
    def a_person_takes_a_step(self, data, who, verb):
        name, case, kept = self.any_of(data)
        allowed = kept.state == ("open" if verb == "investigate" else "investigating")
        done = self.attempt(lambda: work.STEPS[verb](self.conn, case.id, actor=who, now=self.now, reason="because"))
        assert done == allowed, (name, verb, kept.state)
        if allowed:
            kept.state = {"investigate": "investigating", "reopen": "open", "accept": "accepted"}[verb]
            kept.accepted = kept.amount if verb == "accept" else None

    @precondition(lambda self: any(self.told.values()))
    @rule(data=st.data(), who=st.sampled_from(PEOPLE), write_off=st.booleans())
    def a_person_proposes(self, data, who, write_off):
        _, case, kept = self.any_of(data)

        def act():
            if write_off:
                adjusting.propose_write_off(self.conn, case.id, make_id("prop"), reason="x", by=logged_in(self.conn, who), now=self.now)
            else:
                lines = [NewPosting("provider_fee", "clearing:simulator", kept.amount)]
                a_proposal(self.conn, case.id, maker=who, now=self.now, lines=lines)

        allowed = kept.state == "investigating"
        assert self.attempt(act) == allowed
        if allowed:
            kept.state, kept.maker, kept.at, kept.kind = "pending_adjustment", who, self.now, write_off
            kept.proposed = kept.amount

    @precondition(lambda self: any(self.told.values()))
    @rule(data=st.data(), who=st.sampled_from(PEOPLE), approve=st.booleans())
    def a_person_decides(self, data, who, approve):
        _, case, kept = self.any_of(data)
        fresh = kept.at is not None and self.now - kept.at <= timedelta(hours=24)
        allowed = kept.state == "pending_adjustment" and (
            not approve or (who != kept.maker and fresh and kept.there and kept.amount == kept.proposed)
        )
        proposed = adjusting.proposals_of(self.conn, case.id)
        digest = proposed[0].payload_sha256 if proposed else "0" * 64

        def act():
            if approve:
                by = logged_in(self.conn, who)
                adjusting.approve_proposal(self.conn, case.id, payload_sha256=digest, reason="x", by=by, now=self.now)
            else:
                adjusting.withdraw_proposal(self.conn, case.id, reason="x", by=logged_in(self.conn, who), now=self.now)

        assert self.attempt(act) == allowed
        if allowed and approve:
            kept.state, self.moved = "written_off" if kept.kind else "adjusted", self.moved - kept.proposed
            kept.posted = a_number(self.conn) - 1
        elif allowed:
            kept.state = "investigating" if kept.there else "matched"

    @invariant()
    def both_tell_the_same(self):
        ours = Counter((one.record_id, one.state, one.gone_run is None, one.at_stake) for one in the_cases(self.conn))
        theirs = Counter((name, kept.state, kept.there, kept.amount) for name, all_ in self.told.items() for kept in all_)
        assert ours == theirs
        assert balance(self.conn, PROGRAM, "clearing:simulator", asset="EUR").minor == self.moved
        assert run_invariants(self.conn, INVARIANTS) == []

    def any_of(self, data):
        name = data.draw(st.sampled_from([name for name, kept in self.told.items() if kept]))
        number = data.draw(st.integers(0, len(self.told[name]) - 1))
        of_name = [one for one in the_cases(self.conn) if one.record_id == name]
        return name, of_name[number], self.told[name][number]

    def attempt(self, act):
        try:
            with self.conn.transaction():
                act()
        except Problem:
            return False
        return True


def test_runs_and_people_in_any_order_agree_with_a_simple_account(shared_url):
    Model.url = shared_url
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=examples(12), stateful_step_count=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        ),
    )
