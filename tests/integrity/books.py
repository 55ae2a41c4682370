"""Books in which everything that a check speaks of is there, and a superuser who passes over every rule of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from counterfoil.base.edge import make_id, now
from counterfoil.base.encryption.keys import carry
from counterfoil.base.invariant import Invariant
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.integrity.alerts.filing import Reading, file_answer
from counterfoil.integrity.asking import ask
from counterfoil.integrity.incidents.opening import open_incidents
from counterfoil.integrity.sentinel import Sentinel
from counterfoil.ledger.accounts.accounts import freeze_account, open_accounts
from counterfoil.ledger.holds import take_hold
from counterfoil.ledger.journals.journal import NewJournal, post, reverse
from counterfoil.ledger.journals.key_spaces import CARBON_EMIT
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.ledger.periods import close_period
from counterfoil.operations import approvals
from counterfoil.operations.access.access import Caller
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.verbs import VerbCall, say
from counterfoil.operations.webhooks_out.endpoints import create_endpoint
from counterfoil.operations.webhooks_out.noun import ENDPOINT_NOUN
from counterfoil.operations.webhooks_out.signing import new_pair
from counterfoil.payouts.batches.deciding import approve_batch, submit_batch
from counterfoil.payouts.batches.gathering import Wanted, gather_batch
from counterfoil.payouts.batches.policies import set_policy
from counterfoil.payouts.disputes.disputes import open_dispute
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice
from counterfoil.proofs.log.checkpoints import make_checkpoint
from counterfoil.proofs.log.sequencing import sequence
from counterfoil.reconciliation.breaks import adjusting
from counterfoil.reconciliation.breaks.queries import Filter, list_breaks
from counterfoil.settlement.affiliates.affiliates import refer, set_affiliate
from counterfoil.settlement.commissions.moving import mature, pay_affiliates
from counterfoil.settlement.commissions.rates import set_terms
from counterfoil.settlement.commissions.rules import CommissionTerms
from counterfoil.settlement.escrow.escrows import NewEscrow, fund_escrow, open_escrow, sign_escrow
from counterfoil.settlement.escrow.moving import Hand, refund_escrow, release_escrow, repay_escrow
from counterfoil.settlement.escrow.rules import Condition
from counterfoil.settlement.fees.fees import set_rates
from counterfoil.settlement.treasury.treasury import TreasuryMovement, move_fees
from counterfoil.treasury.agents.agents import NewMandate, create_agent, freeze_agent, grant_mandate
from counterfoil.treasury.agents.model import account_name
from counterfoil.treasury.carbon.billing import NewBill, import_bill
from counterfoil.treasury.carbon.credits import NewCredit, buy_credits, retire_credits
from counterfoil.treasury.carbon.model import EMITTED, CarbonMeans, emissions_of, open_unit
from counterfoil.treasury.two_phase.noun import TRANSACTION_NOUN
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, advance, begin_transaction
from counterfoil.wiring import CHECKS, TABLES
from counterfoil.wiring import PAIRED as WIRED
from tests.builders import PROGRAM, Desk
from tests.conftest import KEYS
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.people import log_in_as
from tests.reconciliation.breaks.builders import a_case, an_approval


@contextmanager
def full_books(server: PrivatePostgres, folder: Path) -> Iterator[Desk]:
    """Books in which everything that an invariant speaks of is there: paid, failed, returned and pending, held, reversed, broken."""
    with a_desk(server, folder) as desk:
        desk.spoil_the_statement()
        days.a_day_of_trouble(desk)
        days.reconciled(desk, on=now() - timedelta(days=1))
        days.reconciled(desk)
        _referred(desk)
        _taken_back(desk)
        _pending(desk)
        _refunded(desk)
        with desk.database.transaction() as conn:
            _by_hand(conn)
            _breaks(conn)
            _batch(conn)
            _escrows(conn)
            _agents(conn)
            _endpoint(conn)
        days.a_key(desk.database, name="keyholder")
        _in_the_log(desk)
        _watched(desk)
        yield desk


def _in_the_log(desk: Desk) -> None:
    with desk.database.transaction() as conn:
        size = sequence(conn, make_origin="test/log", now=now()).size
    with desk.database.transaction() as conn:
        make_checkpoint(conn, size, make_key_id=make_id("lgk"), now=now())


def _watched(desk: Desk) -> None:
    """A run of the sentinel that asked everything, and a finding of the past with its incident."""
    Sentinel(desk.database, CHECKS, now, make_id, TABLES).run("full")
    past = Invariant("PAST", "Was it so?", "select 'thing'", "critical", "It was so.", "P12")
    with desk.database.transaction() as conn:
        (run_id,) = conn.execute("select id from sentinel_run").fetchone() or ("",)
        answer = ask(conn, past, now=now(), tables=TABLES)
        file_answer(conn, past, answer, Reading(run_id, now(), "full"), make_id=make_id, now=now())
        open_incidents(conn, past, run_id, make_id=make_id, now=now())


def _pending(desk: Desk) -> None:
    """A settlement whose payout is about to be made, one whose payout is about to be sent, and an invoice that nobody paid."""
    paid, waiting, _ = days.issued(desk, ["41.00", "42.00", "43.00"], prefix="p", payee="payee-1")
    desk.clock.now = max(desk.clock.now, now())
    desk.pay(paid, 41_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events")
    desk.pay(waiting, 43_00)  # 1.00 too much
    desk.deliver()
    desk.work("webhooks", "verify", "settle")


def _refunded(desk: Desk) -> None:
    """Settlements with holdbacks: of one a part went back to its customer, one is disputed, of one the bank took a part back."""
    with desk.database.transaction() as conn:
        set_rates(conn, PROGRAM, platform_bps=500, validator_bps=100, holdback_bps=1000, actor="t", now=desk.clock.now)
    paid, disputed, taken = days.issued(desk, ["44.00", "45.00", "46.00"], prefix="r", payee="payee-1")
    desk.pay(paid, 44_00)
    desk.pay(disputed, 45_00)
    desk.pay(taken, 46_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle")
    ((charge,),) = desk.rows("select charge_id from payment where invoice_id = %s", taken)
    desk.http.post(f"/v1/charges/{charge}/chargebacks", json={"amount": "2000", "fee": "1500"}).raise_for_status()
    desk.deliver()
    desk.work("webhooks")
    with desk.database.transaction() as conn:
        given: dict[str, Any] = {"cause": "asked", "make_id": make_id, "actor": "t", "now": desk.clock.now}
        book_refund(conn, make_id("ref"), lock_invoice(conn, paid), 10_00, **given)
        anna = Caller("", "anna", "operator", principal_id="prn_anna")
        open_dispute(conn, make_id("dsp"), disputed, cause="empty", make_id=make_id, by=anna, now=desk.clock.now)


def _taken_back(desk: Desk) -> None:
    """An escrow whose money the bank takes back, and has not decided."""
    at = desk.clock.now
    with desk.database.transaction() as conn:
        new = NewEscrow(PROGRAM, "ben", "payee-1", "EUR", 48_00, "order 8", at + timedelta(days=900), ())
        one = open_escrow(conn, make_id("esc"), new, actor="t", now=at).id
    desk.pay(one, 48_00)
    desk.deliver()
    desk.work("webhooks", "events")
    ((charge,),) = desk.rows("select charge_id from payment where reference = %s", one)
    desk.http.post(f"/v1/charges/{charge}/chargebacks", json={"amount": "3000", "fee": "0"}).raise_for_status()
    desk.deliver()
    desk.work("webhooks")


def _by_hand(conn: Connection[Any]) -> None:
    """A reversed journal, a hold that is open, a frozen account, a closed period, and an action."""
    at = now()
    open_accounts(
        conn,
        PROGRAM,
        ["suspense", "clearing:simulator", "escrow:frozen", "escrow:held"],
        asset="EUR",
        actor="t",
        now=at,
    )
    where: dict[str, Any] = {"asset": "EUR", "actor": "t", "now": at}
    for key in ("hand", "held"):
        posted = post(conn, PROGRAM, key=key, kind="t", lines=[("clearing:simulator", "escrow:held", 500)], **where)
    take_hold(
        conn,
        PROGRAM,
        key="h",
        debit="escrow:held",
        credit="suspense",
        minor=70,
        expires_at=at + timedelta(days=1),
        **where,
    )
    reverse(conn, PROGRAM, posted.journal_id, key="back", reason="by mistake", actor="t", now=at)
    freeze_account(conn, PROGRAM, "escrow:frozen", asset="EUR", reason="a dispute", actor="t", now=at)
    close_period(conn, PROGRAM, until=at - timedelta(days=40), reason="month", actor="t", now=at)
    time.sleep(0.01)
    post(conn, PROGRAM, key="after", kind="t", lines=[("clearing:simulator", "suspense", 5)], **where)
    conn.execute(
        """insert into action (id, actor, role, verb, subject_id, reason, request_id, payload, at)
           values ('act_1', 't', 'controller', 'close', 'main', 'month', 'req_1', '{}', %s)""",
        [at],
    )


def _breaks(conn: Connection[Any]) -> None:
    """One break adjusted by two people, one that waits for the second; more that the day's run found are open."""
    a_case(conn, state="pending_adjustment")
    (waiting,) = list_breaks(conn, Filter(state="pending_adjustment"), rows_max=10)
    an_approval(conn, adjusting.proposals_of(conn, waiting.id)[0])
    a_case(conn, state="pending_adjustment")


