"""The guesser proposes rules that read the files rightly, and says why."""

from __future__ import annotations

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
