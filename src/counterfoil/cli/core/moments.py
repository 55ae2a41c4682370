"""Moments as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

FIRST_YEAR, LAST_YEAR = 1900, 9000  # far enough from the ends of the calendar that a zone and days can be reckoned with


def moment_of(text: str, option: str = "--at") -> datetime:
    """In UTC where no zone is given. Raises BadParameter."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text[:60]!r} is no moment, such as 2026-11-27T10:00:05Z", param_hint=option) from error
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise typer.BadParameter(f"{text[:60]!r} is not of a year from {FIRST_YEAR} to {LAST_YEAR}", param_hint=option)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