def _batch(conn: Connection[Any]) -> None:
    """A policy that came after all that was paid, and a batch that somebody approved."""
    at = now()
    set_policy(conn, PROGRAM, "EUR", by_rule_max=0, tiers=[], cooling_hours=72, reason="agreed", actor="t", now=at)
    maker, _ = log_in_as(conn, "Gita", "operator")
    made = gather_batch(conn, Wanted(PROGRAM, "EUR"), by=maker, make_id=make_id, now=at)
    submit_batch(conn, made.batch_id, by=maker, now=at)
    approve_batch(conn, made.batch_id, by=log_in_as(conn, "Otto", "approver")[0], now=now())


def _escrows(conn: Connection[Any]) -> None:
    """An escrow that was signed, released in part and refunded in part, which its customer has back; one that waits."""
    at = now()
    hand = Hand("t", at, make_id, "part of it")
    log_in_as(conn, "portal")
    signed = Condition("signature", signers=("person:portal",))
    for number, conditions in enumerate(((signed,), ())):
        new = NewEscrow(PROGRAM, "ann", "payee-1", "EUR", 50_00, "order", at + timedelta(days=9), conditions)
        one = open_escrow(conn, make_id("esc"), new, actor="t", now=at).id
        fund_escrow(conn, one, hand, provider="bank", reference=f"B-{number}")
        if conditions:
            sign_escrow(conn, one, make_id=make_id, actor="person:portal", now=at)
            release_escrow(conn, one, hand, amount=30_00)
            refund_escrow(conn, one, hand)
            repay_escrow(conn, one, hand, amount=None, provider="bank", reference="R-1", known=set())
            move_fees(conn, TreasuryMovement("trm_1", PROGRAM, "EUR", "distribution", 10, "V-1", "monthly", "t", at))


