"""What has happened before the books were closed and becomes known after it is booked on the first open day, and shown as late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import KeyReused
from counterfoil.ledger.accounts.accounts import close_account, freeze_account, reopen_account
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch import decide
from counterfoil.ledger.journals.batch_types import (
    AccountTotals,
    LateRow,
    Movement,
    MovementKind,
    MovementOutcome,
    Terms,
)
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.journals.journal import NewJournal, post
from counterfoil.ledger.journals.key_spaces import PAYMENT, PAYOUT_RELEASE, PAYOUT_RETURN, SETTLEMENT, KeySpace
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all, post_each
from counterfoil.ledger.periods import PeriodNotEarlier, close_period, closed_until, reopen_period
from counterfoil.ledger.problems import AccountClosed, AccountFrozen, PeriodClosed, ReopenNeedsTwo
from counterfoil.ledger.reads.balances import balance
from counterfoil.ledger.reads.listing import show_journal
from counterfoil.ledger.reads.statements import statement
from tests.ledger.builders import CASH, ESCROW, NOW, PAYEE, PROGRAM, a_program, an_id, posted
from tests.soak import examples

DECEMBER = datetime(2026, 11, 20, 11, tzinfo=UTC)  # the first moment of the open period
BEFORE = DECEMBER - timedelta(days=3)


@pytest.fixture
def books(conn: Connection[Any]) -> Connection[Any]:
    """Ten euros in escrow, and the books closed until an hour ago."""
    a_program(conn)
    posted(conn, (CASH, ESCROW, 10_00), (CASH, PAYEE, 5_00))
    close_period(conn, PROGRAM, until=DECEMBER, reason="month end", actor="ann", now=NOW)
    return conn


def booking(space: KeySpace, *lines: tuple[str, str, int], at: datetime | None = BEFORE, name: str = "1") -> ProgramJournal:
    source = (space.source_type, name) if space.source_type else None
    journal = NewJournal(space.key(name), space.kind or "test", lines, "EUR", "system:worker", at, source=source, space=space)
    return ProgramJournal(PROGRAM, journal)


def test_a_fact_of_a_closed_period_is_booked_on_the_first_open_day_with_its_own_beside_it(books: Connection[Any]):
    (done,) = post_all(books, [booking(PAYMENT, (CASH, ESCROW, 3_00), (CASH, PAYEE, 1))], now=NOW)
    assert done.effective_at == DECEMBER
    shown = show_journal(books, done.journal_id)
    assert (shown.effective_at, shown.occurred_at) == (DECEMBER, BEFORE)
    page = statement(books, PROGRAM, ESCROW, asset="EUR", start=DECEMBER, end=NOW, clock="effective")
    assert [(line.key, line.effective_at, line.occurred_at) for line in page.lines] == [("PAYMENT:1", DECEMBER, BEFORE)]
    closed = balance(books, PROGRAM, ESCROW, asset="EUR", as_of=DECEMBER - timedelta(seconds=1), clock="effective")
    assert closed.minor == 0, "what was closed stays as it was"
    assert run_invariants(books, INVARIANTS) == []


def test_what_was_in_time_is_not_marked(books: Connection[Any]):
    (done,) = post_all(books, [booking(PAYMENT, (CASH, ESCROW, 3_00), at=DECEMBER)], now=NOW)
    assert show_journal(books, done.journal_id).occurred_at is None


def test_the_same_fact_again_is_the_first_answer_whatever_was_closed_between(books: Connection[Any]):
    first = post_all(books, [booking(PAYMENT, (CASH, ESCROW, 3_00))], now=NOW)
    close_period(books, PROGRAM, until=NOW, reason="again", actor="ann", now=NOW)
    assert post_all(books, [booking(PAYMENT, (CASH, ESCROW, 3_00))], now=NOW) == [first[0]._replace(existed=True)]


def test_a_persons_journal_into_a_closed_period_is_still_refused(books: Connection[Any]):
    with pytest.raises(PeriodClosed):
        posted(books, (CASH, ESCROW, 1), effective_at=BEFORE)


def test_a_journal_that_names_no_day_is_booked_although_the_books_were_closed_up_to_this_moment(books: Connection[Any]):
    """The clock of who posts stood a little behind that of who closed."""
    done = posted(books, (CASH, ESCROW, 1), now=DECEMBER - timedelta(seconds=5))
    assert done.effective_at == DECEMBER
    bulk = Bulk("behind", "transfer", "EUR", "ann")
    many = post_many(books, PROGRAM, bulk, [Movement(an_id(), CASH, ESCROW, 1)], now=DECEMBER - timedelta(seconds=5))
    assert many.outcomes == [MovementOutcome.POSTED]


def test_of_several_at_once_only_those_are_marked_that_came_late(books: Connection[Any]):
    days = [BEFORE, DECEMBER, BEFORE - timedelta(days=9)]
    done = post_all(
        books,
        [booking(PAYMENT, (CASH, ESCROW, 1), (CASH, PAYEE, 2), at=day, name=str(day)) for day in days],
        now=NOW,
    )
    assert [show_journal(books, one.journal_id).occurred_at for one in done] == [BEFORE, None, days[2]]
    lines = books.execute("select line from late_posting where journal_id = %s order by line", [done[0].journal_id])
    assert lines.fetchall() == [(1,), (2,)]


def test_a_freeze_stops_decisions_and_no_fact(books: Connection[Any]):
    post_all(books, [booking(PAYMENT, (CASH, "in_transit:x", 4_00), name="filled")], now=NOW)
    freeze_account(books, PROGRAM, "in_transit:x", asset="EUR", reason="looked into", actor="ann", now=NOW)
    with pytest.raises(AccountFrozen), books.transaction():
        posted(books, ("in_transit:x", PAYEE, 4_00))
    (refused,) = post_each(books, [booking(SETTLEMENT, ("in_transit:x", PAYEE, 4_00), at=None)], now=NOW)
    assert isinstance(refused, AccountFrozen)
    post_all(books, [booking(PAYOUT_RELEASE, ("in_transit:x", PAYEE, 4_00))], now=NOW)
    assert balance(books, PROGRAM, "in_transit:x", asset="EUR").minor == 0


def test_the_database_itself_lets_only_facts_and_holds_past_a_freeze(books: Connection[Any]):
    """A caller's journal with a fact's posting in it, written past the code that decides."""
    freeze_account(books, PROGRAM, ESCROW, asset="EUR", reason="looked into", actor="ann", now=NOW)
    forged = NewJournal("mine", "test", [(ESCROW, PAYEE, 1)], "EUR", "ann", space=None)
    from counterfoil.ledger.journals import journal as journals

    real = journals._movements
    journals._movements = lambda new, at_us: [one._replace(is_fact=True) for one in real(new, at_us)]  # type: ignore[assignment]
    try:
        from psycopg import errors

        with pytest.raises(errors.DatabaseError, match="frozen"), books.transaction():
            post_each_by_hand(books, forged)
    finally:
        journals._movements = real


def post_each_by_hand(conn: Connection[Any], new: NewJournal) -> None:
    post(conn, PROGRAM, key=new.key, kind=new.kind, lines=new.lines, asset=new.asset, actor=new.actor, now=NOW)


def test_a_fact_opens_an_account_again_that_was_closed_and_says_why(books: Connection[Any]):
    posted(books, (PAYEE, CASH, 5_00))
    close_account(books, PROGRAM, PAYEE, asset="EUR", reason="left us", actor="ann", now=NOW)
    with pytest.raises(AccountClosed), books.transaction():
        posted(books, (CASH, PAYEE, 1_00))
    post_all(books, [booking(PAYOUT_RETURN, (CASH, PAYEE, 1_00), at=NOW)], now=NOW)
    assert balance(books, PROGRAM, PAYEE, asset="EUR").minor == 1_00
    reasons = books.execute("select value, reason from account_flag where flag = 'closed' order by step").fetchall()
    assert reasons == [(True, "left us"), (False, "PAYOUT_RETURN:1 has happened and is booked here")]


def test_a_closed_account_is_opened_again_by_hand(books: Connection[Any]):
    posted(books, (PAYEE, CASH, 5_00))
    close_account(books, PROGRAM, PAYEE, asset="EUR", reason="left us", actor="ann", now=NOW)
    reopen_account(books, PROGRAM, PAYEE, asset="EUR", reason="came back", actor="ann", now=NOW)
    posted(books, (CASH, PAYEE, 1_00))


def test_nobody_reopens_a_period_alone(books: Connection[Any]):
    how: dict[str, Any] = {"reason": "forgot one", "now": NOW, "approval_id": "apr_1"}
    with pytest.raises(ReopenNeedsTwo):
        reopen_period(books, PROGRAM, until=BEFORE, maker="ann", checker="ann", **how)
    with pytest.raises(PeriodNotEarlier):
        reopen_period(books, PROGRAM, until=DECEMBER, maker="ann", checker="bob", **how)
    from psycopg import errors

    with pytest.raises(errors.DatabaseError, match="two people"), books.transaction():
        reopen_period(books, PROGRAM, until=BEFORE, maker="ann", checker="bob", **how)  # an approval that there is not
    assert closed_until(books, PROGRAM) == DECEMBER


def test_a_mark_that_is_forged_is_refused_and_one_that_was_taken_away_by_nobody(owner_conn: Connection[Any]):
    from psycopg import errors

    a_program(owner_conn)
    done = posted(owner_conn)
    with pytest.raises(errors.DatabaseError, match="marked as late"), owner_conn.transaction():
        owner_conn.execute("insert into late_posting values (%s, 1, %s)", [done.journal_id, NOW + timedelta(days=1)])
    with pytest.raises(errors.DatabaseError, match="append-only"), owner_conn.transaction():
        owner_conn.execute("delete from late_posting")


def test_a_movement_that_came_late_is_known_again_by_its_id(books: Connection[Any]):
    """Its posting is effective later than what was asked; that must not make it another request."""
    id_ = an_id()
    at = int(BEFORE.timestamp() * 1_000_000)
    late = Movement(id_, CASH, ESCROW, 1_00, effective_us=at, is_late_ok=True)
    assert post_many(books, PROGRAM, Bulk("a", "transfer", "EUR", "ann"), [late], now=NOW).outcomes == [MovementOutcome.POSTED]
    assert post_many(books, PROGRAM, Bulk("b", "transfer", "EUR", "ann"), [late], now=NOW).outcomes == [MovementOutcome.EXISTS]
    other = late._replace(effective_us=at + 1)
    assert post_many(books, PROGRAM, Bulk("c", "transfer", "EUR", "ann"), [other], now=NOW).outcomes == [MovementOutcome.ID_REUSED]


moments = st.integers(-5, 5)


@given(closed=moments, now_us=moments, effective=st.none() | moments, is_late_ok=st.booleans(), is_fact=st.booleans())
def test_a_movement_is_late_exactly_when_its_period_is_closed_and_it_may_be(
    closed: int, now_us: int, effective: int | None, is_late_ok: bool, is_fact: bool
):
    accounts = {"a": AccountTotals(1), "b": AccountTotals(2, frozen=True)}
    movement = Movement(None, "b", "a", 1, effective_us=effective, is_late_ok=is_late_ok, is_fact=is_fact)
    terms = Terms(now_us, now_us, closed, 3)
    decision = decide(accounts, [movement], terms)
    when = now_us if effective is None else effective
    if not is_fact:
        expected = MovementOutcome.DEBIT_FROZEN
    elif when > 3:
        expected = MovementOutcome.EFFECTIVE_TOO_LATE
    else:
        expected = MovementOutcome.POSTED if when >= closed or is_late_ok else MovementOutcome.PERIOD_CLOSED
    assert decision.outcomes == [expected]
    if expected is MovementOutcome.POSTED:
        (write,) = decision.writes
        assert write.postings[0][6] == max(when, closed)
        assert write.late == ([LateRow(0, when)] if when < closed else [])


@settings(max_examples=examples(20), deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.integers(-3, 3), min_size=1, max_size=6), linked=st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_linked_set_that_fails_leaves_no_mark(days: list[int], linked: list[bool]):
    accounts = {"a": AccountTotals(1), "b": AccountTotals(2, no_overdraft=True)}
    movements = [
        Movement(None, "a", "b", 1, effective_us=day, linked=link, is_late_ok=True) for day, link in zip(days, linked, strict=False)
    ]
    movements.append(Movement(None, "b", "a", 10**6, effective_us=0))  # refused, and with it the set that it ends
    decision = decide(accounts, movements, Terms(0, 0, 0, 10))
    postings = [row for write in decision.writes for row in write.postings]
    late = [row for write in decision.writes for row in write.late]
    assert [row.place for row in late] == [row[0] for row in postings if movements[row[0]].effective_us < 0]  # type: ignore[operator]


def test_a_key_of_a_movement_under_another_kind_is_another_request(books: Connection[Any]):
    moved = Movement(an_id(), CASH, ESCROW, 1_00)
    for key, kind, outcome in (
        ("k1", "fee", MovementOutcome.POSTED),
        ("k2", "fee", MovementOutcome.EXISTS),
        ("k3", "gift", MovementOutcome.ID_REUSED),
    ):
        assert post_many(books, PROGRAM, Bulk(key, kind, "EUR", "ann"), [moved], now=NOW).outcomes == [outcome]


@pytest.mark.parametrize(
    "change",
    [
        {"minor": 2_00},
        {"credit": PAYEE},
        {"debit": PAYEE},
        {"effective_us": 1},
        {"linked": True},
        {"kind": MovementKind.HOLD},
    ],
)
def test_a_bulk_key_is_for_one_request_in_every_part_of_it(books: Connection[Any], change: dict[str, Any]):
    moves = [Movement(an_id(), CASH, ESCROW, 1_00), Movement(an_id(), CASH, ESCROW, 10**30)]  # the second is refused
    bulk = Bulk("K", "transfer", "EUR", "ann")
    first = post_many(books, PROGRAM, bulk, moves, now=NOW)
    assert post_many(books, PROGRAM, bulk, moves, now=NOW) == first._replace(existed=True)
    for place in (0, 1):
        other = list(moves)
        other[place] = moves[place]._replace(**change)
        with pytest.raises(KeyReused), books.transaction():
            post_many(books, PROGRAM, bulk, other, now=NOW)


def test_names_that_run_together_are_not_the_same_request(books: Connection[Any]):
    ids = [an_id(), an_id()]
    bulk = Bulk("K", "transfer", "EUR", "ann")
    post_many(books, PROGRAM, bulk, [Movement(ids[0], "a", 'b","c', 1), Movement(ids[1], "d", "e", 1)], now=NOW)
    with pytest.raises(KeyReused):
        post_many(books, PROGRAM, bulk, [Movement(ids[0], "a", "b", 1), Movement(ids[1], "d", 'c","e', 1)], now=NOW)


def test_a_bulk_of_an_earlier_version_is_answered_again_if_what_stands_is_what_is_asked(books: Connection[Any]):
    from counterfoil.ledger.journals import bulk as bulks

    moves = [Movement(an_id(), CASH, ESCROW, 1_00), Movement(an_id(), CASH, "nowhere", 1)]
    bulk = Bulk("old", "transfer", "EUR", "ann")
    real = bulks._request_hash
    import hashlib

    bulks._request_hash = lambda shared, ids, _: hashlib.sha256(bulks._head(shared, ids) + b"".join(ids)).digest()
    try:
        first = post_many(books, PROGRAM, bulk, moves, now=NOW)
    finally:
        bulks._request_hash = real
    assert post_many(books, PROGRAM, bulk, moves, now=NOW) == first._replace(existed=True)
    with pytest.raises(KeyReused):
        post_many(books, PROGRAM, bulk, [moves[0]._replace(minor=9_99), moves[1]], now=NOW)
