"""What stands where nothing was given matches nothing, in whichever pass; and one text has one form."""

from __future__ import annotations

import unicodedata

import duckdb
import pytest

from counterfoil.matching.passes.words import told as told_by
from tests.matching.builders import EXACT, row, rules_text, run, told
from tests.matching.test_passes import NORMALISED, TEXT, a_pass, matches

PLACEHOLDERS = (
    "NOTPROVIDED",
    "NOT PROVIDED",
    "not-provided",
    "NONREF",
    "No reference",
    "NaN",
    "NULL",
    "null",
    "None",
    "N/A",
    "n.a.",
    "#N/A",
    "NA",
    "nil",
    "-",
    "--",
    "—",
    "?",
    ".",
    "0",
    "000000",
    "0.00",
    "00000000-0000-0000-0000-000000000000",
    "{00000000-0000-0000-0000-000000000000}",
    "1.23456E+15",
    "1,23E+15",
    "9.87654321098765E+015",
    "(blank)",
    "#REF!",
    "#DIV/0!",
    "Unknown",
    "TBD",
    "<none>",
)
KEYS = (
    "INV-1",
    "NA-1",
    "0007",
    "A-000",
    "N1",
    "NULL1",
    "NAN-7",
    "UNKNOWN-7",
    "Nanny",
    "Notre Dame",
    "1E10",
    "1.5",
    "12",
    "0x0a",
    "Ключ",
    "订单",
    "É",
    "NOTPROVIDED-1",
    "20260101",
    "10000000-0000-0000-0000-000000000000",
)


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_a_placeholder_is_no_key(text):
    assert duckdb.execute(f"select {told_by('x')} from (select ? as x)", [text]).fetchall() == [(None,)]


@pytest.mark.parametrize("text", KEYS)
def test_what_only_looks_like_a_placeholder_is_a_key(text):
    assert duckdb.execute(f"select {told_by('x')} from (select ? as x)", [text]).fetchall() == [(text,)]


@pytest.mark.parametrize("text", ["NOTPROVIDED", "NaN", "NULL", "None", "N/A", "#N/A", "-", "0", "1.23456E+15"])
def test_strangers_of_equal_amounts_do_not_meet_by_a_placeholder(tmp_path, text):
    rules = rules_text(EXACT.replace('"exact"', '"exact"\nafter_days = 1') + NORMALISED + a_pass("amount", after_days=1))
    ours = [row(f"a{n}", reference=f"INV-{n}", amount=100_10 + n) for n in range(10)]
    theirs = [row(f"b{n}", reference=f"INV-{n}", amount=100_10 + n, date="2026-03-03") for n in range(10)]
    ours += [
        row("a10", reference=text, amount=50_00, memo="Salary advance Ann"),
        row("a11", reference=text, amount=75_00),
    ]
    theirs += [
        row("b10", reference=text, amount=50_00, memo="Chargeback case 991"),
        row("b11", reference=text, amount=75_00),
    ]
    outcome = run(tmp_path, ours, theirs, rules)
    assert outcome.verdict == "not reconciled"
    assert outcome.footing[0].matched.rows == 10
    assert [b[1] or b[2] for b in told(outcome)] == ["b10", "b11", "a10", "a11"]
    assert {m[3] for m in matches(outcome) if m[0] in ("a10", "a11")} == {"suggested"}


@pytest.mark.parametrize("there", [True, False])
def test_what_may_be_the_partner_and_is_there_is_not_waited_for(tmp_path, there):
    """That a break closes by itself when the other side comes was said beside the one of its amount that was there."""
    ours = [row("a0", reference="INV-1", date="2026-03-01"), row("a1", reference="NOTPROVIDED", amount=50_00, date="2026-03-03")]
    theirs = [
        row("b0", reference="INV-1", date="2026-03-01"),
        row("b1", reference="NOTPROVIDED", amount=50_00 + (not there), date="2026-03-02"),
    ]
    rules = rules_text(EXACT + NORMALISED + a_pass("amount", after_days=1)).replace("as_of = 2026-03-31", "as_of = 2026-03-03")
    outcome = run(tmp_path, ours, theirs, rules)
    [missing] = [one for one in outcome.breaks if one.left]
    assert ("late" in {one.cause for one in missing.hypotheses if one.verdict == "supported"}) is not there
    assert (missing.action.verb == "wait") is not there


@pytest.mark.parametrize(
    ("passes", "field"),
    [
        (a_pass("group"), "batch"),
        (a_pass("subset"), "counterparty"),
        (a_pass("amount", confirms=True, same_counterparty=True), "counterparty"),
        (TEXT, "memo"),
        (TEXT, "counterparty"),
        (a_pass("embedded"), "reference"),
        (
            '[[pass]]\nkind = "key"\nname = "two"\nleft = ["reference", "batch"]\nright = ["reference", "batch"]\n',
            "batch",
        ),
    ],
)
@pytest.mark.parametrize("text", ["NOTPROVIDED", "000000000", "N/A"])
def test_no_pass_takes_a_placeholder_for_evidence(tmp_path, passes, field, text):
    same = {"reference": "R-1" if field == "batch" else "", field: text}
    ours = [row("p1", **same, amount=100), row("p2", **{**same, "reference": same["reference"] and "R-2"}, amount=30)]
    theirs = [row("s1", **same, amount=100), row("s2", **{**same, "reference": same["reference"] and "R-2"}, amount=30)]
    if field == "reference":
        theirs = [{**each, "memo": f"for {text}"} for each in theirs]
    if field == "counterparty" and "subset" in passes:
        theirs = [row("s3", **same, amount=130)]
    outcome = run(tmp_path, ours, theirs, rules_text(passes))
    assert not [m for m in matches(outcome) if m[3] == "confirmed"]


def test_opposites_do_not_cancel_by_a_placeholder(tmp_path):
    ours = [
        row("p1", reference="NOTPROVIDED", amount=50, memo="Ann"),
        row("p2", reference="NOTPROVIDED", amount=-50, memo="Bob"),
    ]
    outcome = run(tmp_path, ours, [row("s1", reference="Z")], rules_text(EXACT + a_pass("reversal")))
    assert matches(outcome) == []


def test_a_key_composed_and_the_same_key_in_pieces_are_one(tmp_path):
    composed = "Zürich-Łódź-é7"
    pieces = unicodedata.normalize("NFD", composed)
    assert composed != pieces
    outcome = run(tmp_path, [row("p1", reference=composed)], [row("s1", reference=pieces)])
    assert matches(outcome) == [("p1", "s1", "exact", "confirmed")]


def test_blanks_of_other_kinds_and_marks_without_width_do_not_part_two_keys(tmp_path):
    outcome = run(tmp_path, [row("p1", reference="INV 7")], [row("s1", reference="\ufeffINV\u00a07\u200b")])
    assert matches(outcome) == [("p1", "s1", "exact", "confirmed")]
