"""Payments that go to the bank in files: one file for many, none in two, partial acceptance, what comes back, and two at once."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg import Cursor, errors

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.encryption.key_file import new_key
from counterfoil.base.encryption.keys import EncryptionKeys, parse_keys
from counterfoil.base.invariant import run_invariants
from counterfoil.base.machine import Move, take_steps
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewJournal, post_journals
from counterfoil.operations.providers import sepa
from counterfoil.operations.providers.sepa.reports import read_report
from counterfoil.operations.work.calls import NewCall, announce_call, mark_applied, store_answer
from counterfoil.operations.work.pauses import QueuePart, pause, resume
from counterfoil.operations.work.runner import ATTEMPTS_MAX
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.payouts.machines import PAYOUT, PROVIDER_PAYOUT, SENDING
from counterfoil.payouts.next_action import NEEDS, command_of, next_action
from counterfoil.payouts.payees.card import card_of
from counterfoil.payouts.payment_files.files import (
    PAYMENT_FILE_LIST,
    FileCancelled,
    FileIsOut,
    FileNotToBeSent,
    cancel_payment_file,
    download_payment_file,
    orders_of,
)
from counterfoil.payouts.payment_files.filing import file_all_due, file_due
from counterfoil.payouts.payment_files.reporting import take_report
from counterfoil.payouts.payouts.by_hand import retry_payout
from counterfoil.payouts.payouts.matter import matter_of
from counterfoil.payouts.provider_payouts.attempts_by_hand import quarantine_attempt
from counterfoil.payouts.queries import payouts_in_need
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice
from counterfoil.wiring import INVARIANTS, ticks
from tests.base.dumps import dumped, in_clear
from tests.builders import NOW, PROGRAM, Clock, Desk, a_program, issue
from tests.listed import newest
from tests.operations.providers.how import NEEDS_BANK_FILES
from tests.points import at_points
from tests.simulators import spawn_simulator

pytest.importorskip("sepaxml", reason=NEEDS_BANK_FILES)
pytest.importorskip("schwifty", reason=NEEDS_BANK_FILES)

from counterfoil.operations.providers.accounts import bank_account_of
from counterfoil.operations.providers.sepa.provider import SepaProvider

DEBTOR = "DE89370400440532013000;COBADEFFXXX;House GmbH"
IBANS = ("FR1420041010050500013M02606", "NL91ABNA0417164300", "BE68539007547034", "ES9121000418450200051332")
KEYS_OF_ANOTHER = EncryptionKeys(parse_keys(new_key(entropy)), entropy)
PAYEES = tuple(f"payee-{number}" for number in range(1, 5))


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    with spawn_simulator(tmp_path_factory.mktemp("simulator"), settle_ms=0) as process:
        yield process


@pytest.fixture
def desk(database, simulator):
    """Customers pay at the simulator; payees are paid by the bank, from money that was brought there."""
    a_program(database, payees=())
    with database.transaction() as conn:
        for payee, iban in zip(PAYEES, IBANS, strict=True):
            pay_to(conn, payee, f"{iban};Payee {payee}")
        open_accounts(conn, PROGRAM, ["cash:bank:client", "platform:own_funds"], asset="EUR", actor="test", now=NOW)
        funds = NewJournal("funds", "funding", [("cash:bank:client", "platform:own_funds", 1_000_00)], "EUR", "test")
        post_journals(conn, PROGRAM, [funds], now=NOW)
    found = Desk(database, simulator, Clock(now()))
    found._seen = last_event(found)
    bank = SepaProvider(bank_account_of(DEBTOR), gather_for=timedelta())
    found.wiring = replace(found.wiring, providers={**found.wiring.providers, sepa.NAME: bank})
    found.ticks = ticks(found.wiring, "worker:test")
    return found


def last_event(desk) -> str | None:
    data = desk.http.get("/v1/events", params={"limit": 1000}).json()["data"]
    return data[-1]["id"] if data else None


def pay_to(conn, payee: str, token: str) -> None:
    set_destination(conn, make_id("dst"), program_id=PROGRAM, payee_id=payee, provider=sepa.NAME, token=token, actor="test", now=NOW)


def queued(desk, payees: int = 3, prefix: str = "x") -> list[str]:
    """Payouts of 94.00 to so many payees, queued for the bank; their attempts' ids in the order of the payees."""
    for number, payee in enumerate(PAYEES[:payees], start=1):
        [invoice] = issue(desk.database, "100.00", prefix=f"{prefix}{number}", payee=payee)
        desk.pay(invoice, 100_00, key=make_id("pay"))
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events", "reserve")
    rows = desk.rows("select pp.id from provider_payout pp join payout p on p.id = pp.payout_id order by p.payee_id")
    return [row[0] for row in rows]


