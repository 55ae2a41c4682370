"""The files of a run: canonical, harmless, and readable without a server."""

from __future__ import annotations

import json
import re

import openpyxl
import pytest
from typer.testing import CliRunner

from counterfoil.cli.local.reconcile_files import app
from counterfoil.matching import two_files
from counterfoil.matching.findings import candidates, findings, plain_breaks
from counterfoil.matching.findings import outcome as outcomes
from counterfoil.matching.output import files
from counterfoil.matching.output.workbook import bridge
from counterfoil.matching.passes.footing import ControlTotal
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.matching.builders import EXACT, parquet_parts, places_told, read_csv, row, rules_text, run, write_csv
from tests.matching.test_same_bytes import PASSES

EVIL = '=HYPERLINK("http://evil")<script>alert(1)</script>'
OURS = [
    row("p1", reference="A"),
    row("p2", reference="B", amount=90),
    row("p3", reference="C", memo=EVIL, counterparty="@SUM(A1)"),
]
THEIRS = [row("s1", reference="A"), row("s2", reference="B", amount=100)]


@pytest.fixture
def outcome(tmp_path):
    return run(tmp_path, OURS, THEIRS)


def test_the_report_is_canonical_json_with_amounts_as_strings(outcome):
    text = outcome.paths["report.json"].read_text()
    told = json.loads(text)
    assert text == json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
    assert told["footing"][0]["source"] == {"minor": "20090", "rows": 3}
    assert [b["kind"] for b in told["breaks"]] == ["AMOUNT_MISMATCH", "MISSING_RIGHT"]


def test_the_report_does_not_depend_on_where_or_when_it_was_made(outcome):
    text = outcome.paths["report.json"].read_text()
    assert str(outcome.paths["report.json"].parent) not in text
    assert "left.csv" not in text


def test_the_page_opens_without_a_network_and_shows_what_files_say_as_text(outcome):
    page = outcome.paths["report.html"].read_text()
    assert not re.search(r"<script|src=|href=|url\(|@import", page)
    assert "&lt;script&gt;" in page
    assert "Not reconciled" in page
    assert "left.csv:4" in page  # the line in the file


def test_a_record_of_several_parquet_files_is_shown_where_it_stands(tmp_path):
    here, there, places = parquet_parts(tmp_path)
    outcome = reconcile_files(here, there, load_rules(rules_text()), out=tmp_path / "out")
    assert places_told(outcome) == places
    page = outcome.paths["report.html"].read_text()
    for name, place in places.items():
        assert re.search(rf"{re.escape(place)}  [^<]*{re.escape(name)}", page), "the record beside its place is the one that stands there"
    assert [(each.file, each.line) for each in outcome.rejected] == sorted((path.name, 7) for path in here)
    assert all(each.raw.startswith(f"id={each.file[:6]}-7, ") for each in outcome.rejected)


