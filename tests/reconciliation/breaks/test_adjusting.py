"""Two people correct the books: what is proposed is what is approved is what is posted; and every way around it is closed."""

from __future__ import annotations

import threading
from datetime import timedelta

import psycopg
import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.machine import StateMoved
from counterfoil.base.problems import InvalidInput, Problem, ReasonRequired, TransitionRefused
from counterfoil.ledger.journals.journal import NewPosting
from counterfoil.ledger.problems import UnknownAccount
from counterfoil.ledger.reads.balances import balance
from counterfoil.ledger.reads.listing import show_journal
from counterfoil.operations import approvals
from counterfoil.reconciliation.breaks import adjusting, limits, work
from counterfoil.reconciliation.breaks.breaks import BREAK
from tests.people import who
from tests.reconciliation.breaks.builders import (
    DAY,
    MIRA,
    NOAH,
    NOW,
    OLGA,
    PROGRAM,
    a_break,
    a_case,
    a_proposal,
    a_run,
    an_approval,
    an_open_program,
    still_true,
    the_cases,
)


def a_write_off(conn, case, *, actor=MIRA, **more):
    return adjusting.propose_write_off(conn, case.id, make_id("prop"), reason="small", by=who(conn, actor), now=NOW, **more)


def clearing(conn):
    return balance(conn, PROGRAM, "clearing:simulator", asset="EUR").minor


def test_a_proposal_moves_nothing_until_a_second_person_approves_it(conn):
    case = a_case(conn, state="investigating")
    proposal = a_proposal(conn, case.id)
    assert (the_cases(conn)[0].state, clearing(conn), proposal.decision) == ("pending_adjustment", 0, None)
    still_true(conn)
    state, posted = an_approval(conn, proposal)
    assert (state, clearing(conn)) == ("adjusted", -12_00)
    journal = show_journal(conn, posted.journal_id)
    assert (journal.source_type, journal.source_id, journal.actor, journal.kind) == (
        "break",
        case.id,
        NOAH,
        "adjustment",
    )
    assert journal.effective_at.date() == case.last_on == DAY
    (told,) = adjusting.proposals_of(conn, case.id)
    assert (told.decision, told.maker, told.checker, told.journal_id) == ("approved", MIRA, NOAH, posted.journal_id)
    still_true(conn)


def test_whoever_proposed_it_does_not_approve_it(conn):
    proposal = a_proposal(conn, a_case(conn, state="investigating").id)
    with pytest.raises(approvals.SamePerson):
        an_approval(conn, proposal, checker=MIRA)
    assert clearing(conn) == 0


def test_the_database_refuses_one_person_in_two_roles_whatever_the_program_says(conn):
    case = a_case(conn, state="pending_adjustment")
    (one,) = adjusting.proposals_of(conn, case.id)
    with pytest.raises(psycopg.errors.CheckViolation, match="maker_is_not_checker"), conn.transaction():
        decide(conn, one, checker=MIRA)
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="on_the_whole"), conn.transaction():
        decide(conn, one, checker=NOAH, maker=OLGA)
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="on_the_whole"), conn.transaction():
        decide(conn, one, checker=NOAH, sha256=bytes(32))
    with pytest.raises(psycopg.errors.CheckViolation, match="approval_in_time"), conn.transaction():
        decide(conn, one, checker=NOAH, at=NOW + timedelta(hours=25))


def test_the_database_refuses_to_call_a_break_adjusted_without_two_people(conn):
    case = a_case(conn, state="pending_adjustment")
    for state in ("adjusted", "written_off"):
        with pytest.raises(psycopg.Error, match="needs the approval of a second person") as refused, conn.transaction():
            conn.execute("update break set state = %s, steps = steps + 1 where id = %s", [state, case.id])
        assert refused.value.sqlstate == "CF360"


def decide(conn, one, *, checker, maker=MIRA, sha256=None, at=NOW):
    approver = who(conn, checker)
    conn.execute(
        """insert into approval_decision (proposal_id, maker_id, payload_sha256, expires_at, decision, checker_id, checker, session_id,
                  reason, at) values (%s, %s, %s, %s, 'approved', %s, %s, %s, 'x', %s)""",
        [
            one.id,
            who(conn, maker).principal_id,
            sha256 or bytes.fromhex(one.payload_sha256),
            one.expires_at,
            approver.principal_id,
            checker,
            approver.session_id,
            at,
        ],
    )


