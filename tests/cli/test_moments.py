"""Moments as people type them: in UTC, within the calendar, or refused in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import typer

from counterfoil.cli.core.moments import moment_of


def test_a_moment_is_in_utc_or_in_the_zone_that_is_given():
    assert moment_of("2026-11-27T10:00:05") == datetime(2026, 11, 27, 10, 0, 5, tzinfo=UTC)
    assert moment_of("2026-11-27T10:00:05+02:00") == datetime(2026, 11, 27, 8, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("given", ["", "soon", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_what_no_calendar_holds_is_refused(given: str):
    with pytest.raises(typer.BadParameter, match="is n"):
        moment_of(given)