def test_lines_that_the_engine_writes_by_itself_are_those_that_python_writes(tmp_path, monkeypatch):
    """Few breaks are explained here, as of a million only the largest are; the others are written twice, in both ways."""
    ours, theirs = [], []
    changes = [
        *({"amount": 99}, {"amount": 10_050}, {"asset": "USD"}, {"asset": "USD", "amount": 7}, {"status": "failed"}, {"status": ""}),
        *({"date": "2026-03-03"}, {"date": "2026-03-20"}, {"date": "2026-02-27", "amount": 5}, {"counterparty": "Acme", "amount": 3}),
        {"date": "2026-03-03", "amount": 6},
        *(
            {"id": "=cmd()", "amount": 1},
            {"id": 'a"b', "amount": 1},
            {"id": "-5", "amount": 1},
            {"id": "é", "amount": 1},
            {"amount": -10_000},
        ),
    ]
    for n in range(60):
        here = row(f"p{n}", amount=10_000, counterparty="Bolt")
        ours.append(here)
        theirs.append({**here, "id": f"s{n}", **{name: str(value) for name, value in changes[n % len(changes)].items()}})
    ours += (
        [row("alone", reference="")] + [row(f"b{n}", batch="K", amount=n) for n in (1, 2)] + [row("p0", reference="REF-p0", amount=10_000)]
    )
    theirs += [row("sum", batch="K", amount=4), row("more", reference="0"), row("x", reference="alone, or not")]
    rules = rules_text(PASSES.replace("after_days = 1", "after_days = 1\nbefore_days = 1"))
    for module in (findings, candidates, plain_breaks):
        monkeypatch.setattr(module, "EXPLAINED_MAX", 3)
    engine_alone = []
    monkeypatch.setattr(files, "plain_texts", lambda engine: (engine_alone.append(one) or one for one in plain_breaks.plain_texts(engine)))
    monkeypatch.setattr(plain_breaks, "PAGE_ROWS", 7)
    for name in ("held", "quick", "slow"):
        (tmp_path / name).mkdir()
    held = run(tmp_path / "held", ours, theirs, rules)
    assert engine_alone == [], "what the outcome holds is not read again"
    monkeypatch.setattr(outcomes, "BREAKS_HELD_MAX", 5)
    quick = run(tmp_path / "quick", ours, theirs, rules)
    monkeypatch.setattr(files, "list_plain", lambda engine, _: engine.table("plain_line", "select 0 as n, '' as line where false"))
    slow = run(tmp_path / "slow", ours, theirs, rules)
    assert quick.paths["breaks.csv"].read_bytes() == slow.paths["breaks.csv"].read_bytes() == held.paths["breaks.csv"].read_bytes()
    lines = [line for _, text, _ in engine_alone for line in text.splitlines()]
    assert len(lines) == sum(count for _, _, count in engine_alone)
    kinds = {line.split('"')[1] for line in lines}
    assert kinds == {"AMOUNT_MISMATCH", "CURRENCY_MISMATCH", "STATUS_MISMATCH", "DATE_MISMATCH", "MISSING_LEFT", "MISSING_RIGHT"}
    assert 30 < len(lines) < quick.breaks_total - 10


def test_causes_that_are_equally_common_stand_in_the_order_of_the_alphabet(tmp_path):
    """They stood in another order in each run over the same files."""
    ours = [row("p1", amount=100), row("p2", amount=-500, memo="refund"), row("p3"), {**row("p3"), "id": "p4"}, row("p5", asset="USD")]
    theirs = [{**each, "id": each["id"].replace("p", "s")} for each in (row("p1"), row("p3"), row("p5"))]
    outcome = run(tmp_path, ours, theirs)
    causes = sorted(each.cause for each in outcome.breaks)
    assert len(set(causes)) == len(causes) == 4
    assert f"Most often the cause looks like: {', '.join(causes[:3])}." in outcome.paths["report.html"].read_text()


def test_cells_that_a_spreadsheet_would_run_are_made_harmless(tmp_path):
    ours = [row("=cmd()", reference="+1+1")]
    outcome = run(tmp_path, ours, THEIRS)
    told = next(r for r in read_csv(outcome.paths["breaks.csv"]) if r["kind"] == "MISSING_RIGHT")
    assert (told["left_id"], told["left_ref"]) == ("'=cmd()", "'+1+1")
    assert next(r for r in read_csv(outcome.paths["breaks.csv"]))["kind"]


def test_the_workbook_has_every_break_with_its_place_and_no_formula(outcome):
    book = openpyxl.load_workbook(outcome.paths["breaks.xlsx"])
    head, *rows = book["Breaks"].iter_rows(values_only=True)
    assert [r[head.index("kind")] for r in rows] == ["AMOUNT_MISMATCH", "MISSING_RIGHT"]
    assert rows[1][head.index("left at")] == "left.csv:4"
    assert not any(cell.data_type == "f" for line in book["Breaks"].iter_rows() for cell in line)


