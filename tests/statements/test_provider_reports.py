"""Providers' own reports: gross and fee as lines, balances held."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from counterfoil import statements as sources
from counterfoil.statements import SourceBroken
from tests.statements.samples import DATA, rows, sample, written


def test_the_lines_of_a_payout_add_up_to_what_reaches_the_bank() -> None:
    net: dict[tuple[str, str], int] = defaultdict(int)
    for batch, asset, amount in rows(sample("payouts.stripe.csv"), "batch", "asset", "amount"):
        net[batch, asset] += amount
    assert net == {("po_1", "USD"): 9622, ("po_2", "JPY"): 4770}


def test_fees_are_lines_of_their_own_and_days_are_in_utc() -> None:
    read = sample("payouts.stripe.csv")
    assert rows(read, "external_id", "amount", "status")[:2] == [("txn_1", 12000, "charge"), ("txn_1/fee", -378, "fee")]
    assert rows(read, "booked_on", "value_on", "event_at")[0] == (
        date(2024, 2, 29),
        date(2024, 3, 4),
        datetime(2024, 2, 29, 23, 30, tzinfo=UTC),
    )


def test_a_row_whose_gross_less_fee_is_not_its_net_is_rejected() -> None:
    assert [(row.line, row.column) for row in sample("payouts.stripe.csv").rejected] == [(5, "net")]


def test_one_currency_of_a_report_can_be_kept() -> None:
    read = sample("payouts.stripe.csv", asset="JPY")
    assert {asset for (asset,) in rows(read, "asset")} == {"JPY"}
    assert read.notes == ["3 lines are in other currencies than JPY"]


def test_the_dashboards_balance_history_is_read(tmp_path: Path) -> None:
    text = (
        "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC),Available On (UTC),Description,Transfer\n"
        "txn_9,charge,ch_9,10.00,0.59,9.41,eur,2024-03-01 10:00,2024-03-05 00:00,Order 9,po_9\n"
    )
    read = sources.read(written(tmp_path, text, "history.csv"))
    assert (read.format, rows(read, "external_id", "amount", "batch")) == (
        "stripe",
        [("txn_9", 1000, "po_9"), ("txn_9/fee", -59, "po_9")],
    )


def test_a_report_with_decimal_commas_is_read(tmp_path: Path) -> None:
    text = (
        "balance_transaction_id;created_utc;available_on_utc;currency;gross;fee;net;reporting_category\n"
        "txn_1;2024-03-01 10:00:00;2024-03-05 00:00:00;eur;1234,56;1,20;1233,36;charge\n"
    )
    assert rows(sources.read(written(tmp_path, text, "r.csv")), "amount") == [(123456,), (-120,)]


def test_a_balance_summary_carries_or_is_refused(tmp_path: Path) -> None:
    read = sample("summary.stripe.csv")
    assert (read.statements[0].carries, rows(read, "amount")) == (True, [(24245,), (-30000,)])
    text = (DATA / "summary.stripe.csv").read_text()
    for harmed, line, reason in (
        (text.replace("balance,42.45,usd", "balance,42.46,usd"), 7, "does not carry"),
        (text[: text.index("ending_balance")], 6, "no ending balance of USD: the file is cut short"),
        (text[: text.index("starting_balance")], 1, "no balance of any currency: the file is cut short"),
    ):
        with pytest.raises(SourceBroken, match=reason) as stopped:
            sources.read(written(tmp_path, harmed, "s.csv"))
        assert stopped.value.line == line


def test_the_simulators_statement_carries_in_every_asset() -> None:
    read = sample("provider.simulator.csv")
    assert [(info.asset, info.opening, info.closing, info.carries) for info in read.statements] == [
        ("EUR", 50000, 39685, True),
        ("USD", 0, 700, True),
    ]
    assert rows(read, "external_id", "amount", "reference")[:2] == [
        ("li_1", 10000, "inv_1"),
        ("li_1/fee", -290, "inv_1"),
    ]
    assert sum(amount for (amount,) in rows(read, "amount")) == -10315 + 700


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("li_2,payout", "li_2,payout", 0, ""),
        ("9710,EUR", "9711,EUR", 7, "does not carry"),
        ("9710,EUR", "97.10,EUR", 4, "no whole number"),
        (",closing_balance,,,,700,USD,2024-03-01T23:59:59.999999Z,2024-03-01,,\n", "", 3, "cut short"),
        ("gross,fee,net", "gross,fees,net", 1, "no column fee"),
    ],
)
def test_a_harmed_statement_of_the_simulator_is_refused(tmp_path: Path, old: str, new: str, line: int, reason: str) -> None:
    text = (DATA / "provider.simulator.csv").read_text()
    assert old in text
    path = written(tmp_path, text.replace(old, new, 1), "s.csv")
    if not reason:
        assert sources.read(path).rejected == []
        return
    with pytest.raises(SourceBroken) as broken:
        sources.read(path, format="simulator")
    assert broken.value.line == line
    assert reason in broken.value.reason


def test_a_lost_a_doubled_and_an_altered_line_of_the_simulator_are_all_noticed(tmp_path: Path) -> None:
    lines = (DATA / "provider.simulator.csv").read_text().splitlines(keepends=True)
    for harmed in (
        lines[:4] + lines[5:],
        [*lines[:5], *lines[4:]],
        [*lines[:3], lines[3].replace("9710", "9810"), *lines[4:]],
    ):
        with pytest.raises(SourceBroken, match="does not carry"):
            sources.read(written(tmp_path, "".join(harmed), "s.csv"))
