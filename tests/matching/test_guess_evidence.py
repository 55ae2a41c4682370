"""The guesser takes key, tolerance, id and lines under a table from what the files show, in every format, and what it writes runs."""

from __future__ import annotations

import csv
import io
import json
import random
import re

import pytest
from openpyxl import Workbook

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.matching.guess.rule_set import guess, guess_rules
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files

SALES = [(10_400 + n, 1_000 + n * n * 37 % 89_989, 1 + n % 25) for n in range(90)]


def money(minor: int) -> str:
    return f"{minor / 100:.2f}"


def shop(line: str = "#{n},2026-03-{d:02},{money}", off=lambda n: 0) -> str:
    rows = (line.format(n=n, d=d, money=money(minor + off(n))) for n, minor, d in SALES)
    return "Order,Created,Total\n" + "\n".join(rows) + "\n"


def bank(reference: str = "{n}") -> str:
    rows = (f"tx_{n * 7919 % 100_003:06x},2026-03-{d + 1:02},{money(minor)},{reference.format(n=n)}" for n, minor, d in SALES)
    return "tx_id,posted,amount,order ref\n" + "\n".join(rows) + "\n"


def guessed(tmp_path, left: str | bytes, right: str, suffix: str = "csv", said=None):
    here, there = tmp_path / f"shop.{suffix}", tmp_path / "bank.csv"
    here.write_bytes(left if isinstance(left, bytes) else left.encode())
    there.write_text(right, "utf-8")
    found = guess(here, there, said)
    rules = load_rules(found.text)
    return reconcile_files(here, there, rules, out=tmp_path / "out"), rules, found.reasons


@pytest.mark.parametrize("reference", ["{n}", "SHOP-{n}-EU", "2026/INV {n}", "Web#0{n}"])
def test_a_reference_is_met_whatever_stands_around_its_number(tmp_path, reference):
    outcome, rules, reasons = guessed(tmp_path, shop(), bank(reference))
    assert (rules.left.columns["reference"], rules.right.columns["reference"]) == ("Order", "order ref")
    assert any("meets order ref on the right 90 times" in reason for reason in reasons), reasons
    assert outcome.verdict == "reconciled"
    assert rules.passes[0].kind == "key"


def terminals(line: str, step: int = 1) -> list[str]:
    """Three terminals that each begin their numbers anew."""
    sales = [(n, d, money(minor)) for n, (_, minor, d) in enumerate(SALES)]
    return [line.format(terminal=f"T{n % 3 + 1}", number=f"{n // 3 + 1:04}", n=n, d=d, money=paid) for n, d, paid in sales[::step]]


def test_two_columns_are_the_key_together_where_neither_is_one_alone(tmp_path):
    ours = ["Terminal,Receipt,Day,Total", *terminals("{terminal},{number},2026-03-{d:02},{money}")]
    theirs = ["line,posted,doc,pos,value", *terminals("{n},2026-03-{d:02},{number},{terminal},{money}", step=-1)]
    outcome, rules, reasons = guessed(tmp_path, "\n".join(ours) + "\n", "\n".join(theirs) + "\n")
    assert rules.key_fields == ("part",), reasons
    assert (rules.left.columns["reference"], rules.left.columns["part"]) == ("Receipt", "Terminal")
    assert (rules.right.columns["reference"], rules.right.columns["part"]) == ("doc", "pos")
    assert rules.passes[0].left == rules.passes[0].right == ("reference", "part")
    assert any("Receipt and Terminal on the left together meet doc and pos on the right 90 times" in reason for reason in reasons), reasons
    assert outcome.verdict == "reconciled"
    assert outcome.passes["exact"]["left"] == 90


def with_balance(wrong: int = 0) -> str:
    """The shop's file with its own running balance, which is off at one row."""
    head, *rows = shop().splitlines()
    at, lines = 50_000, []
    for n, (line, (_, minor, _)) in enumerate(zip(rows, SALES, strict=True)):
        at += minor
        lines.append(f"{line},{money(at + (wrong if n == 40 else 0))}")
    return "\n".join([f"{head},Saldo", *lines]) + "\n"


def test_a_running_balance_is_proposed_where_it_leads_through_the_file_and_each_run_checks_it(tmp_path):
    outcome, rules, reasons = guessed(tmp_path, with_balance(), bank())
    assert (rules.left.amount.balance, rules.right.amount.balance) == ("Saldo", None)
    assert any("Saldo is its running balance" in reason for reason in reasons), reasons
    assert outcome.verdict == "reconciled"
    cut = tmp_path / "shop.csv"
    cut.write_text("".join(line for n, line in enumerate(with_balance().splitlines(keepends=True)) if n != 30))
    with pytest.raises(Problem, match="do not lead to its balance"):
        reconcile_files(cut, tmp_path / "bank.csv", rules, out=tmp_path / "out")