def _agents(conn: Connection[Any]) -> None:
    """Agents with mandates, one of them frozen; a transaction of each end, one that is prepared, and one that two people forced."""
    given: dict[str, Any] = {"now": now()}
    payer, payee, third = (create_agent(conn, make_id("agent"), PROGRAM, name=name, actor="t", **given).id for name in ("a", "b", "c"))
    lines = [("clearing:simulator", account_name(payer), 100_00)]
    post(conn, PROGRAM, key="to an agent", kind="t", lines=lines, asset="EUR", actor="t", **given)
    for limits in ({"per_day": 90_00}, {"per_transaction": 50_00, "per_day": 90_00}):
        made = NewMandate("EUR", None, "anyone", limits, None)
        grant_mandate(conn, make_id("mdt"), payer, made, reason="agreed", actor="t", **given)
    ids = [make_id("txn") for _ in range(4)]
    for one, amount in zip(ids, (10_00, 60_00, 11_00, 12_00), strict=True):
        parts = [NewParticipant(payer, "debit", "EUR", amount), NewParticipant(payee, "credit", "EUR", amount)]
        commits = "by_itself" if one in ids[:2] else "on_request"
        begin_transaction(conn, one, NewTransaction(PROGRAM, "task", parts, commits), actor="t", **given)
        for _ in range(3):
            advance(conn, one, **given)
    maker, checker = log_in_as(conn, "Fay", "operator")[0], log_in_as(conn, "Kim", "approver")[0]
    verb = TRANSACTION_NOUN.verb("force_commit")
    asked = VerbCall(conn, ids[3], maker, given["now"], make_id, "it does not go on", {"approval": "INC-1"})
    assert verb.propose is not None
    proposal = verb.propose(asked)
    approvals.approve_and_do(
        conn, proposal.id, WIRED, payload_sha256=proposal.payload_sha256, reason="seen", by=checker, now=max(given["now"], now())
    )
    advance(conn, ids[3], **given)
    freeze_agent(conn, third, reason="a look", actor="t", **given)
    _carbon(conn, payer)
    states = dict(conn.execute("select state, count(*) from two_phase group by state").fetchall())
    assert states == {"committed": 2, "aborted": 1, "prepared": 1}


