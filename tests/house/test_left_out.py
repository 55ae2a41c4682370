"""A run of the tests says in one closing line what it left out and how to bring it in."""

from __future__ import annotations

from types import SimpleNamespace

from tests.left_out import closing_line


def skipped(reason: str) -> SimpleNamespace:
    """What pytest keeps of a skipped test or module."""
    return SimpleNamespace(longrepr=("tests/some.py", 7, f"Skipped: {reason}"))


def test_the_reasons_stand_in_one_line_each_once_with_its_count():
    browser, engine = skipped("no browser: apt-get install chromium"), skipped("no Spark: make spark")
    assert closing_line([browser, engine, browser]) == "left out: no Spark: make spark; 2 × no browser: apt-get install chromium"


def test_nothing_is_said_when_nothing_was_left_out_or_a_failure_was_expected():
    assert closing_line([]) == ""
    assert closing_line([SimpleNamespace(longrepr="an expected failure")]) == ""