def test_an_approval_is_of_exactly_what_was_proposed(conn):
    proposal = a_proposal(conn, a_case(conn, state="investigating").id)
    with pytest.raises(approvals.ProposalDiffers):
        an_approval(conn, proposal, payload_sha256="0" * 64)
    assert an_approval(conn, proposal, payload_sha256=proposal.payload_sha256.upper())[0] == "adjusted"


def test_a_proposal_lives_for_a_day_and_can_be_made_anew(conn):
    case = a_case(conn, state="investigating")
    proposal = a_proposal(conn, case.id)
    with pytest.raises(approvals.ProposalExpired):
        an_approval(conn, proposal, now=NOW + timedelta(hours=24, microseconds=1))
    adjusting.withdraw_proposal(conn, case.id, reason="too old", by=who(conn, OLGA), now=NOW + timedelta(hours=25))
    again = a_proposal(conn, case.id, now=NOW + timedelta(hours=25))
    assert again.number == 2
    assert an_approval(conn, again, now=NOW + timedelta(hours=49))[0] == "adjusted"
    still_true(conn)


def test_a_proposal_that_was_withdrawn_or_approved_is_not_approved_again(conn):
    case = a_case(conn, state="investigating")
    proposal = a_proposal(conn, case.id)
    assert adjusting.withdraw_proposal(conn, case.id, reason="wrong account", by=who(conn, NOAH), now=NOW) == "investigating"
    with pytest.raises(approvals.ProposalDecided):
        an_approval(conn, proposal)
    an_approval(conn, a_proposal(conn, case.id))
    with pytest.raises(approvals.ProposalDecided):
        an_approval(conn, adjusting.proposals_of(conn, case.id)[0], checker=OLGA)
    assert clearing(conn) == -12_00
    still_true(conn)


def test_what_the_ledger_would_refuse_cannot_be_proposed(conn):
    case = a_case(conn, state="investigating")
    with pytest.raises(UnknownAccount):
        a_proposal(conn, case.id, lines=[NewPosting("provider_fee", "clearing:nobody", 100)])
    with pytest.raises(InvalidInput):
        a_proposal(conn, case.id, lines=[NewPosting("provider_fee", "provider_fee", 100)])
    with pytest.raises(InvalidInput):
        a_proposal(conn, case.id, lines=[])
    with pytest.raises(ReasonRequired):
        a_proposal(conn, case.id, reason=" ")
    assert the_cases(conn)[0].state == "investigating"
    still_true(conn)


def test_an_adjustment_is_proposed_only_for_what_is_investigated(conn):
    with pytest.raises(TransitionRefused):
        a_proposal(conn, a_case(conn).id)


@pytest.mark.parametrize(
    ("ours", "theirs", "moved"),
    [
        (1_000_00, 995_00, -5_00),
        (1_000_00, 1_005_00, 5_00),
        (5_00, None, -5_00),
        (None, 5_00, 5_00),
        (-5_00, None, 5_00),
    ],
)
def test_a_write_off_brings_our_half_to_where_the_other_is(conn, ours, theirs, moved):
    case = a_case(conn, ours=ours, theirs=theirs, state="investigating")
    state, _ = an_approval(conn, a_write_off(conn, case))
    assert (state, clearing(conn)) == ("written_off", moved)
    assert balance(conn, PROGRAM, "bad_debt", asset="EUR").minor == -moved
    still_true(conn)


def test_a_write_off_above_the_limit_is_refused_and_the_limit_can_be_set(conn):
    case = a_case(conn, ours=1_000_00, theirs=989_99, state="investigating")
    assert limits.write_off_limit(conn, PROGRAM, "EUR") == 10_00
    with pytest.raises(adjusting.WriteOffTooLarge):
        a_write_off(conn, case)
    for minor in (20_00, 10_01):
        limits.set_write_off_limit(conn, PROGRAM, "EUR", minor=minor, reason="the board said", actor=OLGA, now=NOW)
    assert a_write_off(conn, case).limit_minor == 10_01
    limits.set_write_off_limit(conn, PROGRAM, "EUR", minor=0, reason="no more", actor=OLGA, now=NOW)
    an_approval(conn, adjusting.proposals_of(conn, case.id)[0])  # it was within the limit when it was proposed
    still_true(conn)