def test_the_workbook_adds_up_amounts_as_numbers_in_major_units(tmp_path):
    ours = [row("p1", amount=1_234_56), row("p2", amount=10**17 + 1), row("p3", amount=7)]
    theirs = [{**ours[0], "id": "s1", "amount": "123457"}, {**ours[1], "id": "s2", "amount": str(10**17)}]
    outcome = run(tmp_path, ours, theirs)
    book = openpyxl.load_workbook(outcome.paths["breaks.xlsx"])
    head, *rows = book["Breaks"].iter_rows(values_only=True)
    amounts = {r[head.index("left_id")]: (r[head.index("left_amount")], r[head.index("right_amount")]) for r in rows}
    assert amounts == {"p1": (1234.56, 1234.57), "p2": ("1000000000000000.01", "1000000000000000.00"), "p3": (0.07, None)}
    bridge = [(step, amount) for step, _, _, amount in book["Bridge"].iter_rows(values_only=True)][1:]
    assert [step for step, _ in bridge if step] == ["total of the left", "amounts differ", "missing on the right", "total of the right"]
    assert dict(bridge)["amounts differ"] == 0.0
    assert dict(bridge)["missing on the right"] == -0.07


def test_the_bridge_leads_from_the_left_total_to_the_right_one_to_the_unit():
    total = ControlTotal("EUR", left=1_000, right=790, breaks=-200, expected=-15, tolerated=4, unexplained=1)
    steps = bridge(total, [("amounts differ", 2, -150)])
    assert steps[0][2] + sum(minor for _, _, minor in steps[1:-1]) == steps[-1][2]
    assert ("other breaks", None, -50) in steps


def test_the_workbook_lists_suggested_pairs_before_those_that_are_sure(tmp_path):
    ours, theirs = [row("p1"), row("p2", reference="A", amount=5)], [{**row("p1"), "id": "s1"}, row("s2", reference="B", amount=5)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + '[[pass]]\nkind = "amount"\n'))
    head, *rows = openpyxl.load_workbook(outcome.paths["breaks.xlsx"])["Pairs"].iter_rows(values_only=True)
    assert [(r[0], r[1], r[head.index("status")]) for r in rows] == [("p2", "s2", "suggested"), ("p1", "s1", "confirmed")]


def test_a_workbook_that_lists_only_some_pairs_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(two_files, "PAIRS_SHOWN_MAX", 1)
    ours = [row("p1"), row("p2")]
    outcome = run(tmp_path, ours, [{**each, "id": f"s{each['id']}"} for each in ours])
    cells = [cell for line in openpyxl.load_workbook(outcome.paths["breaks.xlsx"])["Pairs"].iter_rows(values_only=True) for cell in line]
    assert "1 of 2 pairs are listed; matches.parquet has them all." in cells


@pytest.mark.parametrize(
    ("here", "there", "cause", "finding"),
    [
        (100_00, 100_01, "off by a cent", "0.01 EUR"),
        (100_00, 99_97, "rounding", "0.03 EUR of 100.00 EUR"),
        (20, 25, "altered or overpaid", "0.25 EUR for 0.20 EUR"),
        (100_00, 99_00, "partial payment", "99.00 EUR of 100.00 EUR"),
        (100_00, -100_00, "sign", "100.00 EUR and -100.00 EUR"),
        (54_00, 45_00, "transposed digits", "difference -9.00 EUR"),
    ],
)
def test_a_difference_of_a_few_minor_units_is_told_as_rounding_and_a_larger_one_is_not(tmp_path, here, there, cause, finding):
    outcome = run(tmp_path, [row("p1", amount=here)], [{**row("p1", amount=there), "id": "s1"}])
    assert (outcome.breaks[0].cause, outcome.breaks[0].hypotheses[0].finding) == (cause, finding)


def test_a_break_says_its_fields_its_causes_with_tests_and_the_one_safe_action(outcome):
    altered = outcome.breaks[0]
    assert [(f.name, f.left, f.right, f.distance) for f in altered.fields] == [("amount", "90", "100", "+10 minor units")]
    assert all(h.test and h.finding and h.verdict in ("supported", "excluded") for h in altered.hypotheses)
    assert altered.action.sentence
    assert altered.action.not_offered


def arguments(tmp_path, ours, theirs, rules=None):
    here, there = write_csv(tmp_path / "left.csv", ours), write_csv(tmp_path / "right.csv", theirs)
    (tmp_path / "rules.toml").write_text(rules or rules_text())
    return ["files", str(here), str(there), "--rules", str(tmp_path / "rules.toml"), "--out", str(tmp_path / "out")]


