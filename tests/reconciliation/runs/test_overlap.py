"""Runs that overlap each other and the people who work meanwhile: the newest view decides, and a correction is no new break."""

from __future__ import annotations

from datetime import timedelta

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.reconciliation.breaks import adjusting, work
from counterfoil.reconciliation.breaks.invariants import INVARIANTS
from tests.people import who
from tests.reconciliation.runs.builders import PROGRAM, TODAY, House, at

PAST = TODAY - timedelta(days=5)


def meanwhile(house: House, act) -> list[str]:
    """As soon as the provider has given its statement of the day, `act` happens: both sides of that run are read already."""
    answer, done = house.provider.statement, []

    def statement(first: str, last: str) -> bytes:
        said = answer(first, last)
        if first == PAST.isoformat() and not done:
            done.append(first)
            act()
        return said

    house.provider.statement = statement
    return done


def states(house: House) -> list[tuple[str, int]]:
    return house.rows("select state, at_stake::int from break order by id")


def test_a_run_that_read_before_another_and_ends_after_it_closes_nothing(house: House):
    house.charged("ch-1", 100_00, PAST)

    def stolen_and_seen() -> None:
        house.provider.line("payout", "po_9", -500_00, PAST, reference="stolen")
        assert house.run(first=PAST).breaks == 1

    asked = meanwhile(house, stolen_and_seen)
    early = house.run(first=PAST)
    assert asked == [PAST.isoformat()]  # it happened in the window
    assert early.breaks == 0
    assert early.number < max(row[0] for row in house.rows("select number from reconciliation_run"))
    assert states(house) == [("open", 500_00)]
    with house.database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []


def corrected(house: House, *, effective_at=None) -> None:
    """Two people write off what differs."""
    now = house.clock.now
    with house.database.transaction() as conn:
        [(break_id,)] = conn.execute("select id from break where state = 'open'").fetchall()
        maker, checker = who(conn, "person:mira"), who(conn, "person:noah")
        work.investigate_break(conn, break_id, actor=maker.actor, now=now)
        made = adjusting.propose_write_off(
            conn, break_id, make_id("prop"), reason="too small", by=maker, now=now, effective_at=effective_at
        )
        adjusting.approve_proposal(conn, break_id, payload_sha256=made.payload_sha256, reason="seen", by=checker, now=now)


def test_a_run_that_read_the_books_before_they_were_corrected_does_not_open_the_break_again(house: House):
    house.charged("ch-1", 100_00, PAST, there=False)
    house.provider.line("charge", "ch-1", 100_00, PAST, fee=30, reference="inv-1")
    house.run(first=PAST)
    house.charged("ch-2", 5_00, PAST)  # so that it is another run
    asked = meanwhile(house, lambda: corrected(house))
    late = house.run(first=PAST)
    assert (len(asked), late.breaks) == (1, 1)  # it saw the difference, and was too early to know of the correction
    assert states(house) == [("written_off", 30)]
    assert (house.run(first=PAST).verdict, states(house)) == ("reconciled", [("written_off", 30)])


def test_a_write_off_that_takes_effect_on_an_open_day_corrects_the_record_of_its_own_day(house: House):
    house.charged("ch-1", 100_00, PAST, there=False)
    house.provider.line("charge", "ch-1", 100_00, PAST, fee=30, reference="inv-1")
    house.run(first=PAST)
    corrected(house, effective_at=at(TODAY))
    for first, last in ((PAST, PAST), (TODAY, TODAY), (PAST, TODAY)):
        run = house.run(first=first, last=last)
        [row] = run.report["balances"]
        assert (run.verdict, run.breaks, row["unexplained"]) == ("reconciled", 0, "0"), (first, last)
    assert house.rows("select count(*) from break where program_id = %s", PROGRAM) == [(1,)]