def test_the_database_refuses_a_write_off_above_its_limit(conn):
    case = a_case(conn, state="investigating")
    with pytest.raises(psycopg.errors.CheckViolation, match="within_limit"), conn.transaction():
        conn.execute(
            """insert into break_proposal (id, break_id, number, kind, payload, payload_sha256, minor, limit_minor, reason, maker, made_at,
                      expires_at) values ('p', %s, 1, 'write_off', '{}', %s, 11, 10, 'x', 'm', %s, %s)""",
            [case.id, bytes(32), NOW, NOW + timedelta(hours=24)],
        )


@pytest.mark.parametrize(
    "lines",
    [
        [NewPosting("provider_fee", "suspense", 12_00)],  # it leaves what differs as it is
        [NewPosting("provider_fee", "clearing:simulator", 11_00)],
        [NewPosting("clearing:simulator", "provider_fee", 12_00)],
        [NewPosting("provider_fee", "clearing:simulator", 12_00), NewPosting("clearing:simulator", "suspense", 12_00)],
    ],
)
def test_a_journal_that_does_not_change_what_differs_is_no_adjustment(conn, lines):
    case = a_case(conn, state="investigating")
    with pytest.raises(adjusting.AdjustmentMisses):
        a_proposal(conn, case.id, lines=lines)
    assert the_cases(conn)[0].state == "investigating"


def test_one_difference_may_have_two_causes(conn):
    case = a_case(conn, state="investigating")
    lines = [
        NewPosting("provider_fee", "clearing:simulator", 10_00),
        NewPosting("suspense", "clearing:simulator", 2_00),
    ]
    assert an_approval(conn, a_proposal(conn, case.id, lines=lines))[0] == "adjusted"


def test_what_both_sides_hold_alike_or_another_source_corrects_is_not_adjusted(conn):
    same = a_case(conn, a_break(theirs=1_000_00, kind="STATUS_MISMATCH"), state="investigating")
    with pytest.raises(adjusting.NothingToAdjust) as refused:
        a_proposal(conn, same.id)
    assert "same amount" in refused.value.sentence()
    a_run(conn, [a_break("pp_1")], source="simulator:payouts")
    part = the_cases(conn, source="simulator:payouts")[0]
    work.investigate_break(conn, part.id, actor=MIRA, now=NOW)
    with pytest.raises(adjusting.NothingToAdjust) as refused:
        a_proposal(conn, part.id)
    assert "on the break of simulator" in refused.value.sentence()


def test_a_proposal_whose_break_is_gone_is_withdrawn_to_matched(conn):
    case = a_case(conn, state="pending_adjustment")
    run_id, _ = a_run(conn)
    state = adjusting.withdraw_proposal(conn, case.id, reason="it is gone", by=who(conn, NOAH), now=NOW)
    assert (state, the_cases(conn)[0].gone_run) == ("matched", run_id)
    still_true(conn)


def test_a_write_off_takes_effect_on_the_day_that_is_named(conn):
    case = a_case(conn, ours=1_000_00, theirs=995_00, state="investigating")
    later = NOW + timedelta(days=-3)
    _, posted = an_approval(conn, a_write_off(conn, case, effective_at=later))
    assert show_journal(conn, posted.journal_id).effective_at == later


def test_the_reason_why_nothing_is_written_off_is_the_true_one(conn):
    told = {}
    for kind, theirs, source in (
        ("AMBIGUOUS", 999_00, "simulator"),
        ("STATUS_MISMATCH", 1_000_00, "simulator"),
        ("AMOUNT_MISMATCH", 999_00, "simulator:payouts"),
        ("AMOUNT_MISMATCH", 1_00, "simulator"),
    ):
        an_open_program(conn)
        a_run(conn, [a_break(kind=kind, theirs=theirs)], source=source)
        case = the_cases(conn)[-1]
        with pytest.raises(Problem) as refused:
            adjusting.refuse_write_off(conn, case)
        told[kind, source, theirs] = refused.value.sentence()
    assert "its partner is among the candidates" in told["AMBIGUOUS", "simulator", 999_00]
    assert "both sides hold the same amount" in told["STATUS_MISMATCH", "simulator", 1_000_00]
    assert "on the break of simulator" in told["AMOUNT_MISMATCH", "simulator:payouts", 999_00]
    assert "limit" in told["AMOUNT_MISMATCH", "simulator", 1_00]


