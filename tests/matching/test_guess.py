"""The guesser proposes rules that read the files rightly, and says why."""

from __future__ import annotations

import duckdb
import pytest

from counterfoil.matching.guess.rule_set import guess_rules
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files


def reconciled(tmp_path, left: str, right: str):
    here, there = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    here.write_text(left, "utf-8")
    there.write_bytes(right.encode("cp1252"))
    text, reasons = guess_rules(here, there)
    return reconcile_files(here, there, load_rules(text), out=tmp_path / "out"), load_rules(text), reasons


OURS = "payout_id,reference,amount_minor,currency,created,status\n" + "".join(
    f"po_{n},PAY-{n:05},{n * 1_234_56},EUR,2026-03-{1 + n % 20:02},paid\n" for n in range(1, 60)
)


def test_a_german_statement_is_read_by_its_own_marks_dates_and_signs(tmp_path):
    rows = []
    for n in range(1, 60):
        minor = n * 1_234_56
        whole = f"{minor // 100:,}".replace(",", ".")
        rows.append(f"{2 + n % 20:02}.03.2026;PAY-{n:05};-{whole},{minor % 100:02};EUR;Auszahlung für Müller {n}\n")
    outcome, rules, reasons = reconciled(tmp_path, OURS, "Buchungstag;Referenz;Betrag;Währung;Verwendungszweck\n" + "".join(rows))
    assert outcome.verdict == "reconciled", (outcome.kinds, reasons)
    assert rules.right.amount is not None
    assert (rules.right.amount.unit, rules.right.amount.decimal, rules.right.amount.sign) == ("major", ",", -1)
    assert rules.right.dates.formats == ("%d.%m.%Y",)
    assert any("opposite sign" in reason for reason in reasons)


def test_a_counting_number_on_both_sides_is_not_taken_for_a_key(tmp_path):
    ours = "id,order_ref,amount,currency,date\n" + "".join(
        f"{n},O{n * 7919 % 100003},{n * 13 % 997}.50,EUR,2026-01-05\n" for n in range(1, 200)
    )
    order = [*range(100, 200), *range(1, 100)]
    theirs = "id,ref,amount,currency,date\n" + "".join(
        f"{k},O{n * 7919 % 100003},{n * 13 % 997}.50,EUR,2026-01-06\n" for k, n in enumerate(order, 1)
    )
    outcome, rules, _ = reconciled(tmp_path, ours, theirs)
    assert rules.left.columns["reference"] == "order_ref"
    assert outcome.verdict == "reconciled"


def test_a_file_without_figures_is_refused_by_side_and_field(tmp_path):
    from counterfoil.base.problems import InvalidInput

    (tmp_path / "a.csv").write_text("name,city\nx,y\nz,w\n")
    with pytest.raises(InvalidInput, match=r"left\.amount"):
        guess_rules(tmp_path / "a.csv", tmp_path / "a.csv")


