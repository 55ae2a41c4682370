"""camt.052, .053 and .054: every version by local names, batches, balances, control totals, hostile XML."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from counterfoil import statements as sources
from counterfoil.base.problems import TooLarge
from counterfoil.statements import SourceBroken
from counterfoil.statements.camt import xml_nodes
from tests.shared_data import shared
from tests.statements.samples import DATA, rows, sample, written

# name: (format, statements, lines); the entries of two are pending
VALID = {
    "camt052.v1.xml": ("camt.052", 1, 1),
    "camt052.v2.with-account-name.xml": ("camt.052", 1, 1),
    "camt052.v4.xml": ("camt.052", 1, 0),
    "camt052.v6.xml": ("camt.052", 1, 0),
    "camt053.v2.multi.statement.xml": ("camt.053", 2, 2),
    "camt054.v2.xml": ("camt.054", 1, 1),
    "camt054.v8-with-UETR.xml": ("camt.054", 1, 1),
    "camt054.v8.xml": ("camt.054", 1, 1),
}
BROKEN = {
    "camt053.v2.all-balance-types.xml": (68, "does not carry"),
    "camt053.v2.minimal.ultimate.xml": (54, "in SEK, the account in EUR"),
    "camt053.v2.with-party-ids.xml": (54, "in SEK, the account in EUR"),
    "camt053.v3.xml": (74, "in SEK, the account in EUR"),
    "camt053.v8.xml": (74, "in SEK, the account in EUR"),
}


@pytest.mark.parametrize("name", VALID)
def test_a_foreign_message_of_any_version_is_read(name: str) -> None:
    read = sources.read(shared("data", "statements", "camt", name))
    assert (read.format, len(read.statements), read.lines.num_rows) == VALID[name]
    assert read.rejected == []
    assert not any(info.carries is False for info in read.statements)


@pytest.mark.parametrize("name", BROKEN)
def test_a_foreign_statement_that_does_not_carry_is_refused_with_its_line(name: str) -> None:
    with pytest.raises(SourceBroken) as broken:
        sources.read(shared("data", "statements", "camt", name))
    assert broken.value.line == BROKEN[name][0]
    assert BROKEN[name][1] in broken.value.reason


def test_every_foreign_sample_is_accounted_for() -> None:
    assert {path.name for path in shared("data", "statements", "camt").iterdir()} == VALID.keys() | BROKEN.keys()


def test_a_batch_whose_parts_add_up_becomes_its_parts_and_one_that_does_not_stays_whole() -> None:
    read = sample("batch.camt053.v2.xml")
    assert rows(read, "external_id", "amount", "reference", "batch") == [
        ("BK-100/1", 25000, "E-1", "RUN-9"),
        ("BK-100/2", 17550, "RF18539007547034", "RUN-9"),
        ("BK-100/3", -2550, "E-3", "RUN-9"),
        ("BK-101", -5000, None, None),
        ("BK-102", 1600, None, None),
    ]
    assert [info.carries for info in read.statements] == [True]


def test_pending_money_is_set_aside_as_it_is_not_in_the_balance() -> None:
    read = sample("batch.camt053.v2.xml")
    assert [(line.amount, line.status) for _, line in read.aside] == [(7700, "pending")]
    assert (read.left_out, read.notes) == (1, ["rows that moved no money, or not yet, are left out: 1 pending"])
    assert (read.statements[0].entries, read.statements[0].total) == (3, 36600)


def test_a_booking_time_gives_the_banks_day_and_the_instant() -> None:
    booked_on, event_at = rows(sample("batch.camt053.v2.xml"), "booked_on", "event_at")[0]
    assert (booked_on, event_at) == (date(2024, 3, 1), datetime(2024, 3, 2, 1, 30, tzinfo=UTC))


def test_an_entry_without_a_day_in_a_statement_of_one_day_was_booked_on_it() -> None:
    read = sources.read(shared("data", "statements", "camt-daily", "2024-05-28.xml"))
    assert {day for (day,) in rows(read, "booked_on")} == {date(2024, 5, 28)}


def test_three_decimals_a_notice_without_balances_and_its_bad_entries() -> None:
    read = sample("notice.camt054.v8.xml")
    assert [(line.amount, line.asset, line.status, line.counterparty) for _, line in read.aside] == [(12345, "KWD", "pending", "Payer Two")]
    assert [(row.line, row.reason) for row in read.rejected] == [
        (7, "'1.2345' has more than 3 decimals"),
        (8, "the entry is neither credit nor debit (None)"),
    ]


def test_an_interim_balance_of_a_report_within_the_day_is_not_held_against_it() -> None:
    assert sample("report.camt052.v8.xml").statements[0].carries is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('<n:Amt Ccy="EUR">16.00', '<n:Amt Ccy="EUR">16.01', "does not carry"),
        ('<n:Amt Ccy="EUR">16.00', '<n:Amt Ccy="EUR">16,00', "grouped"),
        ('<n:Amt Ccy="EUR">16.00', '<n:Amt Ccy="USD">16.00', "the entry is in USD"),
        ("<n:NbOfNtries>1<", "<n:NbOfNtries>2<", "control total"),
        ("<n:Sum>466.00<", "<n:Sum>465.00<", "the control total is 3 entries of 465.00, the entries are 3 of 466.00 EUR"),
        ("</n:Document>", "", "no complete XML"),
        ('<?xml version="1.0" encoding="UTF-8"?>', '<!DOCTYPE x [<!ENTITY a "b">]>', "refused"),
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">',
            "refused",
        ),
    ],
)
def test_a_statement_that_was_harmed_is_refused_with_a_reason(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = (DATA / "batch.camt053.v2.xml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(SourceBroken) as broken:
        sources.read(written(tmp_path, text.replace(old, new, 1), "x.xml"), format="camt.053")
    assert reason in broken.value.reason
    assert broken.value.line is not None


def test_a_bomb_of_entities_is_refused_before_it_opens(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY l0 "ha">{levels}]><Document><BkToCstmrStmt>&l9;</BkToCstmrStmt></Document>'
    with pytest.raises(SourceBroken, match="entities are refused"):
        sources.read(written(tmp_path, text, "b.xml"))


def test_elements_nested_too_deep_and_too_many_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "<Document><BkToCstmrStmt>" + "<a>" * 100
    with pytest.raises(SourceBroken, match="nested deeper"):
        sources.read(written(tmp_path, deep, "deep.xml"))
    monkeypatch.setattr(xml_nodes, "NODES_MAX", 40)
    with pytest.raises(TooLarge):
        sample("batch.camt053.v2.xml")


def test_a_long_statement_is_read_in_the_memory_of_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DATA / "report.camt052.v8.xml").read_text(encoding="utf-8")
    start, end = text.index("<Ntry>"), text.index("</Ntry>") + len("</Ntry>")
    path = written(tmp_path, text[:start] + text[start:end] * 5_000 + text[end:], "long.xml")
    monkeypatch.setattr(xml_nodes, "NODES_MAX", 60)
    assert sources.read(path).lines.num_rows == 5_000


def test_a_message_without_statements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceBroken, match="there is no statement"):
        sources.read(written(tmp_path, "<Document><BkToCstmrStmt/></Document>", "none.xml"))


def in_version(kind: str, version: int, closing: str = "1060.00") -> str:
    """One credit as a message of this version: version 1 says so in its root, version 8 and later wrap states and parties."""
    outer, inner = {
        "052": ("BkToCstmrAcctRpt", "Rpt"),
        "053": ("BkToCstmrStmt", "Stmt"),
        "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    }[kind]
    root = f"{outer}V01" if version == 1 else outer
    state, party = ("<Cd>BOOK</Cd>", "<Pty><Nm>Ortiz SA</Nm></Pty>") if version >= 8 else ("BOOK", "<Nm>Ortiz SA</Nm>")
    balances = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd>"
        f"<Dt><Dt>2026-03-03</Dt></Dt></Bal>"
        for code, amount in (("OPBD", "1000.00"), ("CLBD", closing))
        if kind != "054"
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version:02}"><{root}><GrpHdr><MsgId>M1</MsgId></GrpHdr>
<{inner}><Id>S1</Id><Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>{balances}
<Ntry><Amt Ccy="EUR">60.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>{state}</Sts><BookgDt><Dt>2026-03-03</Dt></BookgDt>
<NtryDtls><TxDtls><Refs><EndToEndId>INV-1</EndToEndId></Refs><RltdPties><Dbtr>{party}</Dbtr></RltdPties>
<RmtInf><Ustrd>Invoice 1</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry></{inner}></{root}></Document>"""