def a_file(desk) -> str:
    desk.work("outbox")
    with desk.database.transaction() as conn:
        return newest(conn, PAYMENT_FILE_LIST, 1)[0].id


def report(desk, body: bytes, **more):
    read = read_report(body)
    with desk.database.transaction() as conn:
        return take_report(
            conn,
            make_id("brp"),
            provider=sepa.NAME,
            capabilities=desk.wiring.providers[sepa.NAME].capabilities,
            format=read.format,
            message_id=read.message_id,
            orders=read.orders,
            rest=read.rest,
            body=body,
            file_name="r.xml",
            silent_after=desk.wiring.silent_after,
            actor="test",
            now=desk.clock.now,
            **{"program_id": None, **more},
        )


def pain002(file_id: str, orders: dict[str, str], group: str = "PART", reason: str = "AC04") -> bytes:
    told = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{ref}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        + (f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if status == "RJCT" else "")
        + "</TxInfAndSts>"
        for ref, status in orders.items()
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>r</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{file_id}</OrgnlMsgId><GrpSts>{group}</GrpSts>"
        f"</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>{file_id}</OrgnlPmtInfId>{told}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


def camt(*entries: tuple[str, str, str], why: str = "") -> bytes:
    """Booked entries: reference, amount, DBIT or CRDT; of a statement that carries. `why`: the code with which what came back did."""
    total = sum((1 if sign == "CRDT" else -1) * round(float(amount) * 100) for _, amount, sign in entries)
    back = f"<RtrInf><Rsn><Cd>{why}</Cd></Rsn></RtrInf>" if why else ""
    opening = 100_000
    closing = opening + total
    told = "".join(
        f'<Ntry><Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>2026-11-26</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>{ref}</EndToEndId></Refs>"
        f'<Amt Ccy="EUR">{amount}</Amt>{back if sign == "CRDT" else ""}</TxDtls></NtryDtls></Ntry>'
        for ref, amount, sign in entries
    )
    balance = "".join(
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{cents // 100}.{cents % 100:02d}</Amt>'
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-26</Dt></Dt></Bal>"
        for code, cents in (("OPBD", opening), ("CLBD", closing))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>'
        "<GrpHdr><MsgId>m</MsgId><CreDtTm>2026-11-26T20:00:00</CreDtTm></GrpHdr><Stmt><Id>s</Id><CreDtTm>2026-11-26T20:00:00</CreDtTm>"
        f"<Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>{balance}{told}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def states(desk) -> list[str]:
    rows = desk.rows("select pp.state from provider_payout pp join payout p on p.id = pp.payout_id order by p.payee_id, pp.number")
    return [row[0] for row in rows]


def still_true(desk) -> None:
    with desk.database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []
    assert desk.balance("clearing:sepa") == 0  # a bank keeps no balance of ours beside our account


def test_many_queued_payouts_become_one_file_that_is_kept_with_its_hash_and_names_each_by_its_end_to_end_id(desk):
    attempts = queued(desk)
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        [file] = newest(conn, PAYMENT_FILE_LIST, 5)
        body = download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
        again = download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
        lines = orders_of(conn, file_id)
    assert (file.orders, file.amount, file.state, file.orders_open) == (3, 3 * 94_00, "made", 3)
    assert body == again
    assert hashlib.sha256(body).digest() == file.sha256
    assert [one.provider_payout_id for one in lines] == sorted(attempts)
    assert all(f"<EndToEndId>{one}</EndToEndId>".encode() in body for one in attempts)
    assert f"<MsgId>{file_id}</MsgId>".encode() in body
    assert states(desk) == ["sent"] * 3
    assert desk.rows("select state, downloaded_at is not null from payment_file") == [("downloaded", True)]
    still_true(desk)


def test_a_copy_of_the_database_tells_no_account_and_no_name_of_a_payee(desk):
    paid, refused, _ = queued(desk)
    file_id = a_file(desk)
    report(desk, pain002(file_id, {paid: "ACSC", refused: "RJCT"}, reason=f"no account {IBANS[1]}"))
    assert desk.rows("select last_error from provider_payout where id = %s", refused)[0][0] == "the provider says failed: no account …4300"
    with desk.database.transaction() as conn:
        body = download_payment_file(conn, file_id, actor="test", now=desk.clock.now).decode()
    assert all(word in body for word in (*IBANS[:3], "Payee payee-1")), "the bank is told them"
    dump = dumped(desk.database.url)
    assert in_clear(dump, *IBANS, "Payee payee-1", "OrgnlEndToEndId") == []
    assert in_clear(dump, file_id, paid) == [file_id, paid]
    still_true(desk)


def test_a_file_whose_destinations_key_is_gone_leaves_that_order_alone_and_pays_the_others_in_one_file(desk):
    queued(desk)
    other = KEYS_OF_ANOTHER.current
    with psycopg.connect(desk.database.url, autocommit=True) as conn:
        conn.execute("update destination set envelope = %s || substr(envelope, 5) where payee_id = 'payee-2'", [other])
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        assert len(orders_of(conn, file_id)) == 2
    assert states(desk) == ["sent", "queued", "sent"]
    [(why,)] = desk.rows("select last_error from provider_payout where state = 'queued'")
    assert other.hex() in why
    assert desk.rows("select count(*) from payment_file") == [(1,)]


def test_a_destination_that_was_changed_leaves_that_order_alone_and_a_person_is_told(desk):
    queued(desk)
    with psycopg.connect(desk.database.url, autocommit=True) as conn:  # its fingerprint is not of the account in it any more
        conn.execute("set session_replication_role = replica")
        conn.execute("alter table destination disable trigger user")
        conn.execute(
            "update destination set fingerprint = set_byte(fingerprint, 35, get_byte(fingerprint, 35) # 1) where payee_id = 'payee-2'"
        )
    desk.work("outbox")
    assert desk.rows("select orders from payment_file") == [(2,)], "the others stand in one file"
    assert states(desk) == ["sent", "queued", "sent"]
    for _ in range(ATTEMPTS_MAX):
        desk.clock.now += timedelta(hours=2)
        desk.work("outbox")
    assert desk.rows("select payload ->> 'queue' from event where name = 'work_stuck' limit 1") == [("send",)]
    [(why, due)] = desk.rows("select last_error, due_at - %s from provider_payout where state = 'queued'", desk.clock.now)
    assert ("agreed on" in why, due > timedelta(minutes=45)) == (True, True)


@pytest.mark.parametrize("nothing", ["\N{FIRE}", "\N{FIRE} \N{FIRE}", "\N{HANGUL FILLER}"])
def test_a_name_of_which_a_file_can_write_nothing_is_refused_alone(desk, nothing):
    with desk.database.transaction() as conn:
        pay_to(conn, "payee-2", f"{IBANS[1]};{nothing}")
    queued(desk)
    desk.work("outbox")
    assert desk.rows("select orders from payment_file") == [(2,)]
    assert states(desk) == ["sent", "failed", "sent"]
    assert "Latin letters" in desk.rows("select last_error from provider_payout where state = 'failed'")[0][0]
    with pytest.raises(InvalidInput, match="Latin letters"):
        SepaProvider(bank_account_of(f"{IBANS[1]};{nothing}"))


def test_partial_acceptance_pays_some_fails_some_and_leaves_those_it_does_not_name(desk):
    paid, refused, silent = queued(desk)
    file_id = a_file(desk)
    taken = report(desk, pain002(file_id, {paid: "ACSC", refused: "RJCT", "pp_of_nobody": "ACSC"}))
    assert (taken.said, taken.unknown, taken.silent) == ({"paid": 1, "failed": 1}, ["pp_of_nobody"], 1)
    assert states(desk) == ["succeeded", "failed", "sent"]
    assert desk.rows("select last_error from provider_payout where id = %s", refused)[0][0] == "the provider says failed: AC04"
    assert desk.balance("cash:bank:client") == 1_000_00 - 94_00
    assert desk.balance("payable:payee:payee-2") == 94_00
    assert desk.rows("select state from payment_file") == [("reported",)]
    assert silent
    still_true(desk)


def test_a_refusal_of_the_whole_file_fails_each_of_its_orders(desk):
    queued(desk)
    report(desk, pain002(a_file(desk), {}, group="RJCT"))
    assert states(desk) == ["failed"] * 3
    assert desk.balance("cash:bank:client") == 1_000_00


def test_what_the_bank_only_took_stays_under_way_and_its_booked_entry_pays_it(desk):
    [attempt] = queued(desk, 1)
    report(desk, pain002(a_file(desk), {attempt: "ACSP"}))
    assert states(desk) == ["sent"]
    taken = report(desk, camt((attempt, "94.00", "DBIT"), ("other", "1.00", "DBIT")))
    assert (taken.format, taken.said, taken.unknown) == ("camt.053", {"paid": 1}, ["other"])
    assert states(desk) == ["succeeded"]
    assert desk.balance("cash:bank:client") == 1_000_00 - 94_00
    still_true(desk)


def test_a_payment_that_came_back_is_owed_again_and_its_money_is_at_the_bank_again(desk):
    [attempt] = queued(desk, 1)
    a_file(desk)
    report(desk, camt((attempt, "94.00", "DBIT")))
    report(desk, camt((attempt, "94.00", "CRDT")))
    assert desk.rows("select state from payout") == [("returned",)]
    assert desk.balance("cash:bank:client") == 1_000_00
    assert desk.balance("payable:payee:payee-1") == 94_00
    still_true(desk)


def test_a_report_that_tells_of_a_return_before_its_payment_is_read_whole(desk):
    [attempt] = queued(desk, 1)
    a_file(desk)
    taken = report(desk, camt((attempt, "94.00", "CRDT"), (attempt, "94.00", "DBIT")))
    assert taken.said == {"paid": 1, "returned": 1}
    assert desk.rows("select state from payout") == [("returned",)]
    assert desk.balance("cash:bank:client") == 1_000_00
    still_true(desk)


def test_an_entry_of_another_amount_is_no_payment_but_a_conflict(desk):
    [attempt] = queued(desk, 1)
    a_file(desk)
    report(desk, camt((attempt, "93.00", "DBIT")))
    assert desk.rows("select count(*) from provider_conflict where state = 'open'") == [(1,)]
    assert states(desk) == ["unknown"]


def test_the_same_report_twice_is_taken_once_and_tells_the_same(desk):
    [attempt] = queued(desk, 1)
    body = pain002(a_file(desk), {attempt: "ACSC"})
    first, second = report(desk, body), report(desk, body)
    assert (second.id, second.said, second.existed) == (first.id, first.said, True)
    assert desk.rows("select count(*) from bank_report") == [(1,)]


def test_a_report_on_a_file_that_is_none_of_ours_is_refused_and_nothing_is_kept(desk):
    queued(desk, 1)
    a_file(desk)
    with pytest.raises(InvalidInput, match="our own files"):
        report(desk, pain002("pf_unknown", {}, group="RJCT"))
    assert states(desk) == ["sent"]
    assert desk.rows("select count(*) from bank_report") == [(0,)]


def test_a_report_of_one_program_says_nothing_of_anothers_orders(desk):
    [attempt] = queued(desk, 1)
    a_file(desk)
    with desk.database.transaction() as conn:
        open_program(conn, "another", name="Another", assets=[Asset("EUR", 2)], now=NOW)
    taken = report(desk, camt((attempt, "94.00", "DBIT")), program_id="another")
    assert (taken.said, taken.unknown) == ({}, [attempt])
    assert states(desk) == ["sent"]
    whole = report(desk, camt((attempt, "94.00", "DBIT")))  # the same bytes, read for everybody: another report
    assert (whole.said, whole.existed) == ({"paid": 1}, False)


@pytest.mark.parametrize("wrong", ["FR1420041010050500013M02607;Wrong checksum", "no account", "BE68539007547034;"])
def test_one_order_that_cannot_stand_in_a_file_is_refused_alone(desk, wrong):
    with desk.database.transaction() as conn:
        pay_to(conn, "payee-2", wrong)
    queued(desk)
    a_file(desk)
    assert states(desk) == ["sent", "failed", "sent"]
    assert desk.rows("select orders from payment_file") == [(2,)]
    assert desk.balance("payable:payee:payee-2") == 94_00


def test_a_file_carries_no_more_orders_than_the_bank_takes(desk):
    bank = desk.wiring.providers[sepa.NAME]
    bank.capabilities = bank.capabilities._replace(orders_max=2)
    queued(desk)
    a_file(desk)
    assert sorted(row[0] for row in desk.rows("select orders from payment_file")) == [1, 2]


def test_whoever_asks_for_files_now_gets_all_that_is_queued_in_as_many_files_as_it_takes(desk):
    bank = desk.wiring.providers[sepa.NAME]
    bank.capabilities, bank.gather_for = bank.capabilities._replace(orders_max=1), timedelta(hours=1)
    queued(desk)
    tally = file_all_due(desk.wiring.runner("w"), bank, make_id, silent_after=desk.wiring.silent_after)
    assert (tally.handled, tally.failed, states(desk)) == (3, 0, ["sent"] * 3)
    assert desk.rows("select orders from payment_file") == [(1,)] * 3


def test_orders_gather_until_the_oldest_has_waited_or_a_file_is_full_or_somebody_asks(desk):
    bank = desk.wiring.providers[sepa.NAME]
    bank.gather_for = timedelta(hours=1)
    queued(desk, 2)
    desk.work("outbox")
    assert desk.rows("select count(*) from payment_file") == [(0,)]
    desk.clock.advance(minutes=61)
    desk.work("outbox")
    assert desk.rows("select orders from payment_file") == [(2,)]
    bank.capabilities = bank.capabilities._replace(orders_max=1)
    with desk.database.transaction() as conn:
        cancel_payment_file(conn, newest(conn, PAYMENT_FILE_LIST, 1)[0].id, reason="t", actor="t", now=desk.clock.now)
        for (payout,) in conn.execute("select id from payout").fetchall():
            retry_payout(conn, payout, reason="t", actor="t", now=desk.clock.now)
    desk.work("reserve", "outbox")
    assert desk.rows("select count(*), max(orders) from payment_file where state = 'made'") == [(2, 1)]


def test_a_file_that_nobody_has_can_be_cancelled_and_its_orders_go_out_again_in_another(desk):
    queued(desk, 2)
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        ended = cancel_payment_file(conn, file_id, reason="wrong day", actor="test", now=desk.clock.now)
        assert len(ended) == 2
        with pytest.raises(FileCancelled):
            download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
    assert states(desk) == ["failed", "failed"]
    assert desk.balance("payable:payee:payee-1") == 94_00
    still_true(desk)


def test_a_file_that_was_downloaded_is_never_cancelled(desk):
    queued(desk, 1)
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
        with pytest.raises(FileIsOut):
            cancel_payment_file(conn, file_id, reason="too late", actor="test", now=desk.clock.now)
    assert states(desk) == ["sent"]


def next_of(desk) -> tuple[str, str]:
    [(payout,)] = desk.rows("select id from payout")
    with desk.database.transaction(read_only=True) as conn:
        found = next_action(conn, payout, desk.clock.now)
    return found.need, found.command


def test_a_payees_card_says_whether_its_file_was_brought_to_the_bank(desk):
    def told() -> dict[str, str]:
        with desk.database.transaction(read_only=True) as conn:
            return {one.fact: one.sentence for one in card_of(conn, PROGRAM, PAYEES[0], now=desk.clock.now).lines}

    [attempt] = queued(desk, 1)
    file_id = a_file(desk)
    at = f"Attempt {attempt} of 94.00 EUR stands since {desk.clock.now:%Y-%m-%d %H:%M} UTC in the file {file_id}"
    assert told() == {"in_bank_file": f"{at}, which nobody has brought to the bank yet."}
    with desk.database.transaction() as conn:
        download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
    assert told() == {"in_bank_file": f"{at}; the bank has not said yet that it was paid."}


def test_a_payee_of_an_invoice_that_nobody_paid_yet_has_a_card(desk):
    issue(desk.database, "100.00", prefix="new", payee="payee-new")
    with desk.database.transaction(read_only=True) as conn:
        assert card_of(conn, PROGRAM, "payee-new", now=desk.clock.now).lines == ()


def test_the_next_action_of_a_payout_in_a_file_is_to_bring_it_to_the_bank_and_then_to_read_what_it_says(desk):
    queued(desk, 1)
    assert next_of(desk) == ("none", "")
    file_id = a_file(desk)
    assert next_of(desk) == ("bank_file", f"counterfoil bank-files download {file_id}")
    with desk.database.transaction() as conn:
        pause(conn, QueuePart("send"), reason="looked at", actor="test", now=desk.clock.now)
    assert next_of(desk) == ("paused", 'counterfoil queue resume send --reason "…"'), "its download would be refused"
    with desk.database.transaction() as conn:
        resume(conn, SENDING, QueuePart("send"), reason="it was nothing", actor="test", now=desk.clock.now)
        download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
    assert next_of(desk) == ("bank_file", "counterfoil bank-files import-status FILE")
    [(attempt, payout)] = desk.rows("select id, payout_id from provider_payout")
    with desk.database.transaction() as conn:
        take_steps(conn, PROVIDER_PAYOUT, [Move(attempt, "sent", "lose")], actor="test", at=desk.clock.now)
        take_steps(conn, PAYOUT, [Move(payout, "processing", "doubt")], actor="test", at=desk.clock.now)
    assert next_of(desk) == ("in_doubt", "counterfoil bank-files import-status FILE"), "a bank cannot be asked"


@pytest.mark.parametrize("which", [0, 1], ids=["its own brake", "the brake of another order"])
def test_a_file_whose_download_would_be_refused_is_to_be_cancelled_and_the_order_that_is_held_is_named(desk, which):
    queued(desk, 2)
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        redirect_one(conn, desk)
    payouts = [row[0] for row in desk.rows("select id from payout order by payee_id")]
    held = desk.rows("select pp.id from provider_payout pp join payout p on p.id = pp.payout_id where p.payee_id = 'payee-1'")[0][0]
    with desk.database.transaction(read_only=True) as conn:
        found = next_action(conn, payouts[which], desk.clock.now)
    assert (found.need, found.command) == ("bank_file", f'counterfoil bank-files cancel {file_id} --reason "…"')
    assert f"its order {held} is held back (its payee is paid to destination dst_" in found.why
    with desk.database.transaction() as conn, pytest.raises(FileNotToBeSent) as refused:
        download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
    assert refused.value.facts["order"] == held


def came_back(desk, why: str) -> str:
    """A payout that was booked and came back with this code; its attempt."""
    [attempt] = queued(desk, 1)
    a_file(desk)
    report(desk, camt((attempt, "94.00", "DBIT")))
    report(desk, camt((attempt, "94.00", "CRDT"), why=why))
    return attempt


@pytest.mark.parametrize(
    ("code", "command", "says"),
    [
        (
            "AC04",
            "destinations set",
            "returned: AC04) The account that it went to is closed. Set another destination first.",
        ),
        ("AC01", "destinations set", "There is no account of this number. Set another destination first."),
        ("BE04", "destinations set", "The name or address of the payee is not that of the account."),
        ("AC06", "destinations set", "or issue it anew once the payee says that the account takes money again."),
        ("AM05", "payouts list", "it may have been paid."),
        ("MD07", "payees card", "Find out first who is owed the money now."),
        ("CUST", "payouts reissue", "Ask the payee, or who called it back, before it is paid again."),
        ("RR02", "payouts reissue", "The bank finds our own account, bank or name wrong, and not the payee's."),
        ("MS03", "payouts reissue", "It names nothing that is wrong with the account."),
        ("XAC041", "payouts reissue", "(the provider says returned: XAC041)"),
    ],
)
def test_what_came_back_is_advised_by_the_code_that_its_bank_gave(desk, code, command, says):
    came_back(desk, code)
    [(payout,)] = desk.rows("select id from payout")
    with desk.database.transaction(read_only=True) as conn:
        found = next_action(conn, payout, desk.clock.now)
    assert (found.need, " ".join(found.command.split()[1:3])) == ("returned", command)
    assert says in found.why
    assert "{" not in found.command


@pytest.mark.parametrize("code", ["AC04", "AC06", "BE01"])
def test_what_the_account_was_the_reason_of_is_issued_anew_once_the_payee_has_another(desk, code):
    came_back(desk, code)
    assert next_of(desk)[1].split()[2] == "set"
    desk.clock.advance(seconds=5)
    with desk.database.transaction() as conn:
        newer = {"program_id": PROGRAM, "payee_id": PAYEES[0], "provider": "sepa", "token": f"{IBANS[3]};New account"}
        set_destination(conn, make_id("dst"), **newer, actor="test", now=desk.clock.now + timedelta(days=1))
    assert next_of(desk)[1].split()[2] == "reissue"


def test_another_account_does_not_bring_back_who_has_died_nor_tell_whether_it_was_paid_twice(desk):
    came_back(desk, "MD07")
    with desk.database.transaction() as conn:
        newer = {"program_id": PROGRAM, "payee_id": PAYEES[0], "provider": "sepa", "token": f"{IBANS[3]};New account"}
        set_destination(conn, make_id("dst"), **newer, actor="test", now=desk.clock.now + timedelta(days=1))
    assert next_of(desk)[1].split()[1:3] == ["payees", "card"]


def test_of_a_closed_account_of_which_nothing_is_owed_any_more_no_other_account_is_asked(desk):
    came_back(desk, "AC04")
    assert next_of(desk)[1].split()[1] == "destinations"
    [(payout, invoice)] = desk.rows("select id, invoice_id from payout")
    with desk.database.transaction(read_only=True) as conn:
        (one,) = payouts_in_need(conn, "returned", rows_max=1)
        matter = matter_of(conn, payout, now=desk.clock.now)
    returned = next(need for need in NEEDS if need.need == "returned")
    assert command_of(returned, one, None, matter).split()[1] == "destinations"
    assert command_of(returned, one, None, matter._replace(payable=0)).split()[1:3] == ["payouts", "reissue"], "which is refused: close it"
    with desk.database.transaction() as conn:
        given = {"cause": "goodwill", "make_id": make_id, "actor": "test", "now": desk.clock.now}
        book_refund(conn, make_id("ref"), lock_invoice(conn, invoice), 100_00, **given)
    with desk.database.transaction(read_only=True) as conn:
        found = next_action(conn, payout, desk.clock.now)
    assert (found.command, "another destination" in found.why) == ("", False), "all of it went back: it is over"


class Counted(Cursor[Any]):
    """Counts what is asked of the database."""

    asked: ClassVar[list[str]] = []

    def execute(self, query, *given, **more):  # type: ignore[no-untyped-def]
        Counted.asked.append(str(query))
        return super().execute(query, *given, **more)


def test_a_download_asks_as_much_for_many_orders_as_for_few(desk):
    counts = []
    for payees in (1, 3):
        queued(desk, payees, prefix=f"y{payees}")
        file_id = a_file(desk)
        Counted.asked.clear()
        with desk.database.transaction() as conn:
            conn.cursor_factory = Counted
            try:
                download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
            finally:
                conn.cursor_factory = Cursor
        counts.append(len(Counted.asked))
    assert counts[0] == counts[1] > 5


def stop_one(conn, desk) -> None:
    quarantine_attempt(conn, desk.rows("select id from payout limit 1")[0][0], reason="fraud?", actor="test", now=desk.clock.now)


def pause_sending(conn, desk) -> None:
    pause(conn, QueuePart("send", "", ""), reason="test", actor="test", now=desk.clock.now)


def redirect_one(conn, desk) -> None:
    pay_to(conn, "payee-1", f"{IBANS[3]};New account")


@pytest.mark.parametrize(
    ("held_by", "why"),
    [
        (stop_one, "it is quarantined"),
        (pause_sending, "send is paused since"),
        (redirect_one, "its payee is paid to destination dst_"),
    ],
)
def test_what_holds_an_order_back_keeps_its_file_from_its_first_download_and_the_file_can_be_cancelled(desk, held_by, why):
    queued(desk, 2)
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        held_by(conn, desk)
    with desk.database.transaction() as conn:
        with pytest.raises(FileNotToBeSent) as refused:
            download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
        assert refused.value.facts["why"].startswith(why)
        assert desk.rows("select state, downloaded_at from payment_file") == [("made", None)]
        cancel_payment_file(conn, file_id, reason="not to be sent", actor="test", now=desk.clock.now)
    assert states(desk) == ["failed", "failed"]
    assert desk.balance("payable:payee:payee-1") == 94_00
    still_true(desk)


def test_a_payee_who_came_to_owe_keeps_a_file_from_its_first_download_and_the_way_out_pays_what_is_left(desk):
    queued(desk, 2)
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["receivable:payee:payee-1"], asset="EUR", actor="test", now=NOW)
        owed = NewJournal("owed", "refund", [("receivable:payee:payee-1", "platform:own_funds", 47_00)], "EUR", "test")
        post_journals(conn, PROGRAM, [owed], now=NOW)
    with desk.database.transaction() as conn, pytest.raises(FileNotToBeSent, match="retry its payouts") as refused:
        download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
    assert refused.value.facts["why"] == "its payee owes us 47.00 EUR, which are taken from it first"
    with desk.database.transaction() as conn:
        cancel_payment_file(conn, file_id, reason="it owes", actor="test", now=desk.clock.now)
        for (payout,) in conn.execute("select id from payout where state = 'failed'").fetchall():
            retry_payout(conn, payout, reason="anew", actor="test", now=desk.clock.now)
    desk.work("reserve")
    again = a_file(desk)
    with desk.database.transaction() as conn:
        download_payment_file(conn, again, actor="test", now=desk.clock.now)
        assert sorted(one.amount for one in orders_of(conn, again)) == [47_00, 94_00]
    assert (desk.balance("receivable:payee:payee-1"), again != file_id) == (0, True)
    still_true(desk)


@pytest.mark.parametrize(("answer", "states_then"), [("later", ["cancelled"]), (None, ["unknown"])])
def test_a_begun_order_that_a_brake_holds_stands_in_no_file_and_comes_back_only_after_a_no(desk, answer, states_then):
    """The name was another provider's before: it called, and it was to be called again."""
    [attempt] = queued(desk, 1)
    with desk.database.transaction() as conn:
        (key,) = conn.execute("select idempotency_key from provider_payout").fetchone()
        announce_call(conn, NewCall("call_before", attempt, sepa.NAME, key, bytes(32), "w", 1), now=desk.clock.now)
        if answer:
            store_answer(conn, "call_before", kind=answer, answer={}, now=desk.clock.now, due_at=desk.clock.now)
        mark_applied(conn, ["call_before"], now=desk.clock.now)
        redirect_one(conn, desk)
    desk.clock.advance(minutes=16)
    desk.work("outbox")
    assert (states(desk), desk.rows("select count(*) from payment_file")) == (states_then, [(0,)])
    assert "its payee is paid to destination" in desk.rows("select last_error from provider_payout")[0][0]
    desk.work("reserve", "outbox", "reconcile-pull")
    assert desk.rows("select count(*) from payment_file") == [(1 if answer else 0,)]
    assert states(desk) == ["cancelled", "sent"] if answer else ["unknown"]
    still_true(desk)


def test_a_file_that_was_downloaded_is_given_out_again_whatever_holds_its_orders_now(desk):
    queued(desk, 1)
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        body = download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
        pause_sending(conn, desk)
        stop_one(conn, desk)
        assert download_payment_file(conn, file_id, actor="test", now=desk.clock.now) == body


def test_the_database_refuses_a_second_file_with_the_same_order_and_another_body_of_a_file(desk):
    [attempt] = queued(desk, 1)
    file_id = a_file(desk)
    with pytest.raises((Problem, psycopg.Error)), desk.database.transaction() as conn:
        conn.execute("insert into payment_file_order values (%s, 2, %s)", [file_id, attempt])
    with pytest.raises((Problem, psycopg.Error)), desk.database.transaction() as conn:
        conn.execute("update payment_file set amount = amount + 1 where id = %s", [file_id])
    assert errors.UniqueViolation  # the first is one


def test_two_workers_at_once_make_files_of_different_orders(desk):
    queued(desk, 4)
    runs = [threading.Thread(target=ticks(desk.wiring, f"worker:{name}")["outbox"]) for name in ("a", "b")]
    for one in runs:
        one.start()
    for one in runs:
        one.join(60)
    desk.work("outbox")
    assert states(desk) == ["sent"] * 4
    assert desk.rows("select count(*), count(distinct provider_payout_id) from payment_file_order") == [(4, 4)]
    assert desk.rows("select sum(orders) from payment_file") == [(4,)]


def test_what_breaks_while_a_file_is_made_leaves_nothing_of_it_and_each_order_ends_in_exactly_one(desk):
    queued(desk, 3)
    broke = []

    def breaks(point: str) -> None:
        if point == "send.before_commit" and not broke:
            broke.append(point)
            raise RuntimeError("the disk is full")

    with at_points(breaks):
        desk.ticks["outbox"]()
    assert broke  # the fault happened, with the file and its orders written and not committed
    desk.work("outbox")
    assert states(desk) == ["sent"] * 3
    assert desk.rows("select count(*), count(distinct provider_payout_id) from payment_file_order") == [(3, 3)]
    assert desk.rows("select sum(orders), sum(amount) from payment_file") == [(3, 3 * 94_00)]
    assert desk.rows("select count(*) from call") == [(3,)]
    still_true(desk)


def test_a_paused_queue_makes_no_file_also_when_somebody_asks_for_one_now(desk):
    queued(desk, 1)
    with desk.database.transaction() as conn:
        pause(conn, QueuePart("send", "", ""), reason="test", actor="test", now=desk.clock.now)
    bank = desk.wiring.providers[sepa.NAME]
    tally = file_due(desk.wiring.runner("w"), bank, make_id, silent_after=desk.wiring.silent_after, at_once=True)
    assert (tally.handled, states(desk)) == (0, ["queued"])


def test_a_changed_destination_keeps_what_waits_out_of_the_file_and_sends_it_to_the_new_one(desk):
    queued(desk, 1)
    with desk.database.transaction() as conn:
        pay_to(conn, "payee-1", f"{IBANS[3]};New account")
    desk.work("reserve")
    file_id = a_file(desk)
    with desk.database.transaction() as conn:
        body = download_payment_file(conn, file_id, actor="test", now=desk.clock.now)
    assert IBANS[3].encode() in body
    assert IBANS[0].encode() not in body


def test_a_bank_that_says_nothing_for_too_long_leaves_its_orders_in_doubt_for_a_person(desk):
    queued(desk, 1)
    a_file(desk)
    desk.clock.advance(days=4)
    desk.work("reconcile-pull", "outbox")
    assert states(desk) == ["sent"]
    desk.clock.advance(days=2)
    desk.work("reconcile-pull", "outbox")
    assert states(desk) == ["unknown"]
    assert desk.rows("select count(*) from event where name = 'payout_unknown'") == [(1,)]
    desk.clock.advance(days=30)
    desk.work("reconcile-pull", "outbox", "repair")
    assert states(desk) == ["unknown"]  # never sent again, never given back by itself


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<Document/>",
        b'<!DOCTYPE x [<!ENTITY e "v">]><Document>&e;</Document>',
        pain002("f", {"a": "WHAT"}),
    ],
)
def test_what_is_no_report_is_refused_with_its_reason(body):
    with pytest.raises(InvalidInput) as refused:
        read_report(body)
    assert refused.value.facts["field"] == "file"


def test_a_file_is_due_on_a_day_on_which_euro_payments_settle():
    from counterfoil.statements.continuity.banking_days import next_banking_day

    assert next_banking_day(date(2026, 11, 27)) == date(2026, 11, 30)  # over a weekend
    assert next_banking_day(date(2026, 12, 24)) == date(2026, 12, 28)  # over Christmas
    assert datetime(2026, 11, 26, tzinfo=UTC)
