"""The weekly reminder: what waits, for whom and since when, on Monday morning, once; and people are told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from counterfoil.integrity.telling import WARNINGS
from counterfoil.reconciliation.payout_reminder import waiting_payouts
from counterfoil.wiring import JOBS
from tests.api.office import wiring_for
from tests.builders import PROGRAM, Desk, issue
from tests.dashboard import quiet

JOB = next(job for job in JOBS if job.name == "payout-reminder")
desk = quiet.desk_of_main


def context(desk: Desk, at: datetime) -> Any:
    return replace(wiring_for(desk.database), clock=lambda: at).context("w")


def reserved(desk: Desk, *amounts: int) -> None:
    """Payouts that nobody has sent yet."""
    for invoice, minor in zip(issue(desk.database, *(f"{minor / 100:.2f}" for minor in amounts)), amounts, strict=True):
        desk.pay(invoice, minor)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events")


def reminders(desk: Desk) -> list[Any]:
    return desk.rows("select program_id, level, payload from event where name = 'payouts_waiting' order by at")


def monday(desk: Desk, weeks: int = 1) -> datetime:
    at = desk.clock.now + timedelta(days=7 * weeks - desk.clock.now.weekday())
    return at.replace(hour=9, minute=1)


def test_on_monday_at_nine_people_are_told_once_what_waits(desk: Desk) -> None:
    reserved(desk, 100_00, 50_00)
    assert JOB.tick(context(desk, desk.clock.now), None).handled == 0, "a schedule that is new begins from here"
    at = monday(desk, 2)
    assert JOB.tick(context(desk, at), None).handled == 2
    assert JOB.tick(context(desk, at + timedelta(hours=1)), None).handled == 0
    [(program, level, told)] = reminders(desk)
    with desk.database.transaction() as conn:
        [found] = waiting_payouts(conn, now=at)
    assert (program, level, told["payouts"]) == (PROGRAM, "warning", 2)
    assert told["waiting"] == [{"state": "pending", "asset": "EUR", "payouts": 2, "amount_minor": str(found.minor)}]
    assert told["title"] == f"2 payouts wait, the oldest since {found.oldest:%Y-%m-%d}: 2 pending"
    assert "payouts_waiting" in WARNINGS, "and a channel that takes warnings hears of it"


def test_what_is_younger_than_a_day_is_on_its_way_and_where_nothing_waits_nothing_is_told(desk: Desk) -> None:
    reserved(desk, 100_00)
    assert JOB.run(context(desk, desk.clock.now + timedelta(hours=23))).handled == 0
    assert reminders(desk) == []
    assert JOB.run(context(desk, desk.clock.now + timedelta(hours=25))).handled == 1