@pytest.mark.parametrize("kind", ["052", "053", "054"])
@pytest.mark.parametrize("version", range(1, 14))
def test_every_version_is_read_alike_and_its_balance_held(tmp_path: Path, kind: str, version: int) -> None:
    read = sources.read(written(tmp_path, in_version(kind, version), "a.xml"))
    assert read.format == f"camt.{kind}"
    assert rows(read, "amount", "reference", "counterparty", "memo", "status") == [(6000, "INV-1", "Ortiz SA", "Invoice 1", "booked")]
    assert [info.carries for info in read.statements] == [None if kind == "054" else True]
    if kind != "054":
        with pytest.raises(SourceBroken, match="does not carry"):
            sources.read(written(tmp_path, in_version(kind, version, "1061.00"), "b.xml"))


def test_an_entry_whose_state_does_not_say_whether_it_is_booked_is_rejected(tmp_path: Path) -> None:
    text = in_version("054", 8).replace("<Cd>BOOK</Cd>", "<Prtry>HELD</Prtry>")
    read = sources.read(written(tmp_path, text, "a.xml"))
    assert (read.lines.num_rows, [row.reason for row in read.rejected]) == (0, ["the state 'held' does not say whether it is booked"])


def test_the_page_of_one_statement_is_not_that_of_the_next(tmp_path: Path) -> None:
    """So the control totals of the next are held; a page of the message is that of all its statements."""
    text = in_version("053", 8)
    first = text[text.index("<Stmt>") : text.index("</Stmt>") + len("</Stmt>")]
    paged = first.replace("<Id>S1</Id>", "<Id>S0</Id><StmtPgntn><PgNb>2</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>")
    both = text.replace(first, paged + first)
    assert [one.page for one in sources.read(written(tmp_path, both, "a.xml")).statements] == [2, None]
    wrong = "</Acct><TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry><Bal>"
    with pytest.raises(SourceBroken, match="control total"):
        sources.read(written(tmp_path, text.replace(first, paged + first.replace("</Acct><Bal>", wrong)), "b.xml"))
    message = both.replace("</MsgId>", "</MsgId><MsgPgntn><PgNb>3</PgNb><LastPgInd>true</LastPgInd></MsgPgntn>")
    assert [one.page for one in sources.read(written(tmp_path, message, "c.xml")).statements] == [2, 3]