def orders(header: str, line: str, count: int = 80) -> str:
    """Orders with a price, a fee of 3 % and 30 cents, and what is left."""
    made = []
    for n in range(1, count):
        gross = 1_000 + n * n * 37 % 9_973
        fee = gross * 3 // 100 + 30
        told = {"n": n, "order": f"A-{n * 7_919 % 100_003:06}", "gross": gross, "fee": fee, "net": gross - fee, "vat": gross // 5}
        made.append(line.format(**{name: f"{v / 100:.2f}" if name in ("gross", "fee", "net", "vat") else v for name, v in told.items()}))
    return header + "\n" + "\n".join(made) + "\n"


SALES = orders("order no,day,paid by customer,vat inside", "{order},2026-03-02,{gross},{vat}")


def test_the_amount_is_the_column_that_agrees_and_not_the_one_that_is_called_so(tmp_path):
    theirs = orders("Order,Posted,Charged,Fee,Net", "{order},2026-03-03,{gross},{fee},{net}")
    outcome, rules, reasons = reconciled(tmp_path, SALES, theirs)
    assert (rules.left.amount.column, rules.right.amount.column) == ("paid by customer", "Charged")
    assert outcome.verdict == "reconciled", (outcome.kinds, reasons)
    [said] = [reason for reason in reasons if reason.startswith("amount: ")]
    assert "paid by customer on the left and Charged on the right agree in 79 of 79" in said
    assert "Net on the right in 0" in said


def test_what_is_paid_out_after_fees_is_held_against_the_price_with_the_fee_added(tmp_path):
    theirs = orders("Order,Date,Net,Fee", "{order},2026-03-03,{net},{fee}")
    outcome, rules, reasons = reconciled(tmp_path, SALES, theirs)
    assert (rules.right.amount.column, rules.right.amount.fee) == ("Net", "Fee")
    assert outcome.verdict == "reconciled", (outcome.kinds, reasons)


def test_a_column_that_only_repeats_ours_does_not_hide_what_differs(tmp_path):
    theirs = orders("order,date,amount,expected", "{order},2026-03-03,{gross},{gross}").splitlines()
    theirs[5] = theirs[5].rpartition(",")[0].rpartition(",")[0] + ",1.00," + theirs[5].rpartition(",")[2]
    outcome, rules, _ = reconciled(tmp_path, SALES, "\n".join(theirs) + "\n")
    assert rules.right.amount.column == "amount"
    assert outcome.verdict == "not reconciled"


def test_where_no_amounts_agree_it_says_what_came_nearest_and_what_it_needs(tmp_path):
    theirs = orders("order,date,amount", "{order},2026-03-03,{vat}")
    ours = orders("order,date,amount", "{order},2026-03-02,{gross}")
    _, rules, reasons = reconciled(tmp_path, ours, theirs)
    assert any("meets order on the right 79 times, but no two amounts agree" in one and "Name the columns" in one for one in reasons), (
        reasons
    )
    assert all(one.kind != "key" for one in rules.passes)


def test_days_are_found_where_no_column_is_called_a_date(tmp_path):
    ours = orders("order,shipped,amount", "{order},2026-03-02,{gross}")
    theirs = orders("order,amount,paid", "{order},{gross},04.03.2026").replace("04.03", "14.03", 3)
    _, rules, reasons = reconciled(tmp_path, ours, theirs)
    assert (rules.left.columns["booked_on"], rules.right.columns["booked_on"]) == ("shipped", "paid")
    assert rules.right.dates.formats == ("%d.%m.%Y",)
    assert any("paid holds days" in reason for reason in reasons)


def test_the_currency_is_that_of_the_column_that_agrees(tmp_path):
    ours = orders("order,day,Amount EUR,Amount USD", "{order},2026-03-02,{vat},{gross}")
    theirs = orders("order,day,Charged", "{order},2026-03-02,{gross}")
    outcome, rules, reasons = reconciled(tmp_path, ours, theirs)
    assert (rules.left.amount.column, rules.left.asset, rules.right.asset) == ("Amount USD", "USD", "USD")
    assert any("the amount is Amount USD, not Amount EUR" in reason for reason in reasons)
    assert outcome.verdict == "reconciled"


def test_what_was_not_tried_is_said(tmp_path):
    more = ",".join(f"f{n}" for n in range(14))
    figures = ",".join(f"{n}.50" for n in range(14))
    theirs = orders(f"order,date,Net,Fee,{more}", "{order},2026-03-03,{net},{fee}," + figures)
    _, rules, reasons = reconciled(tmp_path, SALES, theirs)
    assert (rules.right.amount.column, rules.right.amount.fee) == ("Net", "Fee")
    assert any("could be read in 31 ways: the first 12 were tried" in reason for reason in reasons), reasons


def test_columns_that_could_be_the_key_and_were_not_tried_are_named_once(tmp_path):
    names = [f"mark{n:02}" for n in range(14)]
    theirs = orders(
        f"day,Paid,{','.join(names)},order", "2026-03-03,{gross}," + ",".join(f"M{n}{{order}}Z" for n in range(14)) + ",{order}"
    )
    _, rules, reasons = reconciled(tmp_path, SALES, theirs)
    said = [reason for reason in reasons if "columns could be the key" in reason]
    assert len(said) == 1, reasons
    assert said[0].startswith("right: 15 columns could be the key: the 12 that share most values with the other side were tried; not tried")
    assert said[0].endswith("mark11, mark12, mark13")
    assert rules.right.columns["reference"] == "order"  # the last in the file shares every value


def test_a_key_behind_many_columns_is_found_by_its_number_where_its_letters_differ(tmp_path):
    names = [f"mark{n:02}" for n in range(14)]
    marks = ",".join(f"M{n}x{{gross}}Z" for n in range(14))
    theirs = orders(f"day,Paid,{','.join(names)},order", "2026-03-03,{gross}," + marks + ",SHOP-{order}-EU")
    _, rules, reasons = reconciled(tmp_path, SALES, theirs)
    assert rules.right.columns["reference"] == "order", reasons


def test_rows_keep_their_own_figures_in_files_that_are_read_in_parts(tmp_path):
    """Threads read a file of many parts in any order; each row's amounts and keys must still be its own."""
    duckdb.sql(
        f"""copy (select 'K' || (i * 7919 % 1000003) as ref, (i % 97 + 1)::decimal(12,2) as vat, (i * 31 % 99991 + 5)::decimal(12,2) as paid
            from range(60000) t(i)) to '{tmp_path}/a.parquet' (format parquet, row_group_size 2048)"""
    )
    duckdb.sql(
        f"""copy (select ref, vat as tax, paid as total from '{tmp_path}/a.parquet' order by ref) to '{tmp_path}/b.parquet'
            (format parquet, row_group_size 2048)"""
    )
    text, reasons = guess_rules(tmp_path / "a.parquet", tmp_path / "b.parquet")
    rules = load_rules(text)
    assert (rules.left.amount.column, rules.right.amount.column) == ("paid", "total"), reasons
    [said] = [reason for reason in reasons if reason.startswith("amount: ")]
    assert "agree in 20,000 of 20,000" in said


def test_papers_of_two_kinds_that_are_counted_alike_share_no_key_in_another_script(tmp_path):
    """АКТ-201 is not СЧ-201: without their letters all thirty met, and what met with another amount was called a difference."""
    rows = [f"-{n},{n * 7 % 50 + 10}.50" for n in range(201, 231)]
    here, there = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    here.write_text("reference,amount\n" + "".join(f"СЧ{row}\n" for row in rows), "utf-8")
    there.write_text("reference,amount\n" + "".join(f"АКТ{row}\n" for row in rows), "utf-8")
    _, reasons = guess_rules(here, there)
    assert not any(reason.startswith("key: ") for reason in reasons), reasons


def test_a_word_for_the_direction_that_comes_after_what_was_looked_at_is_refused(tmp_path):
    """`Debit` in row 2,001 of a file of DR and CR was money in."""
    rows = [f"R{n},{n}.50,{'CR' if n % 2 else 'DR'}" for n in range(2_000)]
    here = tmp_path / "here.csv"
    here.write_text("reference,amount,direction\n" + "\n".join([*rows, "R9999,10.00,Debit"]) + "\n")
    text, reasons = guess_rules(here, here)
    rules = load_rules(text)
    assert rules.left.amount is not None
    assert (rules.left.amount.negative, rules.left.amount.positive) == (("DR",), ("CR",))
    assert "left: direction says DR for money going out; CR for money coming in" in reasons
    outcome = reconcile_files(here, here, rules, out=tmp_path / "out")
    assert (outcome.verdict, {(each.line, each.column) for each in outcome.rejected}) == ("incomplete", {(2002, "direction")})