def test_a_balance_that_leads_on_but_for_a_row_leaves_nothing_to_conclude(tmp_path):
    """A row is missing or wrong, though all that is there has its partner."""
    with pytest.raises(Problem, match="do not lead to its balance: a row is missing") as refused:
        guessed(tmp_path, with_balance(wrong=1), bank())
    told = refused.value.facts
    assert (told["line"], told["column"], told["wrong"], told["steps"]) == (42, "Saldo", 2, 89)
    assert "--column left.balance=nothing" in told["reason"]
    outcome, rules, _ = guessed(tmp_path, with_balance(wrong=1), bank(), said={"left": {"balance": ""}})
    assert (rules.left.amount.balance, outcome.verdict) == (None, "reconciled")


@pytest.mark.parametrize(("turned", "why"), [(False, "do not lead to its balance"), (True, "in another order than that of the rows")])
def test_a_balance_that_leads_nowhere_is_told_of_and_not_proposed(tmp_path, turned, why):
    head, *rows = with_balance().splitlines()
    nowhere = [f"{line.rsplit(',', 1)[0]},{money(n * n * 7 + 11)}" for n, line in enumerate(rows)]
    rows = rows[1::2] + rows[::2] if turned else nowhere
    outcome, rules, reasons = guessed(tmp_path, "\n".join([head, *rows]) + "\n", bank())
    assert rules.left.amount.balance is None
    assert any("Saldo is not taken for a running balance" in reason and why in reason for reason in reasons), reasons
    assert outcome.verdict == "reconciled"


def test_numbers_that_only_look_alike_are_no_key(tmp_path):
    there = "\n".join(
        bank().splitlines()[:1] + [line.rsplit(",", 1)[0] + f",R-{10_400 + n}" for n, line in enumerate(sorted(bank().splitlines()[1:]))]
    )
    _, rules, reasons = guessed(tmp_path, shop(), there + "\n")
    assert all(step.kind != "key" for step in rules.passes), reasons


def test_rounding_to_both_sides_is_a_tolerance_that_says_how_often(tmp_path):
    outcome, rules, reasons = guessed(tmp_path, shop(off=lambda n: n % 3 - 1), bank())
    assert {step.amount_tolerance for step in rules.passes if step.kind == "key"} == {1}
    assert any("60 of 90 pairs are off by no more than 1 minor unit (30 up, 30 down)" in reason for reason in reasons), reasons
    assert outcome.verdict == "reconciled"
    assert outcome.tolerated[0].pairs == 60


def test_what_lies_to_one_side_is_no_rounding(tmp_path):
    outcome, rules, reasons = guessed(tmp_path, shop(off=lambda n: 3 * (n % 2)), bank())
    assert {step.amount_tolerance for step in rules.passes if step.kind == "key"} == {0}
    assert any("45 of 90 pairs are off by up to 3 minor units, nearly all to one side" in reason for reason in reasons), reasons
    assert outcome.verdict == "not reconciled"


def test_rounding_among_real_differences_is_no_tolerance(tmp_path):
    outcome, rules, _ = guessed(tmp_path, shop(off=lambda n: (0, 1, -1, 9, 17, -23)[n % 6]), bank())
    assert {step.amount_tolerance for step in rules.passes if step.kind == "key"} == {0}
    assert outcome.verdict == "not reconciled"