def test_the_command_ends_with_0_when_all_agrees(tmp_path):
    result = CliRunner().invoke(app, arguments(tmp_path, OURS[:1], THEIRS[:1]))
    assert result.exit_code == 0, result.output
    assert "RECONCILED" in result.output


def test_the_command_ends_with_1_when_there_are_breaks_and_names_them(tmp_path):
    result = CliRunner().invoke(app, arguments(tmp_path, OURS, THEIRS))
    assert result.exit_code == 1, result.output
    assert "missing on the right: p3" in result.output


@pytest.mark.parametrize("break_it", ["rules", "file"])
def test_the_command_ends_with_2_when_nothing_can_be_concluded(tmp_path, break_it):
    given = arguments(tmp_path, OURS, THEIRS, rules_text().replace('"minor"', '"cents"') if break_it == "rules" else None)
    if break_it == "file":
        given[1] = str(tmp_path / "absent.csv")
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 2
    assert not (tmp_path / "out" / "report.json").exists()


def without_rules(given: list[str]) -> list[str]:
    at = given.index("--rules")
    return given[:at] + given[at + 2 :]


def test_without_rules_a_guess_is_made_kept_and_said(tmp_path):
    ours = [row(f"p{n}", reference=f"REF{n}", amount=n * 7) for n in range(1, 40)]
    theirs = [row(f"s{n}", reference=f"ref-{n}", amount=n * 7) for n in range(1, 39)]
    given = without_rules(arguments(tmp_path, ours, theirs))
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 1, result.output
    assert "guessed" in result.output
    assert "\nversion = 1\n" in (tmp_path / "out" / "rules.toml").read_text()


def test_guess_only_proposes_and_says_why(tmp_path):
    ours = [row(f"p{n}", reference=f"REF{n}", amount=n * 7) for n in range(1, 40)]
    given = without_rules(arguments(tmp_path, ours, ours))
    result = CliRunner().invoke(app, [*given, "--guess"])
    assert result.exit_code == 0, result.output
    assert "key: reference" in result.output
    assert "Tried on these files:\n\nRECONCILED" in result.output
    assert not (tmp_path / "out" / "report.json").exists()


def test_a_parquet_file_that_is_cut_short_ends_with_2_and_names_the_file(tmp_path):
    outcome = run(tmp_path, OURS, THEIRS)
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(outcome.paths["matches.parquet"].read_bytes()[:-40])
    (tmp_path / "rules.toml").write_text(rules_text())
    result = CliRunner().invoke(
        app,
        [
            "files",
            str(tmp_path / "left.csv"),
            str(cut),
            "--rules",
            str(tmp_path / "rules.toml"),
            "--out",
            str(tmp_path / "o2"),
        ],
    )
    assert result.exit_code == 2, result.output
    assert "cut.parquet" in result.output


def test_advice_of_a_run_over_two_files_promises_no_run_that_comes_after(tmp_path):
    """`the break closes by itself when it comes` is true of books, and of two files it is not."""
    ours = [row("p1", reference="A"), row("p2", reference="B", status="failed"), row("late", date="2026-03-09")]
    outcome = run(tmp_path, ours, [row("s1", reference="A"), row("s2", reference="B")])
    advice = {each.kind: each.action.sentence for each in outcome.breaks}
    assert advice["STATUS_MISMATCH"] == "Ask the other side how it stands now."
    assert advice["MISSING_RIGHT"] == "Look for it in the other side's next file, and run again with that file beside this one."
    assert "by itself" not in " ".join(advice.values())


def test_on_a_phone_each_cell_of_a_wide_table_says_what_it_is(outcome):
    page = outcome.paths["report.html"].read_text()
    stacked = re.findall(r'<table class="stack">(.*?)</table>', page, re.DOTALL)
    assert len(stacked) >= 4
    assert all("data-label=" in cell for table in stacked for cell in re.findall(r"<td[^>]*>", table))
