"""Disputes in the real tables, against the simulator: what they hold at once, what a ruling moves and when, and what they never do."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import Database, keep_to_program, make_id
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.operations.access.access import Caller
from counterfoil.operations.verbs import VerbCall, say
from counterfoil.payouts.disputes import disputes, evidence
from counterfoil.payouts.disputes.standing import held_by_dispute
from counterfoil.payouts.next_action import next_action
from counterfoil.payouts.payouts.by_hand import cancel_payout
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN
from counterfoil.payouts.refunds.noun import REFUND_NOUN
from counterfoil.payouts.refunds.refunds import UnderDispute, execute_refund
from counterfoil.settlement.escrow.moving import release_escrow
from tests.builders import Desk, a_program, issue
from tests.payouts.refunding import SETTLED, go, paid, refund, states
from tests.settlement.escrow.vault import an_escrow, hand
from tests.simulators import spawn_simulator
from tests.waiting import WAITS

ANNA, BEN = (Caller("", name, "operator+approver", principal_id=f"prn_{name}") for name in ("anna", "ben"))


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database, holdback_bps=1000)
        yield Desk(database, simulator)


def opened(desk: Desk, invoice: str) -> str:
    with desk.database.transaction() as conn:
        made = disputes.open_dispute(conn, make_id("dsp"), invoice, cause="empty box", make_id=make_id, by=ANNA, now=desk.clock.now)
    return made.id


def decided(desk: Desk, dispute: str, outcome: str, *, by: Caller = BEN, policy: str = "proportional", amount: int | None = None) -> None:
    with desk.database.transaction() as conn:
        given: dict[str, Any] = {"by": by, "now": desk.clock.now}
        if disputes.show_dispute(conn, dispute).state == "open":
            disputes.step(conn, dispute, "review", reason="", **given)
        disputes.resolve(conn, dispute, outcome=outcome, amount=amount, ratio_bps=None, policy=policy, reason="seen", **given)


def effect(desk: Desk) -> None:
    desk.clock.advance(days=7)
    desk.work("disputes")
    go(desk)


def held(desk: Desk, dispute: str) -> list[tuple[str, int]]:
    with desk.database.transaction(read_only=True) as conn:
        return [(one.what, one.amount) for one in held_by_dispute(conn, dispute, rows_max=10)]


def test_a_payout_that_is_over_and_owed_leads_to_the_dispute_that_has_to_end_first(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    ((payout,),) = desk.rows("select id from payout")
    with desk.database.transaction() as conn:
        cancel_payout(conn, payout, reason="asked to", actor="t", now=desk.clock.now)
    dispute = opened(desk, invoice)
    with desk.database.transaction(read_only=True) as conn:
        action = next_action(conn, payout, desk.clock.now)
    assert (action.need, action.command) == ("owed", f"counterfoil disputes show {dispute}")
    assert f"reissue is refused now: dispute {dispute} on its invoice is open" in action.why


def test_opening_holds_what_is_set_aside_and_a_ruling_for_the_payee_lets_it_go(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED, "reserve")
    dispute = opened(desk, invoice)
    assert states(desk) == [("held", 84_00)]
    assert held(desk, dispute) == [("payout", 84_00), ("holdback", 10_00)]
    with desk.database.transaction(read_only=True) as conn:
        action = next_action(conn, desk.rows("select id from payout")[0][0], desk.clock.now)
    assert (action.need, action.command) == ("held", f"counterfoil disputes show {dispute}")
    assert f"dispute {dispute} is open" in action.why
    go(desk)
    assert desk.rows("select state, fence > 0 from provider_payout") == [("cancelled", True)]
    decided(desk, dispute, "provider_win")
    desk.work("disputes")
    assert states(desk) == [("held", 84_00)], "nothing moves while it may be appealed"
    with desk.database.transaction(read_only=True) as conn:
        action = next_action(conn, desk.rows("select id from payout")[0][0], desk.clock.now)
    assert (action.need, action.command) == ("held", f"counterfoil disputes show {dispute}")
    until = f"{desk.clock.now + disputes.APPEAL_WITHIN:%Y-%m-%d %H:%M} UTC"
    assert f"dispute {dispute} is decided, and its ruling has effect at {until} unless it is appealed" in action.why
    desk.still_true()
    effect(desk)
    assert states(desk) == [("completed", 84_00)]
    assert held(desk, dispute) == [], "it has ended"
    assert desk.rows("select state, refund_id from dispute") == [("final", None)]
    desk.still_true()


def test_a_ruling_for_the_customer_gives_everything_back_once(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    decided(desk, opened(desk, invoice), "customer_win")
    effect(desk)
    effect(desk)
    assert (states(desk), desk.balance("refund_payable:customer:customer-u-1")) == ([("refunded", 84_00)], 100_00)
    desk.still_true()


@pytest.mark.parametrize(("policy", "left"), [("proportional", (3_33, 66, 6_66, 56_03)), ("retain_fees", (5_00, 1_00, 6_66, 54_02))])
def test_a_ruling_in_part_cuts_the_payout_as_the_specification_says(desk: Desk, policy: str, left: tuple[int, ...]):
    invoice = paid(desk, "100.01")
    desk.work(*SETTLED)
    dispute = opened(desk, invoice)
    decided(desk, dispute, "partial", amount=33_33, policy=policy)
    with desk.database.transaction() as conn:
        told = disputes.split_of(conn, disputes.show_dispute(conn, dispute))
    assert told == (33_33, *left), "what is said before it has effect is what is booked then"
    effect(desk)
    names = ("fee:platform", "payable:validator", "holdback:payee:payee-1")
    assert (*(desk.balance(name) for name in names), *desk.rows("select amount from provider_payout")[0]) == left
    desk.still_true()


def test_what_is_disputed_is_not_settled_and_then_it_is(desk: Desk):
    invoice = paid(desk)
    dispute = opened(desk, invoice)
    go(desk)
    assert held(desk, dispute) == [("not settled", 100_00)]
    assert desk.rows("select count(*) from settlement") == [(0,)]
    decided(desk, dispute, "partial", amount=40_00)
    effect(desk)
    assert desk.rows("select gross from settlement") == [(60_00,)]
    desk.still_true()


def test_a_send_that_has_begun_is_left_and_the_payees_next_money_waits(desk: Desk):
    invoice = paid(desk)
    go(desk)
    dispute = opened(desk, invoice)
    paid(desk, "50.00", prefix="v")
    go(desk)
    assert states(desk) == [("completed", 84_00), ("pending", 42_00)]
    desk.clock.advance(days=31)
    desk.work("release-holdback")
    assert desk.rows("select count(*) from holdback_tranche where state = 'held'") == [(2,)]
    decided(desk, dispute, "provider_win")
    effect(desk)
    assert states(desk)[1] == ("completed", 42_00)
    desk.still_true()


def test_what_an_escrow_released_to_the_payee_waits_with_their_next_money(desk: Desk):
    """A release is no settlement, and waits all the same while a dispute says that money went out to its payee."""
    invoice = paid(desk)
    go(desk)
    dispute = opened(desk, invoice)
    with desk.database.transaction() as conn:
        escrow = an_escrow(conn, expires_at=desk.clock.now + timedelta(days=90))
    desk.pay(escrow, 100_00, fee=0)
    go(desk)
    with desk.database.transaction() as conn:
        release_escrow(conn, escrow, hand(desk.clock.now))
    go(desk)
    assert states(desk) == [("completed", 84_00), ("pending", 94_00)]
    decided(desk, dispute, "provider_win")
    effect(desk)
    assert states(desk) == [("completed", 84_00), ("completed", 94_00)]
    desk.still_true()


def test_no_refund_and_no_second_dispute_while_one_is_open(desk: Desk):
    invoice = paid(desk)
    opened(desk, invoice)
    with pytest.raises(UnderDispute):
        refund(desk, invoice, 1_00)
    with pytest.raises(UnderDispute):
        opened(desk, invoice)


def test_a_refund_that_is_owed_already_waits_for_the_ruling_and_says_so(desk: Desk):
    invoice = paid(desk)
    owed = refund(desk, invoice, 10_00)

    def pay(**more: Any) -> str:
        with desk.database.transaction() as conn:
            return execute_refund(conn, owed.id, provider="bank", reference="B-1", known=set(), actor="t", now=desk.clock.now, **more)

    def why_not() -> str | None:
        assert REFUND_NOUN.refusals is not None
        with desk.database.transaction() as conn:
            return REFUND_NOUN.refusals(conn, owed.id, desk.clock.now)["execute"]

    assert why_not() is None
    dispute = opened(desk, invoice)
    assert why_not() == f"dispute {dispute} is open, until it is decided; only what was paid before it was opened is recorded, with paid_at"
    with pytest.raises(UnderDispute) as refused:
        pay()
    assert refused.value.facts["dispute"] == dispute
    decided(desk, dispute, "customer_win")
    with pytest.raises(UnderDispute):
        pay()
    effect(desk)
    assert desk.rows("select amount, state from refund order by id") == [(10_00, "owed"), (90_00, "owed")], "it is cut at what was left"
    assert (why_not(), pay(), why_not()) == (None, "executed", "it is executed")
    desk.still_true()


def test_a_refund_that_was_paid_before_the_dispute_is_recorded_at_its_moment_and_the_ruling_is_cut_as_before(desk: Desk):
    invoice = paid(desk)
    owed = refund(desk, invoice, 10_00)
    booked = desk.clock.now
    desk.clock.advance(minutes=10)
    gone = desk.clock.now
    desk.clock.advance(minutes=10)
    dispute = opened(desk, invoice)
    opened_at = desk.clock.now
    desk.clock.advance(minutes=10)

    def pay(paid_at: datetime) -> str:
        with desk.database.transaction() as conn:
            given = {"provider": "bank", "reference": "B-1", "known": set[str](), "actor": "t", "now": desk.clock.now}
            return execute_refund(conn, owed.id, **given, paid_at=paid_at)

    for late in (opened_at, desk.clock.now):
        with pytest.raises(UnderDispute):
            pay(late)
    for wrong in (booked - timedelta(minutes=1), desk.clock.now + timedelta(minutes=1)):
        with pytest.raises(InvalidInput):
            pay(wrong)
    assert pay(gone) == "executed"
    assert desk.rows("select effective_at from journal where kind = 'refund_execute'") == [(gone,)]
    decided(desk, dispute, "customer_win")
    effect(desk)
    assert desk.rows("select amount, state from refund order by id") == [(10_00, "executed"), (90_00, "owed")], "as if it had waited"
    desk.still_true()


def test_no_party_decides_and_an_appeal_is_once_and_for_somebody_else(desk: Desk):
    dispute = opened(desk, paid(desk))
    with pytest.raises(Problem, match="does not decide"):
        decided(desk, dispute, "customer_win", by=ANNA)
    decided(desk, dispute, "customer_win")
    with desk.database.transaction() as conn:
        disputes.appeal(conn, dispute, reason="new photos", by=ANNA, now=desk.clock.now)
    with pytest.raises(Problem, match="does not decide"):
        decided(desk, dispute, "provider_win")
    decided(desk, dispute, "provider_win", by=BEN._replace(principal_id="prn_carl"))
    with pytest.raises(Problem, match="only once"), desk.database.transaction() as conn:
        disputes.appeal(conn, dispute, reason="again", by=ANNA, now=desk.clock.now)


def test_nobody_rejects_what_was_decided_and_appealed_and_no_party_rejects(desk: Desk):
    dispute = opened(desk, paid(desk))
    carl = BEN._replace(principal_id="prn_carl")

    def reject(by: Caller) -> None:
        with desk.database.transaction() as conn:
            disputes.end_unruled(conn, dispute, "reject", reason="no case", by=by, now=desk.clock.now)

    with pytest.raises(Problem, match="does not reject it"):
        reject(ANNA)
    decided(desk, dispute, "customer_win")
    with desk.database.transaction() as conn:
        disputes.appeal(conn, dispute, reason="new photos", by=carl, now=desk.clock.now)
    with pytest.raises(Problem, match="decides it anew"):
        reject(BEN._replace(principal_id="prn_dora"))
    assert desk.rows("select state, ended_at from dispute") == [("under_review", None)]


def test_what_nobody_decided_yet_an_operator_rejects(desk: Desk):
    dispute = opened(desk, paid(desk))
    with desk.database.transaction() as conn:
        disputes.end_unruled(conn, dispute, "reject", reason="no case", by=BEN, now=desk.clock.now)
    assert (desk.rows("select state from dispute"), of_invoice(desk)) == ([("rejected",)], "paid")


def test_time_outs_go_up_three_levels_and_never_decide(desk: Desk):
    dispute = opened(desk, paid(desk))
    for hours in (48, 72, 72, 72, 72):
        desk.clock.advance(hours=hours)
        desk.ticks["disputes"]()
    assert desk.rows("select state, level, outcome from dispute") == [("escalated", 3, None)]
    assert desk.rows("select count(*) from event where name = 'dispute_overdue'") == [(2,)]
    decided(desk, dispute, "provider_win")


def test_a_file_is_kept_with_its_hash_once_and_who_gave_it_is_a_party(desk: Desk):
    dispute = opened(desk, paid(desk))
    with desk.database.transaction() as conn:
        given: dict[str, Any] = {"by": BEN, "now": desk.clock.now}
        first = evidence.add_evidence(conn, dispute, b"a photo", name="box.jpg", **given)
        assert evidence.add_evidence(conn, dispute, b"a photo", name="again.jpg", **given) == first
        assert [one.sha256 for one in evidence.evidence_of(conn, dispute)] == [first[1]]
    with pytest.raises(Problem, match="does not decide"):
        decided(desk, dispute, "customer_win")


def of_invoice(desk: Desk) -> str:
    return str(desk.rows("select state from invoice")[0][0])


@pytest.mark.parametrize(
    ("outcome", "refund", "after"), [("provider_win", None, "paid"), ("customer_win", None, "refunded"), ("partial", 1_00, "paid")]
)
def test_an_invoice_is_disputed_while_its_dispute_is_open(desk: Desk, outcome: str, refund: int | None, after: str):
    invoice = paid(desk)
    dispute = opened(desk, invoice)
    assert of_invoice(desk) == "disputed"
    decided(desk, dispute, outcome, amount=refund)
    effect(desk)
    assert of_invoice(desk) == after
    desk.still_true()


def test_what_is_paid_on_a_disputed_invoice_counts_and_waits_with_it(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    desk.pay(invoice, 60_00, fee=0)
    desk.deliver()
    desk.work("webhooks")
    dispute = opened(desk, invoice)
    desk.pay(invoice, 40_00, fee=0)
    desk.deliver()
    go(desk)
    assert (of_invoice(desk), desk.rows("select paid from invoice")) == ("disputed", [(100_00,)])
    decided(desk, dispute, "customer_win")
    effect(desk)
    assert (of_invoice(desk), desk.rows("select sum(amount) from refund")) == ("refunded", [(100_00,)])
    desk.still_true()


def said(desk: Desk, verb: str) -> str:
    """Say a verb of the only payout, as a route does."""
    with desk.database.transaction() as conn:
        ((payout,),) = conn.execute("select id from payout").fetchall()
        return say(PAYOUT_NOUN, PAYOUT_NOUN.verb(verb), VerbCall(conn, payout, BEN, desk.clock.now, make_id, "the ruling")).state


@pytest.mark.parametrize(
    ("outcome", "verb", "other", "state"),
    [("provider_win", "release_hold", "refund", "pending"), ("customer_win", "refund", "release_hold", "refunded")],
)
def test_a_person_has_a_ruling_take_effect_once_it_may_and_never_another(desk: Desk, outcome: str, verb: str, other: str, state: str):
    invoice = paid(desk)
    desk.work(*SETTLED)
    with pytest.raises(Problem, match="it is pending"):
        said(desk, verb)
    dispute = opened(desk, invoice)
    with pytest.raises(Problem, match="is open: it is decided first"):
        said(desk, verb)
    decided(desk, dispute, outcome)
    with pytest.raises(Problem, match="may be appealed until"):
        said(desk, verb)
    desk.clock.advance(days=7)
    with pytest.raises(Problem, match=f"was resolved as {outcome.replace('_', ' ')}"):
        said(desk, other)
    assert said(desk, verb) == state
    with pytest.raises(Problem):
        said(desk, verb)
    effect(desk)
    assert states(desk) == [("completed" if state == "pending" else "refunded", 84_00)]
    desk.still_true()


def test_a_key_of_another_program_sees_no_part_of_a_refund_or_a_dispute(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    refund(desk, invoice, 100_00 - 10)
    dispute = opened(desk, invoice)
    tables = ("refund", "holdback_use", "dispute", "dispute_evidence")
    with desk.database.transaction() as conn:
        evidence.add_evidence(conn, dispute, b"a photo", name="box.jpg", by=BEN, now=desk.clock.now)
        everything = [conn.execute(f"select count(*) from {table}").fetchone() for table in tables]
        keep_to_program(conn, "elsewhere")
        seen = [conn.execute(f"select count(*) from {table}").fetchone() for table in tables]
    assert (everything, seen) == ([(1,)] * len(tables), [(0,)] * len(tables))


def test_a_refund_waits_for_a_tranche_before_it_locks_what_its_release_locks_next(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    with ThreadPoolExecutor(1) as elsewhere:
        with desk.database.transaction() as conn:  # as the job release-holdback: the tranche, and then its settlement's payouts
            conn.execute("select from holdback_tranche for update")
            refunding = elsewhere.submit(refund, desk, invoice, 10_00)
            waits_for_a_lock(desk)
            conn.execute("select from payout for update nowait")
        assert refunding.result().own_holdback == 1_00
    desk.still_true()


def waits_for_a_lock(desk: Desk) -> None:
    """Until somebody waits for a lock that somebody else has."""
    for _ in range(400):
        if desk.rows(WAITS):
            return
        time.sleep(0.01)
    raise AssertionError("nobody waited")