def test_a_fee_that_nobody_wrote_down_is_found_from_the_pairs_and_said_in_figures(tmp_path):
    """1.9 % and 25 cents of each sale, and three pairs that are really off."""
    there = bank()
    for n, minor, _ in SALES:
        paid = minor - ((minor * 19_000 + 500_000) // 1_000_000 + 25) - 500 * (n % 30 == 0)
        there = there.replace(f",{money(minor)},{n}\n", f",{money(paid)},{n}\n")
    outcome, rules, reasons = guessed(tmp_path, shop(), there)
    assert (rules.left.amount.less_ppm, rules.left.amount.less_minor) == (19_000, 25), reasons
    assert any(
        "a known fee: Total on the left less 1.90 % and 25 minor units of each record agrees in 87 of 90" in reason for reason in reasons
    )
    assert [(kind, count, minor) for kind, _, count, minor in outcome.kinds] == [("AMOUNT_MISMATCH", 3, 15_00)]


def test_amounts_that_no_fee_explains_are_given_none(tmp_path):
    _, rules, reasons = guessed(tmp_path, shop(off=lambda n: n * n % 997), bank())
    assert rules.left.amount.less_ppm == rules.right.amount.less_ppm == 0
    assert any("say which fee lies between them" in reason for reason in reasons), reasons


def test_totals_under_and_between_the_rows_are_no_records_and_are_said(tmp_path):
    lines = shop().splitlines()
    half, rest = sum(m for _, m, _ in SALES[:45]), sum(m for _, m, _ in SALES[45:])
    lines = [*lines[:46], f"Subtotal,,{money(half)}", *lines[46:], f"Subtotal,,{money(rest)}", f"Total,,{money(half + rest)}"]
    outcome, _, reasons = guessed(tmp_path, "\n".join(lines) + "\n", bank())
    assert any("left: 3 lines are totals or balances and no records" in reason for reason in reasons), reasons
    assert outcome.verdict == "reconciled"


def test_the_days_that_are_compared_are_those_that_lie_nearest_in_the_pairs(tmp_path):
    """Sales are dated twice and so are payments; only the day of shipping and the value date belong together."""
    ours = shop("{n},2026-02-{d:02},{money},{d:02}.03.2026").replace("Created,Total", "Date,Total,Shipped")
    there = bank().replace("posted", "Booking date").splitlines()
    there = [f"{there[0]},Value date", *(f"{line},{line.split(',')[1]}" for line in there[1:])]
    there = [line.replace(",2026-03-", ",2026-05-", 1) for line in there]
    outcome, rules, reasons = guessed(tmp_path, ours, "\n".join(there) + "\n")
    assert (rules.left.columns["booked_on"], rules.right.columns["booked_on"]) == ("Shipped", "Value date"), reasons
    assert rules.left.dates.formats == ("%d.%m.%Y",)
    assert any("Value date on the right lies from 1 to 1 days after Shipped on the left in 90 pairs" in reason for reason in reasons), (
        reasons
    )
    assert outcome.verdict == "reconciled"


def test_an_id_is_a_column_that_never_repeats(tmp_path):
    ours = shop("7,{n},2026-03-{d:02},{money}").replace("Order,", "id,Order No,")
    there = bank().replace("tx_id", "Bank Entry No")
    _, rules, reasons = guessed(tmp_path, ours, there)
    assert rules.right.columns["id"] == "Bank Entry No"
    assert rules.left.columns.get("id") != "id"
    assert any("left: id is not used as an id: 90 of 90 rows fill it, with 1 different values" in reason for reason in reasons), reasons


TITLED = "Sales of the shop\nPeriod,March 2026\n\n"


def in_a_workbook() -> bytes:
    book = Workbook()
    for row in csv.reader(io.StringIO(TITLED + shop())):
        book.active.append([float(cell) if cell.replace(".", "", 1).isdigit() and "." in cell else cell or None for cell in row])
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


def in_json(indent: int | None) -> str:
    records = [{"Order": f"#{n}", "Created": f"2026-03-{d:02}", "Total": minor / 100} for n, minor, d in SALES]
    return json.dumps({"report": "Sales of the shop", "period": "March 2026", "data": records}, indent=indent)


@pytest.mark.parametrize(
    ("suffix", "made"),
    [
        ("csv", lambda: TITLED + shop()),
        ("tsv", lambda: (TITLED + shop()).replace(",", "\t")),
        ("txt", lambda: (TITLED + shop()).replace(",", ";")),
        ("csv", lambda: "\ufeff" + (TITLED + shop()).replace(",", "|")),
        ("xlsx", in_a_workbook),
        ("json", lambda: in_json(None)),
        ("json", lambda: in_json(2)),
    ],
)
def test_the_records_are_found_under_a_title_in_every_format(tmp_path, suffix, made):
    outcome, _, reasons = guessed(tmp_path, made(), bank(), suffix)
    assert outcome.verdict == "reconciled", reasons
    assert outcome.sources[0].rows == 90


def test_a_json_figure_with_more_digits_than_a_float_keeps_is_refused_and_not_changed(tmp_path):
    """90071992547409.93 would be read as …94: money that is not in the file."""
    left = json.dumps([{"id": "a", "amount": 0}]).replace("0}", "90071992547409.93}")
    (tmp_path / "a.json").write_text(left)
    (tmp_path / "b.csv").write_text("id,amount\na,90071992547409.94\n")
    rules = load_rules(
        "\n".join(
            f'[{side}]\nasset = "EUR"\n[{side}.columns]\nreference = "id"\n[{side}.amount]\ncolumn = "amount"\nunit = "major"'
            for side in ("left", "right")
        )
        + '\n[[pass]]\nkind = "key"\nname = "exact"\n'
    )
    outcome = reconcile_files(tmp_path / "a.json", tmp_path / "b.csv", rules, out=tmp_path / "out")
    assert outcome.verdict != "reconciled"
    assert "more digits" in outcome.rejected[0].reason


def odd_file(rng: random.Random, rows: list[tuple[int, int, int]]) -> tuple[str, str]:
    """A table as somebody's program might write it, and the mark between its columns."""
    mark = rng.choice(",;\t|")
    names = rng.sample(['No "old"', "Ref.", "Text", "Größe", "a=b", "x'y", "[left]", "Order\\No", "Name", "Paid"], 5)
    day = rng.choice(["2026-03-{:02}", "{:02}.03.2026", "03/{:02}/2026", "{:02} Mar 2026"])
    decimal = rng.choice([".", ","]) if mark != "," else "."
    made = io.StringIO()
    out = csv.writer(made, delimiter=mark)
    for _ in range(rng.choice([0, 0, 3])):
        out.writerow([rng.choice(["Report", "", "of March"])])
    out.writerow(names)
    for n, minor, d in rows:
        figure = f"{minor / 100:.{rng.choice([2, 2, 2, 1])}f}".replace(".", decimal)
        out.writerow([rng.choice(["", "#", "R-"]) + str(n), day.format(d), figure, rng.choice(["", "paid", 'say "so"', "n/a"]), n * 3])
    if rng.random() < 0.3:
        out.writerow(["Total", "", "1.00", "", ""])
    return made.getvalue(), mark


@pytest.mark.parametrize("seed", range(12))
def test_what_it_writes_always_loads_and_runs(tmp_path, seed):
    """Whatever the files look like: a rule set that fits them, or a refusal that names the side; a refused file is refused by its line."""
    rng = random.Random(seed)
    shared = [
        (rng.randrange(1_000, 99_999), rng.randrange(1, 10 ** rng.choice([3, 6])), rng.randrange(1, 28))
        for _ in range(rng.choice([1, 8, 60]))
    ]
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    for path in (here, there):
        path.write_text(odd_file(rng, rng.sample(shared, len(shared)))[0], "utf-8")
    refused = attempt(lambda: reconcile_files(here, there, load_rules(guess_rules(here, there)[0]), out=tmp_path / "out"))
    assert re.search("total under the table|(here|there)[.]csv|(left|right)[.]amount", refused), refused


def attempt(act) -> str:
    """What the attempt was refused with; of one that came to a verdict, a word that a refusal could say too."""
    try:
        assert act().verdict in ("reconciled", "not reconciled", "incomplete")
    except Problem as problem:
        return str(problem)
    return "here.csv"


@pytest.mark.parametrize("sign", ["€", "US$", "e"])
def test_a_currency_that_is_no_code_is_not_given_to_the_other_side(tmp_path, sign):
    """It broke the rule set's own pattern, and the guess ended with a stack of Python instead of a word."""
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    here.write_text("id,amount\n" + "".join(f"R{n},{n}.50\n" for n in range(100, 130)))
    there.write_text("id,amount,currency\n" + "".join(f"R{n},{n}.50,{sign}\n" for n in range(100, 130)), "utf-8")
    text, _ = guess_rules(here, there)
    assert load_rules(text).left.asset == "XXX"
    outcome = reconcile_files(here, there, load_rules(text), out=tmp_path / "out")
    assert (outcome.verdict, len(outcome.rejected)) == ("not reconciled", 30)


def test_a_rule_set_loads_whatever_marks_a_name_holds_and_a_name_that_is_no_text_is_refused(tmp_path):
    table = "ref,A\x7fB amount\n" + "".join(f"R{n},{n}.50\n" for n in range(100, 130))
    here, odd = tmp_path / "x\x7fy.csv", tmp_path / "caf\udce9.csv"
    for path in (here, odd):
        path.write_text(table)
    rules = load_rules(guess_rules(here, here)[0])
    assert (rules.left.amount.column, rules.left.name) == ("A\x7fB amount", "x\x7fy")
    for act in (lambda: guess_rules(here, odd), lambda: reconcile_files(here, odd, rules, out=tmp_path / "out")):
        with pytest.raises(InvalidInput, match="UTF-8") as refused:
            act()
        assert "caf" in refused.value.sentence()
        refused.value.sentence().encode()
