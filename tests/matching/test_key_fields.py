"""Key fields that a rule set declares by names of its own: used by passes and filters, shown by reports, refused where they say nothing."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.rules.toml_file import load_rules, rules_digest
from counterfoil.matching.two_files import reconcile_files
from tests.matching.builders import read_csv, rules_text, told

HEAD = ("id", "Invoice No", "order", "amount", "date", "shop")
SIDE = """
[{side}]
asset = "EUR"
[{side}.columns]
id = "id"
invoice = "Invoice No"
order = "order"
shop = "shop"
booked_on = "date"
[{side}.amount]
column = "amount"
unit = "minor"
[{side}.csv]
delimiter = ","
encoding = "utf-8"
"""
PASSES = """
[[left.where]]
field = "shop"
not = true
values = ["closed"]
[[pass]]
kind = "key"
name = "both"
left = ["invoice", "order"]
right = ["invoice", "order"]
[[pass]]
kind = "key"
name = "order"
left = ["order"]
right = ["order"]
normalise = ["digits"]
[[pass]]
kind = "group"
left = "shop"
right = "shop"
"""
DECLARED = '"invoice", "order", "shop"'
OWN = 'key_fields = ["invoice", "order", "shop"]\n' + SIDE.format(side="left") + SIDE.format(side="right") + PASSES

LEFT = [
    ("l1", "I-1", "7", 100, "2026-03-02", ""),
    ("l2", "I-2", "8", 200, "2026-03-02", ""),  # another amount there
    ("l3", "", "#9", 300, "2026-03-02", ""),  # only the order says it, and only its digits
    ("l4", "I-4", "", 400, "2026-03-02", "harbour"),  # two of a shop are one there
    ("l5", "I-5", "", 500, "2026-03-02", "harbour"),
    ("l6", "I-6", "", 600, "2026-03-02", ""),  # the invoice is there, with another order and amount
    ("l7", "I-7", "77", 700, "2026-03-02", "closed"),  # left out
]
RIGHT = [
    ("r1", "I-1", "7", 100, "2026-03-02", ""),
    ("r2", "I-2", "8", 201, "2026-03-02", ""),
    ("r3", "J-3", "order 9", 301, "2026-03-02", ""),
    ("r4", "", "", 900, "2026-03-04", "harbour"),
    ("r6", "I-6", "66", 650, "2026-03-02", ""),
]


def table(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return path


def test_passes_filters_and_every_output_use_the_names_of_a_rule_set(tmp_path: Path) -> None:
    found = reconcile_files(table(tmp_path / "a.csv", LEFT), table(tmp_path / "b.csv", RIGHT), load_rules(OWN), out=tmp_path / "out")
    assert {name: (counts["left"], counts["right"], counts["breaks"]) for name, counts in found.passes.items()} == {
        "both": (1, 1, 1),
        "order": (0, 0, 1),
        "group": (2, 1, 0),
    }
    assert sorted(told(found)) == [
        ("AMOUNT_MISMATCH", "l2", "r2"),
        ("AMOUNT_MISMATCH", "l3", "r3"),
        ("MISSING_LEFT", "", "r6"),
        ("MISSING_RIGHT", "l6", ""),
    ]
    assert found.sources[0].left_out == 1
    rows = {row["left_id"]: row for row in read_csv(found.paths["breaks.csv"])}
    assert list(rows["l3"])[3:11] == [
        *("left_ref", "right_ref", "left_invoice", "right_invoice", "left_order", "right_order", "left_shop", "right_shop")
    ]
    assert (rows["l3"]["left_order"], rows["l3"]["right_order"]) == ("#9", "order 9")
    assert "order: #9 ≠ order 9" in rows["l3"]["fields"]
    assert rows["l6"]["candidates"] == "r6"
    alone = next(each for each in found.breaks if each.kind == "MISSING_RIGHT")
    assert alone.candidates[0].why_refused == "same invoice, other amount or asset"
    report = json.loads(found.paths["report.json"].read_text())
    kept = {one["left"][0]["id"]: one["left"][0] for one in report["breaks"] if one["left"]}
    assert (kept["l2"]["key_fields"], kept["l6"]["key_fields"]) == ({"invoice": "I-2", "order": "8"}, {"invoice": "I-6"})
    sheet = openpyxl.load_workbook(found.paths["breaks.xlsx"])["Breaks"]
    titles = [cell.value for cell in sheet[1]]
    assert [row[titles.index("left_invoice")].value for row in sheet.iter_rows(min_row=2)] == ["I-2", None, None, "I-6"]
    assert "I-6" in found.paths["report.html"].read_text()


def test_a_rule_set_without_names_of_its_own_means_what_it_meant_before() -> None:
    plain = load_rules(rules_text())
    assert rules_digest(plain) == "66864a7bec221f2fc9762624ccce2290f22a182b3e61248c69ba68cb8aa7d4a1"
    assert rules_digest(load_rules(OWN)) != rules_digest(
        load_rules(OWN.replace('"invoice", "order", "shop"', '"shop", "invoice", "order"'))
    )


@pytest.mark.parametrize(
    ("was", "becomes", "field", "said"),
    [
        (DECLARED, '"Invoice", "order", "shop"', "key_fields.0", "small letters, digits and underscores, beginning"),
        (
            '"invoice", "order", "shop"',
            '"invoice", "order", "shop", "memo"',
            "key_fields.3",
            "names of your own; memo has its meaning already",
        ),
        (
            '"invoice", "order", "shop"',
            '"invoice", "order", "shop", "date"',
            "key_fields.3",
            "names of your own; date has its meaning already",
        ),
        (DECLARED, f'{DECLARED}, "shop"', "key_fields.3", "each name once; shop stands there twice"),
        (DECLARED, f'{DECLARED}, "till"', "key_fields.3", "names that have a column in [left.columns]"),
        (
            'order = "order"',
            'ordre = "order"',
            "left.columns.ordre",
            "did you mean `order`? ordre is not known here; a name",
        ),
        ('field = "shop"', 'field = "till"', "left.where.0.field", "one of id, invoice, order, shop, booked_on; not till"),
        ('field = "shop"', 'field = "shop"\ncolumn = "shop"', "left.where.0", "say of what: `column` (the file's name) or `field`"),
        ('left = ["order"]', 'left = ["odrer"]', "pass.1.left", "did you mean `order`? odrer is not known here"),
        (
            'left = "shop"',
            'left = "till"',
            "pass.2.left",
            "one of id, reference, counterparty, memo, batch, invoice, order, sh",
        ),
        ('shop = "shop"\n', "", "left.where.0.field", "one of id, invoice, order, booked_on; not shop (1 more)"),
    ],
)
def test_a_name_that_says_nothing_is_refused_in_plain_words_with_its_line(was: str, becomes: str, field: str, said: str) -> None:
    text = OWN.replace(was, becomes, 1)
    with pytest.raises(InvalidInput) as refused:
        load_rules(text)
    facts = dict(refused.value.facts)
    assert facts["field"] == field
    assert str(facts["limit"]).startswith(said)
    lines = text.splitlines()
    marks = {"key_fields": "key_fields", "left.columns": "ordre", "left.where": "field =", "pass.1": "odrer", "pass.2": '"till"'}
    line = next(n for n, words in enumerate(lines, 1) for start, mark in marks.items() if field.startswith(start) and mark in words)
    assert abs(int(str(facts["line"])) - line) <= (field == "left.where.0")


def test_a_field_that_one_side_has_no_column_for_is_no_key_of_it() -> None:
    with pytest.raises(InvalidInput) as refused:
        load_rules(OWN.replace('shop = "shop"', "", 2).replace('shop = "shop"', "", 1).replace('field = "shop"', 'field = "order"'))
    assert "names that have a column" in str(refused.value.facts["limit"])
    right = OWN.rindex('shop = "shop"')
    with pytest.raises(InvalidInput) as refused:
        load_rules(OWN[:right] + OWN[right + len('shop = "shop"') :])
    assert refused.value.facts["limit"] == "fields that have a column in [right.columns]; shop has none"
    assert refused.value.facts["line"] == OWN.splitlines().index('right = "shop"') + 1
