"""A guess is a page that a person corrects, column by column; what was said stands, is tried again, and always runs."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from counterfoil.base.problems import InvalidInput
from counterfoil.cli.local.reconcile_files import files
from counterfoil.matching.guess.page import corrected, said_of
from counterfoil.matching.guess.rule_set import guess
from counterfoil.matching.rules.toml_file import load_rules

door = typer.Typer()
door.command()(files)

# By the names the key is Order, and the amount is Total; by what agrees the amount is Charged.
OURS = "Order,Slip,Created,Total,Charged\n" + "".join(f"#{n},S{n * 7},2026-03-02,{n * n % 997}.10,{n}.50\n" for n in range(1000, 1040))
THEIRS = "Slip no,Order no,Day,Sum\n" + "".join(f"S{n * 7},{n},2026-03-03,{n}.50\n" for n in range(1000, 1040))


@pytest.fixture
def two(tmp_path):
    here, there = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    here.write_text(OURS)
    there.write_text(THEIRS)
    return here, there, tmp_path / "out"


def typed(two, *words: str, answers: str = ""):
    here, there, out = two
    found = CliRunner().invoke(door, [str(here), str(there), "--out", str(out), *words], input=answers)
    rules = load_rules(out / "rules.toml") if (out / "rules.toml").exists() else None
    return found, rules


def test_the_page_shows_each_column_what_stands_in_it_and_what_it_is_taken_for(two):
    found, rules = typed(two, "--guess")
    lines = [line.split() for line in found.stdout.splitlines()]
    assert found.exit_code == 0
    assert ["Charged", "amount", "1000.50,", "1001.50,", "1002.50"] in lines
    assert ["Total", "nothing", "9.10,", "16.10,", "25.10"] in lines
    assert rules.left.amount.column == "Charged"
    assert "--column left." in found.stdout
    assert "RECONCILED" in found.stdout


def test_a_column_that_is_named_stands_and_the_figures_say_what_that_makes_of_the_files(two):
    found, rules = typed(two, "--guess", "--column", "left.amount=Total", "--column", "left.reference=Slip")
    assert (rules.left.amount.column, rules.left.columns["reference"]) == ("Total", "Slip")
    assert "no two amounts agree there often enough" in found.stdout
    found, rules = typed(two, "--guess", "--column", "left.reference=Slip", "--column", "right.reference=Slip no")
    assert (rules.left.columns["reference"], rules.right.columns["reference"]) == ("Slip", "Slip no")
    assert "key: Slip on the left meets Slip no on the right 40 times, and 40 of those agree" in found.stdout


def test_it_asks_column_by_column_and_an_empty_answer_keeps_the_guess(two):
    answers = "\nreference\n\n\n\n" + "reference\nmemory\nnothing\n\n\n"
    found, rules = typed(two, "--ask", answers=answers)
    assert "left, column Slip (S7000, S7007, S7014) [" in found.stdout
    assert "One of id, reference" in found.stdout  # `memory` is no name
    assert (rules.left.columns["reference"], rules.right.columns["reference"]) == ("Slip", "Slip no")
    assert found.exit_code == 0
    assert "RECONCILED" in found.stdout


def test_a_run_without_rules_takes_what_is_said_and_one_with_rules_refuses_it(two):
    found, rules = typed(two, "--column", "left.amount=Total")
    assert (found.exit_code, rules.left.amount.column) == (1, "Total")
    found, _ = typed(two, "--rules", str(two[2] / "rules.toml"), "--column", "left.amount=Charged")
    assert found.exit_code == 2


def test_a_proposal_that_cannot_be_used_is_shown_with_the_reason_and_not_written(two):
    """It was written first, and what the files refused stayed on disk as if it were good."""
    here, _, out = two
    here.write_text(f"{OURS}Total,,,,1.00\n")
    found, rules = typed(two, "--guess", "--column", "left.amount=Charged")
    assert "cannot be used as it is" in found.stdout
    assert "--column left." in found.stdout
    assert (found.exit_code, rules, out.exists()) == (2, None, False)


@pytest.mark.parametrize(("off", "said"), [("40", "a known fee"), ("0", "tolerance: 20 of 40 pairs")])
def test_what_nobody_has_agreed_to_is_proposed_and_makes_no_unread_run_green(tmp_path, off, said):
    """A fee or a tolerance that was only guessed would turn a shortage on every row into a match."""
    here, there = tmp_path / "ours.csv", tmp_path / "theirs.csv"
    here.write_text("order,day,amount\n" + "".join(f"A{n},2026-03-02,{n}.50\n" for n in range(1000, 1040)))
    paid = {n: n * 100 + 50 - (int(off) or (0, 1, 0, -1)[n % 4]) for n in range(1000, 1040)}
    there.write_text("order,day,amount\n" + "".join(f"A{n},2026-03-02,{m // 100}.{m % 100:02}\n" for n, m in paid.items()))
    found, rules = typed((here, there, tmp_path / "out"))
    told = "".join(found.output.split("\n"))
    assert (found.exit_code, rules.left.amount.has_known_fee, rules.passes[0].amount_tolerance) == (1, False, 0)
    assert said in told
    assert "not taken" in told
    found, rules = typed((here, there, tmp_path / "out"), "--guess")
    assert rules.left.amount.has_known_fee or rules.right.amount.has_known_fee or rules.passes[0].amount_tolerance == 1
    assert "not taken" not in found.output


@pytest.mark.parametrize("word", ["left.amount", "amount=Total", "top.amount=Total", "left.price=Total"])
def test_a_word_that_names_no_side_or_no_name_of_ours_is_refused(word):
    with pytest.raises(InvalidInput, match=r"SIDE\.NAME=COLUMN"):
        said_of([word])


def test_a_column_that_is_not_there_is_refused_with_those_that_are(two):
    with pytest.raises(InvalidInput, match="Order, Slip, Created, Total, Charged"):
        guess(two[0], two[1], {"left": {"amount": "Price"}})


def test_what_is_said_of_a_column_takes_it_from_what_it_was(two):
    columns = guess(two[0], two[1]).columns
    said = corrected(columns, {("left", "Charged"): "nothing", ("left", "Total"): "amount", ("left", "Created"): "value_on"})
    assert said["left"] == {"amount": "Total", "booked_on": "", "value_on": "Created"}
    assert said["right"] == {}


def test_reasons_stand_in_the_rule_set_whatever_a_file_calls_its_columns(tmp_path):
    here = tmp_path / "a.csv"
    here.write_text('"Or\nder","To\ttal ""x"" \\"\n' + "".join(f"A{n},{n}.50\n" for n in range(10, 30)))
    found = guess(here, here)
    assert load_rules(found.text).left.amount.column == 'To\ttal "x" \\'
    assert "# " in found.text
