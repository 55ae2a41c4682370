"""What the sections add up to: a yes needs everything measured and right. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.pages.provider_balances import ProviderBalances
from counterfoil.dashboard.today.day import verdict_of
from counterfoil.dashboard.web.sections import SectionReading, parse_day

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def reading(grade, about="money", key="x", state="measured"):
    return SectionReading(key, "?", about, state, grade, "said", NOW, "somewhere", None)


def test_it_is_a_yes_when_all_is_right_and_figures_without_a_judgement_do_not_matter():
    assert verdict_of([reading("right"), reading("plain"), reading("right", "work")]).word == "Yes"


@pytest.mark.parametrize("state", ["not_checked", "failed", "stale"])
def test_what_is_not_known_about_the_money_is_never_a_yes(state):
    found = verdict_of([reading("right"), reading("unknown", state=state), reading("attention")])
    assert (found.word, found.grade) == ("Not known", "unknown")


def test_what_is_wrong_outweighs_what_is_not_known():
    assert verdict_of([reading("unknown"), reading("wrong"), reading("right")]).word == "No"


@pytest.mark.parametrize("grade", ["attention", "wrong", "unknown"])
def test_late_work_leaves_the_money_where_it_should_be_but_is_no_plain_yes(grade):
    found = verdict_of([reading("right"), reading(grade, "work")])
    assert (found.word, found.grade) == ("Yes, but", "attention")


def test_what_a_person_accepted_is_accepted_and_never_a_yes():
    found = verdict_of([reading("right"), reading("accepted")])
    assert (found.word, found.grade) == ("Accepted", "accepted")
    assert verdict_of([reading("accepted"), reading("attention")]).word == "Yes, but"
    assert verdict_of([reading("accepted"), reading("unknown")]).grade == "unknown"


@pytest.mark.parametrize(
    ("queues", "word"),
    [
        (reading("right", "work", "queues")._replace(value=[SimpleNamespace(due=3)]), "No"),
        (reading("right", "work", "queues")._replace(value=[SimpleNamespace(due=0)]), "Yes, but"),
        (reading("unknown", "work", "queues", "failed"), "No"),
    ],
)
def test_no_worker_is_red_when_work_waits_or_nobody_knows_whether_it_does(queues, word):
    found = verdict_of([reading("right"), reading("wrong", "work", "workers"), queues])
    assert found.word == word
    assert (found.grade == "wrong") == (word == "No")


def test_what_moved_after_the_run_is_told_with_the_moment():
    run = SimpleNamespace(since=(1,), verified_through=NOW)
    found = ProviderBalances((run,), ())
    part = reading("unknown", key="provider")._replace(value=found, said="Verified through 12:00; 1 movement …")
    found = verdict_of([reading("right"), part])
    assert (found.word, found.grade) == ("Not verified since 12:00", "unknown")
    assert verdict_of([part, reading("unknown", key="integrity_checks")]).word == "Not known"


def test_the_reasons_are_told_with_the_worst_first_and_nothing_that_is_right():
    told = [reading("attention", key="a"), reading("right", key="b"), reading("unknown", key="c"), reading("wrong", key="d")]
    assert [one.key for one in verdict_of(told).because] == ["d", "c", "a"]


def test_a_day_is_a_day_in_utc_and_today_when_none_is_chosen():
    today = parse_day(None, now=NOW + timedelta(hours=11, minutes=59))
    assert (today.on, today.is_today, today.after) == (date(2026, 11, 20), True, None)
    assert (today.end - today.start, today.start) == (timedelta(days=1), datetime(2026, 11, 20, tzinfo=UTC))
    assert parse_day("2026-11-19", now=NOW).after == date(2026, 11, 20)


@pytest.mark.parametrize("given", ["2026-11-21", "1999-12-31", "yesterday", "2026-13-01", "20261120x", "９９９９"])
def test_a_day_that_is_none_or_has_not_come_is_refused_by_name(given):
    with pytest.raises(InvalidInput) as refused:
        parse_day(given, now=NOW)
    assert refused.value.facts["field"] == "day"
