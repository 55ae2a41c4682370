"""Fees, usage lines and receipts: the pure rules of settlement, by worked example and by property."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.providers import ChargeFact
from counterfoil.settlement.fees.rules import Rates, check_rates, cut
from counterfoil.settlement.payments.rules import Bill, decide_receipts
from counterfoil.settlement.usage.rules import COLUMNS, parse_usage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ASSETS = {"EUR": Asset("EUR", 2), "JPY": Asset("JPY", 0)}
HEADER = ",".join(COLUMNS)
LINE = "r-1,cust-1,payee-1,EUR,3,19.99,2026-11-19T10:00:00Z,API calls"


def usage(*lines: str) -> list:
    found = parse_usage("\n".join([HEADER, *lines, ""]).encode(), ASSETS, now=NOW)
    assert not found.mistakes
    return [one for _, one in found.records]


def a_charge(amount: int, *, charge_id: str = "ch_1", reference: str = "inv_1", asset: str = "EUR", fee: int = 0):
    return ChargeFact(charge_id, reference, amount, fee, asset, NOW)


def a_bill(*, total: int = 1000, paid: int = 0, state: str = "pending") -> Bill:
    return Bill("inv_1", "main", "cust-1", "EUR", total, paid, state)


def receive(charges, bill):
    return decide_receipts(charges, {bill.id: bill}, provider="simulator", program_id="main")


def test_the_worked_example_of_fees():
    assert cut(9999, Rates(1, 500, 100, 1000), "EUR") == (9999, 499, 99, 999, 8402)


@given(gross=st.integers(1, 10**18), p=st.integers(0, 4000), v=st.integers(0, 3000), h=st.integers(0, 3000))
def test_a_cut_adds_up_and_nobody_gets_less_than_nothing(gross, p, v, h):
    parts = cut(gross, Rates(1, p, v, h), "EUR")
    assert parts.platform_fee + parts.validator_fee + parts.holdback + parts.net == gross
    assert min(parts) >= 0


@pytest.mark.parametrize("rates", [(10_000, 1, 0), (-1, 0, 0), (0, 10_001, 0)])
def test_rates_that_take_more_than_everything_are_refused(rates):
    with pytest.raises(InvalidInput):
        check_rates(*rates)


def test_a_line_of_usage_is_quantity_times_price_rounded_down():
    assert usage(LINE)[0].amount == 5997
    assert usage("r-1,c,p,EUR,0.5,0.01,2026-11-19T10:00:00Z,")[0].amount == 0
    assert usage("r-1,c,p,JPY,2.5,3,2026-11-19T10:00:00+09:00,")[0].amount == 7


@pytest.mark.parametrize(
    ("line", "column", "field"),
    [
        ("r 1,c,p,EUR,1,1,2026-11-19T10:00:00Z,x", 1, "record_id"),
        ("NOTPROVIDED,c,p,EUR,1,1,2026-11-19T10:00:00Z,x", 1, "record_id"),
        ("r-1,,p,EUR,1,1,2026-11-19T10:00:00Z,x", 2, "customer_id"),
        ("r-1,null,p,EUR,1,1,2026-11-19T10:00:00Z,x", 2, "customer_id"),
        ("r-1,c,None,EUR,1,1,2026-11-19T10:00:00Z,x", 3, "payee_id"),
        ("r-1,c,p!,EUR,1,1,2026-11-19T10:00:00Z,x", 3, "payee_id"),
        ("r-1,c,p,XYZ,1,1,2026-11-19T10:00:00Z,x", 4, "asset"),
        ("r-1,c,p,EUR,-1,1,2026-11-19T10:00:00Z,x", 5, "quantity"),
        ("r-1,c,p,EUR,0,1,2026-11-19T10:00:00Z,x", 5, "quantity"),
        ("r-1,c,p,EUR,1e3,1,2026-11-19T10:00:00Z,x", 5, "quantity"),
        ("r-1,c,p,EUR,1,1.5.5,2026-11-19T10:00:00Z,x", 6, "unit_price"),
        ("r-1,c,p,EUR,999999999999,999999999999,2026-11-19T10:00:00Z,x", 6, "unit_price"),
        ("r-1,c,p,EUR,1,1,2026-11-19,x", 7, "occurred_at"),
        ("r-1,c,p,EUR,1,1,yesterday,x", 7, "occurred_at"),
        ("r-1,c,p,EUR,1,1,2026-12-19T10:00:00Z,x", 7, "occurred_at"),
        ("r-1,c,p,EUR,1,1,2026-11-19T10:00:00Z,a\tb", 8, "description"),
    ],
)
def test_a_broken_line_of_usage_is_named_by_line_column_and_field_and_the_others_are_read(line, column, field):
    lines = [HEADER, LINE, line.replace("r-1", "r-2", 1), LINE.replace("r-1", "r-3")]
    found = parse_usage("\n".join(lines).encode(), ASSETS, now=NOW)
    assert [(one.line, one.column, one.field) for one in found.mistakes] == [(3, column, field)]
    assert [(at, one.external_id) for at, one in found.records] == [(2, "r-1"), (4, "r-3")]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (f"{LINE},extra", 3),
        (LINE, 3),
        ('"r-2,c', 3),
        ('"r-2"x,c,p,EUR,1,1,2026-11-19T10:00:00Z,x', 3),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_the_others_are_read(more, line):
    found = parse_usage(f"{HEADER}\n{LINE}\n{more}\n".encode(), ASSETS, now=NOW)
    assert ([one.line for one in found.mistakes], len(found.records)) == ([line], 1)


def test_lines_behind_a_quote_that_is_never_closed_are_told_as_read_with_it():
    body = f'{HEADER}\n{LINE}\n"r-2,c\n{LINE.replace("r-1", "r-3")}\n'
    found = parse_usage(body.encode(), ASSETS, now=NOW)
    assert [one.line for one in found.mistakes] == [3]
    assert "lines 3 to 4 were read as one" in found.mistakes[0].limit


def test_a_part_of_a_file_names_the_lines_of_the_whole():
    body = f"{HEADER}\n{LINE}\n{LINE},extra\n"
    found = parse_usage(body.encode(), ASSETS, now=NOW, from_line=5_002)
    assert ([at for at, _ in found.records], [one.line for one in found.mistakes]) == ([5_002], [5_003])


A_RECORD = {"record_id": "r-1", "customer_id": "c", "payee_id": "p", "asset": "EUR", "quantity": "3", "unit_price": "19.99"}


def test_json_lines_say_the_same_in_either_style_and_numbers_stay_as_they_were_written():
    at = "2026-11-19T10:00:00Z"
    snake = json.dumps({**A_RECORD, "occurred_at": at})
    camel = f'{{"recordId":"r-2","customerId":"c","payeeId":"p","asset":"EUR","quantity":0.1,"unitPrice":10.000000,"occurredAt":"{at}"}}'
    found = parse_usage(f"{snake}\r\n\n{camel}\n".encode(), ASSETS, now=NOW)
    assert not found.mistakes
    assert [(line, one.external_id, one.amount) for line, one in found.records] == [(1, "r-1", 59_97), (3, "r-2", 1_00)]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("[1]", "line"),
        ('{"record_id": "r-1"', "line"),
        ('{"record_id": "r-1", "price": "1"}', "price"),
        ('{"record_id": {"a": 1}}', "record_id"),
        ('{"record_id": "r-1", "recordId": "r-2"}', "record_id"),
        ('{"quantity": 1, "quantity": 2}', "quantity"),
        ('{"\\ud800k": 1}', "\\ud800k"),
        ('{"record_id": "r-1"}', "customer_id"),
        ("[" * 100_000, "line"),
    ],
)
def test_a_broken_json_line_is_named_by_its_field(line, field):
    good = json.dumps({**A_RECORD, "occurred_at": "2026-11-19T10:00:00Z"})
    found = parse_usage(f"{good}\n{line}\n".encode(), ASSETS, now=NOW)
    assert [(one.line, one.field) for one in found.mistakes] == [(2, field)]
    assert len(found.records) == 1


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", 1),
        (b"record_id,amount\n", 1),
        (f"{HEADER}\n".encode() + b"\xff\xfe", 2),
    ],
)
def test_a_file_that_is_no_usage_is_refused_with_its_line(body, line):
    with pytest.raises(InvalidInput) as caught:
        parse_usage(body, ASSETS, now=NOW)
    assert caught.value.facts["line"] == line


@given(st.binary(max_size=400))
def test_no_bytes_whatever_do_anything_but_parse_or_be_refused(body):
    for whole in (f"{HEADER}\n".encode() + body, b"{" + body):
        with contextlib.suppress(InvalidInput):
            parse_usage(whole, ASSETS, now=NOW)


def test_a_payment_in_full_goes_to_escrow_and_the_providers_fee_is_ours():
    receipts, after = receive([a_charge(1000, fee=30)], a_bill())
    assert receipts[0].lines == (
        ("clearing:simulator", "escrow:inv_1", 1000),
        ("provider_fee", "clearing:simulator", 30),
    )
    assert after["inv_1"].state == "paid"


def test_what_an_invoice_does_not_take_is_owed_back_to_its_customer():
    receipts, after = receive([a_charge(600), a_charge(600, charge_id="ch_2")], a_bill())
    assert [(one.applied, one.excess) for one in receipts] == [(600, 0), (400, 200)]
    assert ("clearing:simulator", "refund_payable:customer:cust-1", 200) in receipts[1].lines
    assert after["inv_1"].state == "paid"


@pytest.mark.parametrize("state", ["paid", "cancelled", "draft"])
def test_money_for_an_invoice_that_takes_none_is_owed_back_never_ignored(state):
    receipts, _ = receive([a_charge(500)], a_bill(paid=1000 if state == "paid" else 0, state=state))
    assert (receipts[0].applied, receipts[0].excess) == (0, 500)


@pytest.mark.parametrize("charge", [a_charge(500, reference="inv_other"), a_charge(500, asset="USD")])
def test_money_that_no_invoice_claims_lies_in_suspense(charge):
    receipts, _ = receive([charge], a_bill())
    assert receipts[0].lines == (("clearing:simulator", "suspense", 500),)


@given(amounts=st.lists(st.integers(1, 700), max_size=8), total=st.integers(1, 2000))
def test_every_unit_received_has_exactly_one_place(amounts, total):
    charges = [a_charge(amount, charge_id=f"ch_{number}") for number, amount in enumerate(amounts)]
    receipts, after = receive(charges, a_bill(total=total))
    assert sum(one.applied for one in receipts) == min(sum(amounts), total) == after["inv_1"].paid
    assert sum(one.applied + one.excess for one in receipts) == sum(amounts)
