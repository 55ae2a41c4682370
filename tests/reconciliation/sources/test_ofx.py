"""OFX and QFX: closed and unclosed tags, zones, currencies, and files that are cut short."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from counterfoil.reconciliation import sources
from counterfoil.reconciliation.sources import SourceBroken
from tests.reconciliation.sources.samples import DATA, rows, sample, written


def test_sgml_with_some_tags_closed_and_a_blank_one_is_read() -> None:
    read = sample("bank.ofx")
    assert rows(read, "external_id", "amount", "reference", "counterparty", "memo") == [
        ("A1", 150000, None, "SMITH & SONS", "INV 7"),
        ("A2", -4550, "1044", "RENT", None),
    ]
    assert rows(read, "booked_on", "event_at")[0] == (date(2024, 2, 29), datetime(2024, 2, 29, 17, 0, tzinfo=UTC))
    assert (read.statements[0].account, read.statements[0].closing) == ("000111222", 245450)


def test_a_day_that_does_not_exist_is_a_rejected_row_with_its_line() -> None:
    assert [(row.line, row.column) for row in sample("bank.ofx").rejected] == [(26, "STMTTRN")]


def test_xml_with_an_amount_in_another_currency_is_read_without_decimals_for_yen() -> None:
    read = sample("card.qfx")
    assert rows(read, "amount", "asset", "counterparty") == [(-1980, "JPY", "駅"), (-1025, "USD", None)]
    assert read.statements[0].total == -1980


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("</BANKTRANLIST>", "", "</STMTRS> where </BANKTRANLIST> is due"),
        ("<CURDEF>USD", "", "no currency"),
        ("<BALAMT>2454.50", "<BALAMT>much", "no amount"),
        ("<OFX >", "<!DOCTYPE OFX [<!ENTITY a 'b'>]><OFX >", "refused"),
    ],
)
def test_a_harmed_file_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = (DATA / "bank.ofx").read_text()
    assert old in text
    with pytest.raises(SourceBroken) as broken:
        sources.read(written(tmp_path, text.replace(old, new, 1)))
    assert reason in broken.value.reason


def test_a_file_that_is_cut_anywhere_after_its_header_is_refused(tmp_path: Path) -> None:
    text = (DATA / "bank.ofx").read_text()
    for end in range(text.index("<OFX >") + 6, text.index("</OFX>")):
        with pytest.raises(SourceBroken):
            sources.read(written(tmp_path, text[:end]), format="ofx")