@pytest.mark.parametrize("kind", ["AMBIGUOUS", "CURRENCY_MISMATCH", "STATUS_MISMATCH"])
def test_what_has_no_difference_in_money_is_not_written_off(conn, kind):
    theirs = 1_000_00 if kind == "STATUS_MISMATCH" else 999_00
    case = a_case(conn, a_break(theirs=theirs, kind=kind), state="investigating")
    with pytest.raises(adjusting.NothingToWriteOff):
        a_write_off(conn, case)


def test_a_bank_account_is_written_off_on_its_own_name():
    assert adjusting.account_of_source("bank:client") == "cash:bank:client"
    assert adjusting.account_of_source("simulator") == "clearing:simulator"
    assert adjusting.account_of_source("simulator:payouts") is None


def test_a_break_that_changed_since_is_not_adjusted_by_the_old_proposal(conn):
    case = a_case(conn, a_break("payout:a"), state="pending_adjustment")
    a_run(conn, [a_break("payout:a", theirs=900_00)])
    with pytest.raises(adjusting.ProposalOutdated):
        an_approval(conn, adjusting.proposals_of(conn, case.id)[0])


def test_the_hash_is_of_the_meaning_not_of_the_order_of_fields():
    assert approvals.digest_of({"b": 1, "a": "é"}) == approvals.digest_of({"a": "é", "b": 1})
    assert approvals.digest_of({"a": "1"}) != approvals.digest_of({"a": 1})


def race(database, *acts):
    """Everybody begins at the same moment, in a transaction of their own; what each got: a value or a Problem."""
    gate, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place, act):
        try:
            with database.transaction() as conn:
                gate.wait(5)
                results[place] = act(conn)
        except Problem as problem:
            results[place] = problem

    threads = [threading.Thread(target=run, args=one) for one in enumerate(acts)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
        assert not one.is_alive()
    return results


def test_of_two_approvers_who_race_one_posts_and_the_other_is_told(database):
    with database.transaction() as conn:
        proposal = a_proposal(conn, a_case(conn, state="investigating").id)
    results = race(
        database,
        lambda conn: an_approval(conn, proposal, checker=NOAH),
        lambda conn: an_approval(conn, proposal, checker=OLGA),
    )
    assert sorted(type(one).__name__ for one in results) == ["ProposalDecided", "tuple"]
    with database.transaction() as conn:
        assert clearing(conn) == -12_00
        still_true(conn)


def test_of_an_approval_and_a_withdrawal_that_race_exactly_one_counts(database):
    with database.transaction() as conn:
        proposal = a_proposal(conn, a_case(conn, state="investigating").id)
    results = race(
        database,
        lambda conn: an_approval(conn, proposal),
        lambda conn: adjusting.withdraw_proposal(conn, proposal.break_id, reason="no", by=who(conn, OLGA), now=NOW),
    )
    assert sum(isinstance(one, approvals.ProposalDecided) for one in results) == 1
    with database.transaction() as conn:
        state = the_cases(conn)[0].state
        assert (state, clearing(conn)) in [("adjusted", -12_00), ("investigating", 0)]
        still_true(conn)


def test_of_two_people_who_take_it_up_at_once_one_owns_it(database):
    with database.transaction() as conn:
        case = a_case(conn)
    results = race(
        database,
        *(lambda conn, who=who: work.investigate_break(conn, case.id, actor=who, now=NOW, expected="open") for who in (MIRA, NOAH)),
    )
    assert sorted(map(str, map(type, results))) == sorted(map(str, (StateMoved, str)))
    with database.transaction() as conn:
        still_true(conn)


def test_a_reason_that_is_empty_leaves_a_proposal_undecided(conn):
    proposal = a_proposal(conn, a_case(conn, state="investigating").id)
    for act in (
        lambda: adjusting.withdraw_proposal(conn, proposal.break_id, reason="", by=who(conn, NOAH), now=NOW),
        lambda: adjusting.approve_proposal(
            conn, proposal.break_id, payload_sha256=proposal.payload_sha256, reason="", by=who(conn, NOAH), now=NOW
        ),
    ):
        with pytest.raises(ReasonRequired), conn.transaction():
            act()
    still_true(conn)


def test_paired_verbs_are_those_that_post():
    assert set(adjusting.VERBS.values()) == BREAK.paired
