"""MT940 and MT942: real banks' habits are read, what does not carry is refused with line and reason."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import mt940 as oracle
import pytest

from counterfoil import statements as sources
from counterfoil.statements import SourceBroken
from tests.shared_data import shared
from tests.statements.samples import DATA, a_statement, rows, sample, written

# name: (statements, lines)
VALID = {
    "ASNB__mt940.txt": (31, 8),
    "betterplace__sepa_mt9401.sta": (26, 97),
    "citi__mt940.txt": (1, 5),
    "mBank__mt942.sta": (1, 3),
    "self-provided__long_statement_number.sta": (1, 0),
    "self-provided__raphaelm.sta": (3, 9),
    "self-provided__transaction_details_wrapped.sta": (1, 1),
    "self-provided__wrapped_timestamp.sta": (1, 1),
}
# name: (line, words of the reason)
BROKEN = {
    "betterplace__amount_formats.sta": (2, "second opening balance"),
    "betterplace__empty_86.sta": (1, "no opening balance"),
    "betterplace__empty_line.sta": (2, "no opening balance"),
    "betterplace__sepa_snippet_broken.sta": (6, "an account after the entries"),
    "cmxl__account_balance_debit.sta": (1, "cut short"),
    "cmxl__account_identification_legacy.sta": (1, "no opening balance"),
    "cmxl__closing_balance.sta": (1, "no opening balance"),
    "cmxl__reference.sta": (1, "no opening balance"),
    "cmxl__statement_line.sta": (1, "before the opening balance"),
    "jejik__abnamro.sta": (27, "does not carry"),
    "jejik__ing.sta": (26, "does not carry"),
    "jejik__postfinance.sta": (27, "does not carry"),
    "jejik__rabobank.sta": (11, "does not carry"),
    "jejik__triodos.sta": (12, "does not carry"),
    "requirements.txt": (1, "none of the formats"),
    "self-provided__account_identification.sta": (1, "no opening balance"),
    "self-provided__empty_non_swift.sta": (1, "no opening balance"),
    "self-provided__gv_codes.sta": (7, "cut short"),
    "self-provided__mt942.sta": (11, "control total"),
    "self-provided__overly_long_details.sta": (15, "does not carry"),
}


@pytest.mark.parametrize("name", VALID)
def test_a_foreign_statement_that_adds_up_is_read(name: str) -> None:
    read = sources.read(shared("data", "statements", "mt940", name))
    assert (len(read.statements), read.lines.num_rows) == VALID[name]
    assert read.rejected == []
    assert all(info.carries for info in read.statements if read.format == "mt940")


@pytest.mark.parametrize("name", BROKEN)
def test_a_foreign_file_that_is_none_or_does_not_add_up_is_refused_with_its_line(name: str) -> None:
    with pytest.raises(SourceBroken) as broken:
        sources.read(shared("data", "statements", "mt940", name))
    assert (broken.value.file, broken.value.line) == (name, BROKEN[name][0])
    assert BROKEN[name][1] in broken.value.reason


def test_every_foreign_sample_is_accounted_for() -> None:
    folder = shared("data", "statements", "mt940")
    assert {path.name for path in folder.iterdir()} == VALID.keys() | BROKEN.keys()


@pytest.mark.parametrize("name", sorted(VALID.keys() - {"ASNB__mt940.txt"}))
def test_amounts_and_days_agree_with_the_mt940_library(name: str) -> None:
    """The library stops at the long references of ASNB, and leaves the sign of a reversed credit to its caller."""
    path = shared("data", "statements", "mt940", name)
    theirs = [each.data for each in oracle.parse(str(path)) if each.data.get("amount") is not None]
    expected = [
        (int(data["amount"].amount * 100) * (-1 if data["status"] in {"RC", "RD"} else 1), data["date"].isoformat()) for data in theirs
    ]
    assert [(amount, day.isoformat()) for amount, day in rows(sources.read(path), "amount", "value_on")] == expected


def test_a_german_statement_gives_references_names_and_the_last_of_february() -> None:
    read = sample("german.sta")
    assert rows(read, "amount", "reference", "external_id", "counterparty", "memo") == [
        (8990, "INV-2024-0017", "B24060A0001", "Meier & Soehne GmbH", "RECHNUNG 17 VOM 20.02."),
        (-1250, None, None, None, "ENTGELT FEBRUAR T16:26:37 UHR"),
        (-4000, "INV-2024-0009", "B24060A0003", None, "MANGELS DECKUNG"),
    ]
    assert rows(read, "value_on")[1] == (date(2024, 2, 29),)
    assert read.statements[0].sequence == 41


def test_dutch_pages_are_read_and_a_reversed_credit_takes_money_out() -> None:
    read = sample("dutch.sta")
    assert [info.carries for info in read.statements] == [True, True]
    assert rows(read, "reference", "counterparty", "memo")[0] == ("8812-A", "J. JANSEN", "FACTUUR 8812")
    assert rows(read, "reference", "memo")[1] == (None, "WINKEL 44 ROTTERDAM")
    assert rows(sample("german.sta"), "amount")[2] == (-4000,)


def test_an_interim_report_is_held_to_its_control_totals_and_expected_money_is_set_aside() -> None:
    read = sample("interim.mt942")
    assert (read.format, rows(read, "amount", "status")) == (
        "mt942",
        [(12000, "booked"), (-1999, "booked")],
    )
    assert [(line.amount, line.status) for _, line in read.aside] == [(500, "expected")]
    assert (read.left_out, read.notes) == (1, ["rows that moved no money, or not yet, are left out: 1 expected"])
    assert (read.statements[0].entries, read.statements[0].total) == (2, 10001)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (a_statement(entries=":61:240301C1,00NTRFNONREF\n"), 6, "does not carry"),
        (a_statement(entries=":61:2403011,00NTRFNONREF\n"), 5, "no entry"),
        (a_statement(entries=":61:240301C1,234NTRFNONREF\n"), 5, "more than 2 decimals"),
        (a_statement(closing="C240301USD100,00"), 5, "the balance is in USD"),
        (a_statement(opening="C240229XXX100,00"), 4, "no currency whose decimals"),
        (a_statement(closing="C241301EUR100,00"), 5, "is no date"),
        (a_statement().replace(":62F:", ":62X:"), 5, "cut short"),
        (a_statement() + ":20:NEXT\n:25:NL02BANK0123456789\n:28C:2/1\n:60F:C240301EUR100,00\n", 10, "cut short"),
        (
            ":20:A\n:28C:1\n:60F:C240229EUR1,00\n:62M:C240301EUR1,00\n-\n:20:A\n:28C:1\n:60M:C240301EUR2,00\n:62F:C240301EUR2,00\n-\n",
            8,
            "page",
        ),
    ],
)
def test_a_broken_statement_names_line_and_reason(tmp_path: Path, text: str, line: int, reason: str) -> None:
    with pytest.raises(SourceBroken) as broken:
        sources.read(written(tmp_path, text))
    assert broken.value.line == line
    assert reason in broken.value.reason


def test_an_entry_with_an_impossible_day_is_rejected_and_still_counts_in_the_balance(tmp_path: Path) -> None:
    text = a_statement(entries=":61:240431C5,00NTRFREF1\n:61:240301C1,00NTRFREF2\n", closing="C240301EUR106,00")
    read = sources.read(written(tmp_path, text))
    assert [(row.line, row.column) for row in read.rejected] == [(5, ":61:")]
    assert (read.lines.num_rows, read.statements[0].total) == (1, 600)


def test_looking_without_strictness_notes_what_does_not_carry(tmp_path: Path) -> None:
    read = sources.read(written(tmp_path, a_statement(closing="C240301EUR99,00")), strict=False)
    assert "does not carry" in read.notes[0]
    assert read.statements[0].carries is False


def test_a_statement_that_a_bank_writes_without_its_reference_tag_is_read(tmp_path: Path) -> None:
    one = a_statement().replace(":20:REF\n", "")
    read = sources.read(written(tmp_path, "BANKNL2A\n940\nBANKNL2A\n" + one + one.replace("1/1", "2/1")))
    assert [info.sequence for info in read.statements] == [1, 2]


def test_a_statement_in_windows_encoding_and_dos_lines_is_read(tmp_path: Path) -> None:
    text = a_statement(entries=":61:240301C1,00NTRFNONREF\n:86:Zahlung Müller\n", closing="C240301EUR101,00").replace("\n", "\r\n")
    read = sources.read(written(tmp_path, text, encoding="cp1252"))
    assert rows(read, "memo") == [("Zahlung Müller",)]


def an_entry_with(text: str) -> str:
    """A statement of one entry of -5.00 whose :86: holds this text."""
    return a_statement(
        opening="C261119EUR1000,00",
        entries=f":61:2611201120D5,00NMSCNONREF\n:86:{text}\n",
        closing="C261120EUR995,00",
    )


@pytest.mark.parametrize("minute", [":13:", ":20:", ":21:", ":25:", ":28:", ":59:"])
def test_a_time_that_is_wrapped_in_front_of_its_colon_is_text(tmp_path: Path, minute: str) -> None:
    text = f"PIN PAYMENT SHOP SOMEWHERE 20-11-2026 AT 14\n{minute}15 CARD 001"
    read = sources.read(written(tmp_path, an_entry_with(text), "a.sta"))
    assert rows(read, "amount") == [(-500,)]
    assert f"AT 14 {minute}15 CARD 001" in rows(read, "memo")[0][0]
    assert (read.statements[0].statement_id, read.statements[0].sequence, read.statements[0].carries) == (
        "REF",
        1,
        True,
    )


@pytest.mark.parametrize("text", ["FIRST\n-\nSECOND", "FIRST\n-", "FIRST\n-\n:20:15 CARD 001"])
def test_a_lone_dash_inside_a_text_ends_nothing(tmp_path: Path, text: str) -> None:
    read = sources.read(written(tmp_path, an_entry_with(text), "a.sta"))
    assert (len(read.statements), rows(read, "amount")) == (1, [(-500,)])
    assert "-" in rows(read, "memo")[0][0]


def test_a_lone_dash_ends_a_statement_that_is_cut_short_before_the_next_one(tmp_path: Path) -> None:
    cut = an_entry_with("FIRST").split(":62F:")[0]
    with pytest.raises(SourceBroken, match="cut short"):
        sources.read(written(tmp_path, cut + "-\n" + an_entry_with("SECOND"), "a.sta"))
    with pytest.raises(SourceBroken, match="cut short"):
        sources.read(written(tmp_path, cut + an_entry_with("SECOND"), "a.sta"))


def test_messages_without_an_end_mark_follow_each_other(tmp_path: Path) -> None:
    twice = an_entry_with("ONE").replace("\n-\n", "\n") + an_entry_with("TWO").replace("\n-\n", "\n")
    assert len(sources.read(written(tmp_path, twice, "a.sta")).statements) == 2


DIALECTS = {
    "ABN AMRO": (
        (
            ":61:2603030303C60,00N654NONREF",
            ":86:/TRTP/SEPA OVERBOEKING/IBAN/NL02BANK0123456789/BIC/BANKNL2A/NAME/Ortiz SA",
            "/REMI/Invoice 1/EREF/INV-1",
        ),
        ("INV-1", "Ortiz SA", "Invoice 1"),
    ),
    "ABN AMRO, in columns": (
        (
            ":61:2603030303C60,00N658NONREF",
            ":86:SEPA OVERBOEKING                 IBAN: NL02BANK0123456789",
            "BIC: BANKNL2A                    NAAM: ORTIZ SA",
            "OMSCHRIJVING: INVOICE 1          KENMERK: INV-1",
        ),
        ("INV-1", "ORTIZ SA", "INVOICE 1"),
    ),
    "HSBC": (
        (":61:2603030303C60,00NTRFINV-1//6128522200250001", "SEPA CREDIT", ":86:/BI/HSBCGB/ORDP/ORTIZ SA/REMI/Invoice 1"),
        ("INV-1", "ORTIZ SA", "/BI/HSBCGB Invoice 1 SEPA CREDIT"),
    ),
    "Nordea": (
        (":61:2603030303RD60,00NTRFINV-1//2603031234", ":86:/BENM/ORTIZ SA/REMI/Invoice 1"),
        ("INV-1", "ORTIZ SA", "Invoice 1"),
    ),
    "Commerzbank, no name where a subfield begins": (
        (":61:2603030303CR60,N051NONREF", ":86:166?00GUTSCHRIFT?10931?20SVWZ+Invoice 1?21EREF+INV-1?32Ortiz ?33SA"),
        ("INV-1", "Ortiz SA", "Invoice 1"),
    ),
    "UBS": (
        (":61:2603030303C60,00NMSCINV-1//9930062TO1234567", "GUTSCHRIFT", ":86:ORTIZ SA;8000 ZUERICH?INV-1"),
        ("INV-1", None, "ORTIZ SA;8000 ZUERICH?INV-1 GUTSCHRIFT"),
    ),
    "JP Morgan": (
        (":61:2603030303CD60,00FCHI00153026123TC//0030500153TC", "ORIG CO NAME:ORTIZ", ":86:/OREF/INV-1/ORDP/ORTIZ SA/PY/Invoice 1"),
        ("00153026123TC", "ORTIZ SA", "/OREF/INV-1/ORDP/ORTIZ SA/PY/Invoice 1 ORIG CO NAME:ORTIZ"),
    ),
    "ING": (
        (
            ":61:2603030303C60,00NTRFEREF//26062123456789",
            "/TRCD/00100/",
            ":86:/EREF/INV-1//CNTP/NL02BANK0123456789/INGBNL2A/Ortiz SA/Amsterdam///REMI/USTD//Invoice 1/",
        ),
        ("INV-1", "Ortiz SA", "Invoice 1 /TRCD/00100/"),
    ),
    "Rabobank": (
        (":61:260303C000000000060,00N541EREF", "NL02BANK0123456789", ":86:/EREF/INV-1/ORDP//NAME/Ortiz SA/REMI/Invoice 1"),
        ("INV-1", "Ortiz SA", "Invoice 1 NL02BANK0123456789"),
    ),
    "German banks": (
        (
            ":61:2603030303CR60,00NTRFNONREF//B1",
            ":86:166?00GUTSCHRIFT?109248?20EREF+INV-1?21SVWZ+Invoice 1?30BANKDEFF?31DE02120300000000202051",
            "?32Ortiz SA",
        ),
        ("INV-1", "Ortiz SA", "Invoice 1"),
    ),
    "Polish banks, ~": (
        (":61:2603030303CR60,00NTRFNONREF//B1", ":86:020~00PRZELEW~20Invoice 1 > 20 or~21 ?21~32Ortiz~33 SA~38PL02"),
        (None, "Ortiz SA", "Invoice 1 > 20 or ?21"),
    ),
    "Polish banks, ^": (
        (":61:2603030303CR60,00NTRFNONREF//B1", ":86:020^00PRZELEW^20EREF+INV-1^21SVWZ+Invo", "ice 1^32Ortiz SA"),
        ("INV-1", "Ortiz SA", "Invoice 1"),
    ),
    "Polish banks, <": (
        (":61:2603030303CR60,00NTRFNONREF//B1", ":86:025<00PRZELEW<20Invoice 1<27Ortiz SA<32Ortiz SA"),
        (None, "Ortiz SA", "Invoice 1Ortiz SA"),
    ),
    "a text that begins with a figure": (
        (":61:2603030303CR60,00NTRFNONREF//B1", ":86:100 < 2000 ^ 20"),
        (None, None, "100 < 2000 ^ 20"),
    ),
    "Citi": (
        (":61:2603030303CR60,00NTRFINV-1//B1", "/CTC/376/Transfer", ":86:Invoice 1"),
        ("INV-1", None, "Invoice 1 /CTC/376/Transfer"),
    ),
}


@pytest.mark.parametrize("bank", DIALECTS)
def test_the_dialects_of_large_banks_give_reference_counterparty_and_text(tmp_path: Path, bank: str) -> None:
    entry, told = DIALECTS[bank]
    text = a_statement(entries="\n".join(entry) + "\n", closing="C260303EUR160,00")
    assert rows(sources.read(written(tmp_path, text, "a.sta")), "amount", "reference", "counterparty", "memo") == [(6000, *told)]


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ("?20EREF+INV-1?21SVWZ+Refund EREF: INV-2", ("INV-1", "Refund EREF: INV-2")),
        ("?20SVWZ+Refund EREF+INV-2?21EREF+INV-1", ("INV-1", "Refund EREF+INV-2")),
        ("?20EREF+INV-1?21SVWZ+Refund of ?22EREF+INV-2?23 in full", ("INV-1", "Refund of EREF+INV-2 in full")),
        ("?20EREF+INV-1?21SVWZ+Paid to IBAN: DE02?22BIC: BANKDEFF", ("INV-1", "Paid to IBAN: DE02BIC: BANKDEFF")),
        ("?20EREF+INV-1?21MTLG:Grund?22SVWZ+Invoice", ("INV-1", "Invoice")),
        ("?20Refund to IBAN: DE02 BIC: BANKDEFF", (None, "Refund to IBAN: DE02 BIC: BANKDEFF")),
        ("?20Rent EREF: INV-1 MREF: M1?21IBAN: DE02", ("INV-1", "Rent")),
        ("?20EREF: INV-1 SVWZ: Refund?21 EREF: INV-2", ("INV-1", "Refund EREF: INV-2")),
    ],
)
def test_a_reference_that_a_payer_quotes_takes_the_place_of_none(tmp_path: Path, details: str, told: tuple[str | None, str]) -> None:
    entry = f":61:2603030303CR60,00NTRFNONREF//B1\n:86:166?00GUTSCHRIFT{details}\n"
    read = sources.read(written(tmp_path, a_statement(entries=entry, closing="C260303EUR160,00"), "a.sta"))
    assert rows(read, "reference", "memo") == [told]


def test_a_dutch_name_that_comes_again_is_a_word_of_the_text(tmp_path: Path) -> None:
    entry = ":61:260303C60,00N541EREF\n:86:/EREF/INV-1/NAME/Ortiz SA/REMI/Refund of /EREF/INV-2/ in full\n"
    read = sources.read(written(tmp_path, a_statement(entries=entry, closing="C260303EUR160,00"), "a.sta"))
    assert rows(read, "reference", "memo") == [("INV-1", "Refund of /EREF/INV-2/ in full")]


def test_an_entry_in_whose_middle_the_file_ends_is_told_as_cut_short(tmp_path: Path) -> None:
    text = a_statement(entries=":61:240301C250,75NTRFEREF\n")
    cut = text[: text.index(":61:240301") + 7]
    with pytest.raises(SourceBroken) as stopped:
        sources.read(written(tmp_path, cut, "a.sta"), format="mt940")
    assert stopped.value.reason == "'240' is no entry, and nothing follows it: the file is cut short"


def test_a_file_of_swift_that_ends_after_its_first_line_is_not_taken_for_json(tmp_path: Path) -> None:
    path = written(tmp_path, "{1:F01BANKNL2AXXXX0000000000}{2:O940BANKNL2AXXXXN}{4:\n", "a.sta")
    with pytest.raises(SourceBroken, match="there is no statement in this file"):
        sources.read(path)


def test_an_interim_report_without_totals_says_that_nothing_shows_whether_it_is_whole(tmp_path: Path) -> None:
    text = (DATA / "interim.mt942").read_text()
    read = sources.read(written(tmp_path, text[: text.index(":90D:")], "a.mt942"))
    assert "line 1: the report gives no totals (:90C:, :90D:), so nothing shows whether it is whole" in read.notes
    assert not any("totals" in note for note in sample("interim.mt942").notes)
    with pytest.raises(SourceBroken, match=r"the control total is 1 debits of 19\.98 PLN, the entries are 1 of 19\.99 PLN"):
        sources.read(written(tmp_path, text.replace(":90D:1PLN19,99", ":90D:1PLN19,98"), "b.mt942"))
