"""What is kept of a run and of its breaks is read back as it was written, from rows of earlier versions too."""

from __future__ import annotations

import json

import pytest

from counterfoil.matching.findings.recorded import BalanceRow, FindingDetail, RunReport, detail_of, report_of
from tests.matching.builders import row, rules_text, run
from tests.matching.test_limits import crowd


@pytest.fixture
def outcome(tmp_path):
    ours = [
        row("p1", reference="A", amount=7, memo="a memo"),
        row("p2", reference="B"),
        row("p3", reference="C", status="failed"),
    ]
    theirs = [row("s1", reference="A", amount=5), row("s2", reference="D", date="2026-03-03"), row("s3", reference="C")]
    return run(tmp_path, ours, theirs)


def test_every_break_comes_back_as_it_was_kept(outcome):
    assert len(outcome.breaks) == 4
    for each in outcome.breaks:
        kept = json.loads(json.dumps(detail_of(each).written()))
        back = FindingDetail.read(kept)
        assert back == detail_of(each)
        assert back.written() == kept
        assert [record.id for record in back.records()] == [record.id for record in (*each.left, *each.right)]
        assert back.records()[0].amount == (each.left or each.right)[0].amount


def test_a_report_with_what_limits_cut_comes_back_as_it_was_kept(tmp_path):
    report = report_of(run(tmp_path, *crowd(120)))
    assert report.cut_short[0].left == 120
    assert RunReport.read(json.loads(json.dumps(report.written()))) == report


def test_the_report_of_two_files_has_no_days_and_no_balances(outcome):
    kept = json.loads(outcome.paths["report.json"].read_text())
    assert not {"source", "first_on", "balances", "expected_later"} & set(kept)
    assert (kept["version"], kept["verdict"], kept["compared"][0]) == (2, "not reconciled", "amount")


def test_a_report_of_the_first_version_has_no_control_totals_and_says_nothing_of_them(outcome):
    kept = report_of(outcome).written()
    first = {name: value for name, value in kept.items() if name not in ("version", "control_totals", "compared", "cut_short")}
    assert (RunReport.read(first).control_totals, RunReport.read(first).version) == ((), 1)


def test_what_nothing_explains_is_told_of_matched_sums_and_of_balances(tmp_path):
    rules = rules_text(head='compare = ["status"]\n')
    report = report_of(run(tmp_path, [row("p1", reference="A", amount=5)], [row("s1", reference="A", amount=9)], rules))
    assert report.unexplained() == {"EUR": 4}
    tied = report.model_copy(update={"balances": (BalanceRow(asset="USD", unexplained=7), BalanceRow(asset="EUR", unexplained=0))})
    assert tied.unexplained() == {"EUR": 4, "USD": 7}