def _carbon(conn: Connection[Any], agent: str) -> None:
    """Grams of an agent's day, and credits of which some are retired."""
    at = now()
    open_unit(conn, PROGRAM, now=at)
    posting = make_id("cpost")
    conn.execute(
        """insert into carbon_posting (id, program_id, agent_id, region, day, number, grams, total, watt_hours, forced, sync_id, at)
           values (%s, %s, %s, 'DE', %s, 1, 500, 500, 1000, false, 'x', %s)""",
        [posting, PROGRAM, agent, at.date(), at],
    )
    journal = NewJournal(
        CARBON_EMIT.key(posting),
        CARBON_EMIT.kind or "",
        [(EMITTED, emissions_of(agent), 500)],
        "CO2E",
        "t",
        source=("carbon_posting", posting),
        space=CARBON_EMIT,
    )
    post_all(conn, [ProgramJournal(PROGRAM, journal)], now=at)
    ago = at.date() - timedelta(days=10)
    import_bill(conn, CarbonMeans(), make_id("cbill"), PROGRAM, NewBill("watttime", "b-1", ago, ago, []), actor="t", now=at)
    lot = NewCredit("Verra", "VCS-1", 1, 10, 1_000_000, 2025, "order")
    credit = buy_credits(conn, make_id("credit"), PROGRAM, lot, reason="r", actor="t", now=at).id
    given: dict[str, Any] = {"agent_id": agent, "reason": "r", "actor": "t", "now": at}
    retire_credits(conn, make_id("retire"), credit, first_serial=1, last_serial=3, **given)


def _endpoint(conn: Connection[Any]) -> None:
    """An endpoint that was enabled an hour ago, and a delivery to it."""
    at = now() - timedelta(hours=1)
    asked: dict[str, Any] = {"program_id": None, "events": ["work_stuck"], "min_level": "info", "owner_email": "a@b.example", "about": ""}
    pair, one = new_pair(bytes(range(64))), make_id("whe")
    create_endpoint(conn, one, pair, url="https://hooks.example/", networks=(), make_id=make_id, actor="t", now=at, **asked)
    maker, checker = (log_in_as(conn, name, "administrator", at=at)[0] for name in ("Ada", "Bo"))
    said = say(ENDPOINT_NOUN, ENDPOINT_NOUN.verb("enable"), VerbCall(conn, one, maker, at, make_id, "a partner"))
    assert isinstance(said, approvals.Proposal)
    approvals.approve_and_do(conn, said.id, WIRED, payload_sha256=said.payload_sha256, reason="seen", by=checker, now=at)
    emit(conn, [NewEvent("work_stuck", "", "pay_1", {})], at=now())


def _referred(desk: Desk) -> None:
    """Two affiliates, one above the other, earned of two sales: of the first a part went back. Those of the second are paid to one."""
    at = max(desk.clock.now, now())
    desk.clock.now = at
    with desk.database.transaction() as conn:
        set_terms(conn, PROGRAM, "EUR", CommissionTerms("gross", "rates", (1000, 200), 2000, 0, 0), actor="t", now=at)
        given: dict[str, Any] = {"reason": "t", "make_id": make_id, "actor": "t", "now": at}
        above = set_affiliate(conn, PROGRAM, "bob", None, **given).id
        ann = set_affiliate(conn, PROGRAM, "ann", above, **given).id
        for number in range(2):
            refer(conn, ann, f"c-customer-{number:03}", actor="t", now=at)
    refunded, sold = days.issued(desk, ["70.00", "71.00"], prefix="c", payee="payee-1")
    desk.pay(refunded, 70_00)
    desk.pay(sold, 71_00)
    desk.deliver()
    desk.work()
    with desk.database.transaction() as conn:
        book_refund(conn, make_id("ref"), lock_invoice(conn, refunded), 10_00, cause="asked", make_id=make_id, actor="t", now=at)
    desk.work()
    with desk.database.transaction() as conn:
        rows = conn.execute(
            "select c.id, c.taken_back > 0 from commission c join settlement s on s.id = c.sale_id where s.invoice_id = any(%s)",
            [[refunded, sold]],
        ).fetchall()
        assert sorted(row[1] for row in rows) == [False, False, True, True], "the events were not followed"
        mature(conn, [row[0] for row in rows if not row[1]], make_id=make_id, now=desk.clock.now)
        assert pay_affiliates(conn, [above], make_id=make_id, now=desk.clock.now)


@contextmanager
def past_the_rules(books: Desk) -> Iterator[Connection[Any]]:
    """A superuser's connection with every trigger off and every rule passed over; all of it is undone at its end."""
    with psycopg.connect(books.database.url, autocommit=True) as conn, conn.transaction(force_rollback=True):
        carry(conn, KEYS)
        conn.execute("set session_replication_role = replica")
        yield conn


def triggers_off(conn: Connection[Any]) -> None:
    tables = conn.execute("""
        select distinct c.oid::regclass::text from pg_class c join pg_trigger t on t.tgrelid = c.oid
        where not t.tgisinternal and c.relnamespace = 'public'::regnamespace""").fetchall()
    for (table,) in tables:
        conn.execute(f"alter table {table} disable trigger user".encode())
    checks = conn.execute("""
        select conrelid::regclass::text, conname from pg_constraint
        where contype in ('c', 'u') and connamespace = 'public'::regnamespace and conrelid <> 0""").fetchall()
    for table, name in checks:
        conn.execute(f'alter table {table} drop constraint if exists "{name}" cascade'.encode())
