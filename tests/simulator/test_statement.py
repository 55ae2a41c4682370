"""The statement: it adds up, it is the truth as JSON, and as CSV it lies exactly where it was told to."""

from __future__ import annotations

import csv
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.simulator.http.views import line_id
from counterfoil.simulator.rules.faults import FaultRefused
from counterfoil.simulator.rules.statement import (
    COLUMNS,
    Range,
    make_statement,
    parse_range,
    statement_csv,
    statement_json,
)
from tests.simulator.builders import Provider

DAY = date(2026, 11, 20)
DAY_MS = 86_400_000


def a_provider_with_three_days() -> Provider:
    provider = Provider()
    for day in range(3):
        provider.charge(f"c{day}", 1_000, reference=f"inv_{day}", fee=29)
        provider.payout(f"p{day}", 100, destination="returning")
        provider.charge(f"e{day}", 50, asset="EUR")
        provider.advance(DAY_MS)
    return provider


def told(provider: Provider, first: date = DAY, last: date = date(2026, 11, 22)) -> list[dict[str, str]]:
    statement = make_statement(provider.state.lines, Range(first, last))
    return list(csv.DictReader("".join(statement_csv(provider.state, statement)).splitlines()))


def lines_of(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [row for row in rows if not row["type"].endswith("_balance")]


def test_opening_and_lines_make_closing_and_one_day_follows_the_other():
    provider = a_provider_with_three_days()
    before = {"USD": 0, "EUR": 0}
    for day in (DAY, date(2026, 11, 21), date(2026, 11, 22)):
        rows = told(provider, day, day)
        for asset in ("USD", "EUR"):
            of = [row for row in rows if row["asset"] == asset]
            opening, closing = int(of[0]["net"]), int(of[-1]["net"])
            assert (of[0]["type"], of[-1]["type"]) == ("opening_balance", "closing_balance")
            assert opening == before[asset]
            assert opening + sum(int(row["net"]) for row in lines_of(of)) == closing
            before[asset] = closing
    assert before == {asset: provider.state.balances[asset] for asset in before}


def test_every_row_has_net_as_gross_less_fee_and_its_own_day():
    for row in lines_of(told(a_provider_with_three_days())):
        assert int(row["net"]) == int(row["gross"]) - int(row["fee"])
        assert row["created_at"][:10] == row["available_on"]


def test_json_and_csv_say_the_same_while_nothing_is_planted():
    provider = a_provider_with_three_days()
    truth = statement_json(provider.state, make_statement(provider.state.lines, Range(DAY, date(2026, 11, 22))))
    assert truth["lines"] == lines_of(told(provider))
    assert tuple(truth["lines"][0]) == COLUMNS


def test_lines_are_lost_doubled_and_altered_as_planted_and_nowhere_else():
    provider = a_provider_with_three_days()
    before = lines_of(told(provider))
    hits = {
        fault: provider.plant(fault, on="payout", **params).fired
        for fault, params in [("line_lost", {}), ("line_doubled", {}), ("line_altered", {"delta": "-7"})]
    }
    expected: list[dict[str, str]] = []
    for row in before:
        if row["id"] == hits["line_altered"][0].told["line"]:
            assert hits["line_altered"][0].told["gross"] == row["gross"]
            row = {**row, "gross": str(int(row["gross"]) - 7), "net": str(int(row["net"]) - 7)}
        if row["id"] != hits["line_lost"][0].told["line"]:
            expected += [row] * (2 if row["id"] == hits["line_doubled"][0].told["line"] else 1)
    assert [len(fired) for fired in hits.values()] == [1, 1, 1]
    assert lines_of(told(provider)) == expected
    assert len({fired[0].told["line"] for fired in hits.values()}) == 3


def test_balances_in_the_csv_stay_true_so_that_a_lost_line_shows():
    provider = a_provider_with_three_days()
    closing = [row["net"] for row in told(provider) if row["type"] == "closing_balance"]
    provider.plant("line_lost", times=5)
    assert [row["net"] for row in told(provider) if row["type"] == "closing_balance"] == closing
    assert len(lines_of(told(provider))) == len(provider.state.lines) - 5


def test_a_fault_planted_before_the_lines_are_there_touches_the_first_that_come():
    provider = Provider()
    rule = provider.plant("line_lost", on="payout", times=2)
    assert rule.fired == []
    provider.charge("c", 1_000)
    for number in range(3):
        provider.payout(f"p{number}", 10)
    assert [hit.told["reference"] for hit in rule.fired] == ["ref-p0", "ref-p1"]
    assert [row["reference"] for row in lines_of(told(provider))] == ["inv", "ref-p2"]


def test_match_names_the_line_by_its_reference():
    provider = a_provider_with_three_days()
    rule = provider.plant("line_doubled", match="inv_1")
    assert [hit.told["reference"] for hit in rule.fired] == ["inv_1"]


@settings(deadline=None)  # what is claimed has nothing to do with time
@given(seed=st.integers(0, 1_000))
def test_which_lines_are_touched_follows_from_the_seed(seed):
    def touched() -> list[int]:
        provider = Provider(seed=seed)
        for number in range(12):
            provider.charge(f"c{number}", 5)
        provider.plant("line_lost", times=3)
        return sorted(provider.state.touched)

    assert touched() == touched()
    assert len(touched()) == 3


def test_a_line_keeps_its_id_whenever_it_is_asked_for():
    provider = a_provider_with_three_days()
    assert lines_of(told(provider))[0]["id"] == line_id(provider.state, 1) == "txn_cafe_0000000001"


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        ((None, None, None), "date"),
        ((None, "2026-01-01", None), "date"),
        (("2026-02-30", None, None), "date"),
        ((None, "2026-01-02", "2026-01-01"), "to"),
        ((None, "2020-01-01", "2026-01-01"), "to"),
        ((None, "1.1.2026", "2026-01-01"), "from"),
    ],
)
def test_a_range_that_is_none_is_refused_by_name(ask, field):
    with pytest.raises(FaultRefused) as refused:
        parse_range(*ask)
    assert refused.value.field == field
