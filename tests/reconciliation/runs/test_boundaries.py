"""Days have edges, and money crosses them: late, under way and over midnight are no breaks, until they are too late."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from itertools import pairwise

import httpx2
import pyarrow.parquet as pq
import pytest

from counterfoil.matching.findings.outcome import BREAKS_HELD_MAX
from counterfoil.reconciliation.runs.rows import findings_of
from counterfoil.reconciliation.runs.run import StatementUnavailable
from tests.reconciliation.runs.builders import TODAY, YESTERDAY, House, at


def accepted(house: House, attempt: str, amount: int, day, **more) -> None:
    house.provider.line("payout", f"pp-{attempt}", -amount, day, reference=attempt, **{"status": "paid", **more})


def test_what_was_accepted_yesterday_and_arrived_today_is_a_match_in_the_run_of_either_day(house: House):
    house.owes(500, YESTERDAY)
    house.sent("a1", 500, YESTERDAY)
    accepted(house, "a1", 500, YESTERDAY)
    house.arrived("a1", 500, TODAY)
    for day in (YESTERDAY, TODAY):
        run = house.run(first=day)
        assert (run.verdict, run.matched, house.found(run)) == ("reconciled", 1, []), day


def test_money_under_way_is_expected_later_and_in_the_footing_but_no_break(house: House):
    house.owes(700, TODAY)
    house.sent("a1", 700, TODAY)
    accepted(house, "a1", 700, TODAY, fee=25, status="pending")
    run = house.run()
    assert (run.verdict, run.breaks, run.expected) == ("reconciled", 0, 1)
    right = next(row for row in run.report["footing"] if row["side"] == "right")
    assert right["source"] == right["expected"] == {"rows": 1, "minor": "-725"}
    assert [(one["id"], one["amount"]) for one in run.report["expected_later"]] == [("payout:pp-a1", "-725")]
    assert "nobody has told us" in run.report["expected_later"][0]["why"]


def test_an_unknown_payout_that_the_provider_carried_out_is_under_way_although_we_have_no_id_of_it(house: House):
    house.sent("a1", 700, TODAY, state="unknown", ref=None)
    accepted(house, "a1", 700, TODAY)
    assert house.run().verdict == "reconciled"
    run = house.run("simulator:payouts")
    assert (run.verdict, run.expected) == ("reconciled", 2)


def test_money_that_is_under_way_for_too_long_is_a_break(house: House):
    long_ago = TODAY - timedelta(days=16)
    house.sent("a1", 700, long_ago)
    accepted(house, "a1", 700, long_ago)
    run = house.run(first=long_ago)
    assert house.found(run) == [("MISSING_LEFT", long_ago)]


def test_a_line_of_today_may_still_come_into_our_books_and_matures_into_a_break(house: House):
    house.provider.line("charge", "ch-1", 1000, TODAY)
    first = house.run()
    assert (first.verdict, first.expected) == ("reconciled", 1)
    house.clock.now += timedelta(days=1)
    assert house.run().expected == 1
    house.clock.now += timedelta(days=1)
    late = house.run()
    assert house.found(late) == [("MISSING_LEFT", TODAY)]


def test_a_late_line_matures_into_a_match(house: House):
    house.provider.line("charge", "ch-1", 1000, TODAY)
    assert house.run().expected == 1
    house.charged("ch-1", 1000, TODAY, there=False)
    house.clock.now += timedelta(days=2)
    late = house.run()
    assert (late.verdict, late.matched, late.expected) == ("reconciled", 1, 0)


def test_a_payout_that_failed_the_next_day_is_nothing_on_both_days(house: House):
    accepted(house, "a1", 400, YESTERDAY, status="failed")
    house.provider.line("payout_failure", "pp-a1", 400, TODAY, reference="a1")
    for day in (YESTERDAY, TODAY):
        assert house.run(first=day).verdict == "reconciled", day


def test_what_does_not_agree_on_another_day_is_no_break_of_this_one(house: House):
    house.charged("ch-1", 1000, YESTERDAY, there=False)
    house.charged("ch-2", 1000, TODAY)
    assert house.run(first=TODAY).verdict == "reconciled"
    assert house.found(house.run(first=YESTERDAY)) == [("MISSING_RIGHT", YESTERDAY)]


def test_a_doubled_and_an_altered_line_are_found_with_fees_netted(house: House):
    house.charged("ch-1", 1000, TODAY)
    house.provider.lines.append(dict(house.provider.lines[-1]))
    house.charged("ch-2", 2000, TODAY, there=False)
    house.provider.line("charge", "ch-2", 2000, TODAY, fee=30)
    run = house.run()
    assert [kind for kind, _ in house.found(run)] == ["AMOUNT_MISMATCH", "DUPLICATE_RIGHT"]
    with house.database.transaction() as conn:
        assert findings_of(conn, run.id, rows_max=500)[0].at_stake == 30


def test_a_status_that_differs_and_a_payment_on_another_invoice_are_found(house: House):
    house.owes(500, YESTERDAY)
    house.sent("a1", 500, YESTERDAY)
    accepted(house, "a1", 500, YESTERDAY, status="returned")
    house.arrived("a1", 500, TODAY)
    assert house.found(house.run("simulator:payouts", YESTERDAY)) == [("STATUS_MISMATCH", YESTERDAY)]
    house.charged("ch-1", 1000, TODAY, invoice="inv-1", there=False)
    house.provider.line("charge", "ch-1", 1000, TODAY, fee=30, reference="inv-2")
    assert house.found(house.run("simulator:charges")) == [("COUNTERPARTY_MISMATCH", TODAY)]


def test_the_provider_s_balance_is_tied_to_ours_by_the_listed_items(house: House):
    house.charged("ch-1", 1000, TODAY)
    house.owes(300, TODAY)
    house.sent("a1", 300, TODAY)
    accepted(house, "a1", 300, TODAY, fee=25, status="pending")
    [row] = house.run().report["balances"]
    assert (row["booked"], row["stated"], row["difference"], row["unexplained"]) == ("1000", "675", "-325", "0")


def test_the_same_inputs_and_rules_again_give_the_first_run(house: House):
    house.charged("ch-1", 1000, TODAY)
    first = house.run()
    house.clock.now += timedelta(minutes=5)
    again = house.run()
    assert again.id == first.id
    assert again.confirmed_at == house.clock.now
    assert house.rows("select count(*) from reconciliation_run") == [(1,)]
    house.charged("ch-2", 1000, TODAY)
    assert house.run().id != first.id


def test_lines_matches_and_report_lie_beside_the_run_and_cannot_be_written(house: House):
    house.charged("ch-1", 1000, TODAY)
    run = house.run()
    place = house.folder / run.id
    assert sorted(path.name for path in place.iterdir()) == [
        "breaks.csv",
        "left.parquet",
        "matches.parquet",
        "report.json",
        "right.parquet",
    ]
    assert all(path.stat().st_mode & 0o222 == 0 for path in place.iterdir())
    assert pq.read_table(place / "left.parquet").to_pylist()[0]["external_id"] == "charge:ch-1"
    assert json.loads((place / "report.json").read_text())["verdict"] == "reconciled"
    assert [path.name for path in house.folder.iterdir()] == [run.id]


def test_the_bytes_of_both_sides_do_not_depend_on_the_order_in_which_they_come(house: House):
    for number in range(50):
        house.charged(f"ch-{number}", 1000 + number, TODAY)
    first = house.run()
    house.provider.lines.reverse()
    house.provider.opening = 5  # another file, the same movements
    second = house.run()
    assert second.id != first.id  # its stated balance is another
    digests = [hashlib.sha256((house.folder / run.id / "right.parquet").read_bytes()).hexdigest() for run in (first, second)]
    assert digests[0] == digests[1]


def test_a_mistake_of_ours_is_not_told_as_a_provider_that_is_away(house: House):
    house.provider.broken = TypeError("ours")
    with pytest.raises(TypeError, match="ours"):
        house.run()
    assert house.rows("select state, error from reconciliation_run") == [("failed", "TypeError: ours")]


def test_a_provider_that_does_not_answer_leaves_a_failed_run_and_no_files(house: House):
    house.provider.broken = httpx2.ConnectError("gone")
    with pytest.raises(StatementUnavailable):
        house.run()
    assert house.rows("select state, verdict, error like %s from reconciliation_run", "%gone%") == [("failed", None, True)]
    assert house.rows("select name, level from event") == [("reconciliation_failed", "warning")]
    assert list(house.folder.iterdir()) == []


def test_a_statement_of_more_than_a_year_is_asked_for_in_parts(house: House):
    house.clock.now = at(TODAY)
    house.run(first=TODAY - timedelta(days=800), last=TODAY, scope="full")
    spans = house.provider.asked
    assert len(spans) >= 4
    assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_more_differences_than_a_run_makes_breaks_of_are_said_and_never_taken_to_have_gone(house: House, monkeypatch: pytest.MonkeyPatch):
    """With a lower limit than that of 10,000, which would take a quarter of a minute."""
    most, beyond = 500, 3
    assert BREAKS_HELD_MAX == 10_000
    monkeypatch.setattr("counterfoil.matching.findings.outcome.BREAKS_HELD_MAX", most)
    for number in range(most + beyond):
        house.provider.line("charge", f"ch-{number:05}", 100, YESTERDAY - timedelta(days=3))
    run = house.run(first=YESTERDAY - timedelta(days=3))
    assert (run.breaks, run.verdict, run.complete) == (most + beyond, "incomplete", False)
    assert [why for why in run.report["not_checked"] if why.startswith("3 of 503 differences have no break")]
    assert house.rows("select count(*) from break") == [(most,)]
    house.provider.lines = house.provider.lines[most:]
    again = house.run(first=YESTERDAY - timedelta(days=3))
    assert (again.breaks, again.complete) == (beyond, True)
    assert house.rows("select count(*) from break where state = 'open'") == [(beyond,)]
