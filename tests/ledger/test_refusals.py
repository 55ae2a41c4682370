"""What the database refuses by itself, whoever asks: the application's role, and a superuser whose session replays as a replica."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection, errors

from counterfoil.base.database import AppendOnly, problem_of
from counterfoil.base.edge import set_up
from counterfoil.base.money import AssetMismatch
from counterfoil.base.problems import KeyReused, Problem
from counterfoil.ledger.accounts.accounts import NewAccount, account_of, freeze_account, open_accounts
from counterfoil.ledger.holds import hold_id, take_hold, void_hold
from counterfoil.ledger.journals.journal import reverse
from counterfoil.ledger.periods import close_period
from counterfoil.ledger.problems import (
    AccountClosed,
    AccountDiffers,
    AccountFrozen,
    AccountNotEmpty,
    AlreadyReversed,
    BalancesMoved,
    HoldResolved,
    InsufficientFunds,
    LedgerRefused,
    PeriodClosed,
    ReversalDiffers,
    UnknownAccount,
)
from tests.ledger.builders import CASH, ESCROW, FEES, NOW, PAYEE, PROGRAM, a_program, next_segment, posted

APPEND_ONLY = (
    "asset",
    "program",
    "book",
    "account_flag",
    "period_close",
    "journal",
    "posting",
    "unposted_line",
    "reversal",
    "hold",
    "hold_resolution",
)
ROLES = ("application", "replica")


@pytest.fixture(params=ROLES)
def books(request: pytest.FixtureRequest, database_url: str) -> Iterator[Connection[Any]]:
    """Books with some money in them, and one hold; then a session as the application, or as a superuser that replays as a replica."""
    with psycopg.connect(database_url, autocommit=True, prepare_threshold=None) as conn:
        with conn.transaction():
            set_up(conn, "counterfoil_app")
            a_program(conn)
            a_program(conn, "other")
            open_accounts(conn, PROGRAM, ["escrow:closed", "escrow:frozen"], asset="EUR", actor="tester", now=NOW)
            posted(conn, (CASH, ESCROW, 100_00), (ESCROW, PAYEE, 40_00), (CASH, "escrow:frozen", 5_00), key="first")
            flag(conn, "escrow:closed", "closed")
            freeze_account(conn, PROGRAM, "escrow:frozen", asset="EUR", reason="asked", actor="ann", now=NOW)
            take(conn, "h")
            void_hold(conn, PROGRAM, take(conn, "h2"), reason="asked", actor="ann", now=NOW)
            close_period(conn, PROGRAM, until=NOW - timedelta(days=30), reason="done", actor="ann", now=NOW)
        with conn.transaction(force_rollback=True):
            set_up(conn, "counterfoil_app" if request.param == "application" else None)
            if request.param == "replica":
                conn.execute("set local session_replication_role = replica")
            yield conn


def take(conn: Connection[Any], key: str) -> UUID:
    return take_hold(conn, PROGRAM, key=key, debit=ESCROW, credit=PAYEE, minor=10_00, asset="EUR", actor="tester", now=NOW).id


def flag(conn: Connection[Any], name: str, which: str, value: bool = True) -> None:
    conn.execute(
        """insert into account_flag (account_id, step, flag, value, actor, reason, at)
           select %(account)s, 1 + count(*), %(flag)s, %(value)s, 'ann', 'asked', now()
           from account_flag where account_id = %(account)s""",
        {"account": number(conn, name), "flag": which, "value": value},
    )


def number(conn: Connection[Any], name: str, program: str = PROGRAM, asset: str = "EUR") -> int:
    return account_of(conn, program, name, asset=asset)


def write_journal(conn: Connection[Any], *, lines: int = 1, **given: Any) -> UUID:
    """A header by hand, of a journal that may stand."""
    row = {
        "id": uuid4(),
        "program_id": PROGRAM,
        "key": str(uuid4()),
        "book": PROGRAM,
        "reverses": None,
        "line": None,
    } | given
    conn.execute(
        """insert into journal (id, program_id, book_id, lines, effective_at, recorded_at, kind, key, request_hash, actor, reverses,
                                reverses_line)
           select %(id)s, %(program_id)s, b.id, %(lines)s, now(), now(), 'test', %(key)s, %(hash)s, 'by hand', %(reverses)s, %(line)s
           from book b where b.program_id = %(book)s and b.asset = 'EUR'""",
        row | {"lines": lines, "hash": hashlib.sha256(b"").digest()},
    )
    return row["id"]  # type: ignore[return-value]


def write_posting(conn: Connection[Any], journal: UUID, debit: str = ESCROW, credit: str = PAYEE, amount: int = 1_00, **given: Any) -> None:
    """A posting by hand that would be right, but for what is given."""
    numbers = given.pop("numbers", None) or (number(conn, debit), number(conn, credit))
    (seq,) = conn.execute(
        """select greatest((extract(epoch from clock_timestamp()) * 1000)::bigint << 20, 1 + max(last_seq)) from account"""
    ).fetchone() or (0,)
    balances = [
        row[0]
        for n, side in zip(numbers, (1, -1), strict=True)
        for row in conn.execute(
            "select case when debit_normal then debits - credits + %s else credits - debits - %s end from account where id = %s",
            [side * amount, side * amount, n],
        ).fetchall()
        or [(0,)]
    ]
    row = {
        "journal": journal,
        "line": 1,
        "debit": numbers[0],
        "credit": numbers[1],
        "amount": amount,
        "debit_balance": balances[0],
        "credit_balance": balances[1],
        "effective": None,
        "seq": seq,
        "off_clock": False,
        "movement": None,
        "segment": 0,
    } | given
    conn.execute(
        """insert into posting (journal_id, line, debit, credit, amount, debit_balance, credit_balance, effective_at, seq, off_clock,
                                movement, segment)
           values (%(journal)s, %(line)s, %(debit)s, %(credit)s, %(amount)s, %(debit_balance)s, %(credit_balance)s,
                   coalesce(%(effective)s, clock_timestamp()), %(seq)s, %(off_clock)s, %(movement)s, %(segment)s)""",
        row,
    )


def refused(raised: pytest.ExceptionInfo[psycopg.Error]) -> type[Problem]:
    return type(problem_of(raised.value))


def test_what_would_be_right_is_written(books: Connection[Any]):
    """The guard of all tests below: they fail for the reason that they name, not because nothing can be written by hand."""
    write_posting(books, write_journal(books))
    (balance,) = books.execute("select credits - debits from account where id = %s", [number(books, PAYEE)]).fetchone() or (0,)
    assert balance == 41_00


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("how", ["update {0} set {1} = {1}", "delete from {0}", "truncate {0} cascade"])
def test_nothing_recorded_is_changed_or_deleted(books: Connection[Any], table: str, how: str):
    column = books.execute("select attname from pg_attribute where attrelid = %s::regclass and attnum = 2", [table]).fetchone() or ("",)
    with pytest.raises((errors.InsufficientPrivilege, psycopg.DatabaseError)) as raised:
        books.execute(how.format(table, column[0]))
    application = isinstance(raised.value, errors.InsufficientPrivilege)
    assert application or refused(raised) is AppendOnly


@pytest.mark.parametrize(
    "statement",
    [
        "update account set credits = credits + 1",
        "update account set frozen = false",
        "delete from account",
        "truncate account cascade",
        "update open_hold set amount = 1",
        "insert into open_hold select gen_random_uuid(), debit, credit, amount from open_hold",
        "delete from open_hold",
        "truncate open_hold",
        "insert into reversal select id, 1, id from journal",
    ],
)
def test_totals_open_holds_and_reversals_are_written_by_triggers_alone(books: Connection[Any], statement: str):
    with pytest.raises(psycopg.DatabaseError) as raised:
        books.execute(statement)  # type: ignore[call-overload]
    assert isinstance(raised.value, errors.InsufficientPrivilege) or refused(raised) in (AppendOnly, LedgerRefused)


def test_no_trigger_stands_before_each_row_whose_totals_move(conn: Connection[Any]):
    """PostgreSQL would lock each row first, whatever the trigger's condition: a seventh of what a movement costs the server."""
    rows = """select tgname from pg_trigger where tgrelid in ('account'::regclass, 'posting'::regclass) and not tgisinternal
              and tgtype & 1 = 1 and tgtype & 2 = 2 order by 1 limit 10"""
    assert conn.execute(rows).fetchall() == []


def test_an_account_is_opened_empty(books: Connection[Any]):
    with pytest.raises(psycopg.DatabaseError) as raised:
        books.execute(
            """insert into account (id, book_id, name, debit_normal, no_overdraft, opened_at, opened_by, credits)
               select id::bigint << 40 | 999, id, 'escrow:rich', false, true, now(), 'me', 100 from book limit 1"""
        )
    assert refused(raised) is LedgerRefused


def test_an_account_lies_in_a_book_that_there_is(books: Connection[Any]):
    with pytest.raises(psycopg.DatabaseError) as raised:
        books.execute(
            """insert into account (id, book_id, name, debit_normal, no_overdraft, opened_at, opened_by)
               values (8000000::bigint << 40 | 998, 8000000, 'escrow:lost', false, true, now(), 'me')"""
        )
    assert refused(raised) is LedgerRefused


def test_a_flag_and_a_hold_name_accounts_that_there_are(books: Connection[Any]):
    with pytest.raises(psycopg.DatabaseError) as raised, books.transaction():
        books.execute("insert into account_flag values (1::bigint << 40 | 87654321, 1, 'frozen', true, 'me', 'a reason', now())")
    assert refused(raised) is UnknownAccount
    with pytest.raises(psycopg.DatabaseError) as raised, books.transaction():
        books.execute(
            """insert into hold (id, debit, credit, amount, taken_at, kind, actor)
               select gen_random_uuid(), id, id + 87654321, 1, now(), 'hold', 'me' from account where name = %s limit 1""",
            [ESCROW],
        )
    assert refused(raised) is UnknownAccount


@pytest.mark.parametrize("statement", ["update program_segment set segment = 0", "delete from program_segment", "truncate program_segment"])
def test_segments_move_by_the_writers_function_alone(conn: Connection[Any], statement: str):
    a_program(conn)
    with pytest.raises(errors.InsufficientPrivilege):
        conn.execute(statement)


def test_segments_only_move_on_whoever_asks(owner_conn: Connection[Any]):
    a_program(owner_conn)
    assert next_segment(owner_conn) == 1
    for segment, seq in ((1, 2**60), (3, 2**60), (2, 0)):
        with pytest.raises(psycopg.DatabaseError), owner_conn.transaction():
            owner_conn.execute("insert into program_segment values (%s, %s, %s)", [PROGRAM, segment, seq])
    with pytest.raises(psycopg.DatabaseError, match="stays where it begins"):
        owner_conn.execute("update program_segment set first_seq = 1")


def test_an_account_is_opened_once_and_in_the_book_of_its_number(books: Connection[Any]):
    with pytest.raises(AccountDiffers):
        open_accounts(books, PROGRAM, [NewAccount(ESCROW, "debit", False)], asset="EUR", actor="me", now=NOW)
    with pytest.raises(errors.CheckViolation, match="account_lies_in_its_book"):
        books.execute(
            """insert into account (id, book_id, name, debit_normal, no_overdraft, opened_at, opened_by)
               select 1::bigint << 40 | 998, max(id), 'escrow:lost', false, true, now(), 'me' from book"""
        )


@pytest.mark.parametrize(
    ("problem", "posting"),
    [
        (InsufficientFunds, {"amount": 50_01}),  # 60.00 less what is held
        (AccountClosed, {"credit": "escrow:closed"}),
        (AccountClosed, {"debit": "escrow:closed"}),
        (AccountFrozen, {"debit": "escrow:frozen"}),
        (UnknownAccount, {"numbers": (1 << 40 | 12345678, 1 << 40 | 12345679)}),
        (PeriodClosed, {"effective": NOW - timedelta(days=31), "off_clock": True}),
        (BalancesMoved, {"debit_balance": 1}),
        (BalancesMoved, {"credit_balance": 1}),
        (LedgerRefused, {"effective": NOW - timedelta(days=29)}),  # off the clock, and does not say so
        (LedgerRefused, {"seq": 1}),
        (LedgerRefused, {"seq": 2**62}),
        (LedgerRefused, {"segment": 1}),
        (LedgerRefused, {"line": 2}),
        (LedgerRefused, {"line": 0}),
        (LedgerRefused, {"journal": uuid4()}),
    ],
)
def test_a_posting_that_would_break_the_books_is_refused(books: Connection[Any], problem: type[Problem], posting: dict[str, Any]):
    given = dict(posting)
    journal = given.pop("journal", None) or write_journal(books)
    with pytest.raises(psycopg.DatabaseError) as raised:
        write_posting(books, journal, **given)
    assert refused(raised) is problem


@pytest.mark.parametrize("amount", [0, -1, 10**18 + 1])
def test_an_amount_is_positive_and_bounded(books: Connection[Any], amount: int):
    with pytest.raises(errors.CheckViolation, match="posting_amount_fits"):
        write_posting(books, write_journal(books), CASH, ESCROW, amount)


def test_a_posting_moves_between_two_accounts(books: Connection[Any]):
    with pytest.raises(errors.CheckViolation, match="posting_moves_between_two_accounts"):
        write_posting(books, write_journal(books), ESCROW, ESCROW)


@pytest.mark.parametrize(("program", "asset"), [(PROGRAM, "USD"), ("other", "EUR")])
def test_a_posting_stays_in_its_program_and_its_asset(books: Connection[Any], program: str, asset: str):
    for numbers in (
        (number(books, CASH), number(books, ESCROW, program, asset)),
        (number(books, CASH, program, asset), number(books, ESCROW)),
    ):
        with pytest.raises(psycopg.DatabaseError) as raised, books.transaction():
            write_posting(books, write_journal(books), numbers=numbers)
        assert refused(raised) is AssetMismatch


@pytest.mark.parametrize(("program", "asset"), [(PROGRAM, "USD"), ("other", "EUR")])
def test_a_journal_and_its_postings_lie_in_one_book(books: Connection[Any], program: str, asset: str):
    with pytest.raises(psycopg.DatabaseError) as raised:
        write_posting(
            books,
            write_journal(books),
            numbers=(number(books, CASH, program, asset), number(books, ESCROW, program, asset)),
        )
    assert refused(raised) is LedgerRefused


def test_a_journal_lies_in_a_book_of_its_program(books: Connection[Any]):
    with pytest.raises(psycopg.DatabaseError) as raised:
        write_journal(books, book="other")
    assert refused(raised) is LedgerRefused


def test_a_journal_is_not_added_to_later(books: Connection[Any]):
    (first,) = books.execute("select id from journal where key = 'first'").fetchone() or (None,)
    assert first is not None
    for given in ({"line": 4}, {"line": 3}, {"line": 2, "movement": uuid4()}):
        with pytest.raises(psycopg.DatabaseError) as raised, books.transaction():
            write_posting(books, first, **given)
        assert refused(raised) is LedgerRefused or isinstance(raised.value, errors.UniqueViolation)


def test_a_journal_is_written_whole(books: Connection[Any]):
    with pytest.raises(psycopg.DatabaseError) as raised:
        write_posting(books, write_journal(books, lines=2))
    assert refused(raised) is LedgerRefused


def test_a_journal_names_the_transaction_that_writes_it(books: Connection[Any]):
    with pytest.raises(psycopg.DatabaseError) as raised:
        books.execute(
            """insert into journal (id, program_id, book_id, lines, effective_at, recorded_at, kind, key, request_hash, actor, written_by)
               select gen_random_uuid(), program_id, book_id, 1, now(), now(), 'test', 'x', request_hash, 'me', '999999999'
               from journal where key = 'first'"""
        )
    assert refused(raised) is LedgerRefused


def test_a_key_is_used_once(books: Connection[Any]):
    with pytest.raises(psycopg.DatabaseError) as raised:
        write_journal(books, key="first")
    assert refused(raised) is KeyReused


def test_a_movement_is_posted_once(books: Connection[Any]):
    movement = uuid4()
    write_posting(books, write_journal(books), movement=movement)
    with pytest.raises(psycopg.DatabaseError) as raised:
        write_posting(books, write_journal(books), movement=movement)
    assert refused(raised) is KeyReused


def test_a_journal_is_reversed_once_also_past_the_application(books: Connection[Any]):
    done = posted(books, (CASH, ESCROW, 1_00))
    reverse(books, PROGRAM, done.journal_id, key="r", reason="wrong", actor="ann", now=NOW)
    for line in (None, 1):
        with pytest.raises(psycopg.DatabaseError) as raised, books.transaction():
            write_journal(books, reverses=done.journal_id, line=line)
        assert refused(raised) is AlreadyReversed


def test_a_reversal_has_as_many_lines_as_what_it_reverses(books: Connection[Any]):
    done = posted(books, (CASH, ESCROW, 1_00), (CASH, ESCROW, 2_00))
    with pytest.raises(psycopg.DatabaseError) as raised:
        write_journal(books, reverses=done.journal_id, lines=1)
    assert refused(raised) is ReversalDiffers


@pytest.mark.parametrize("posting", [(ESCROW, CASH, 99), (FEES, CASH, 1_00), (CASH, ESCROW, 1_00)])
def test_a_reversal_mirrors_what_it_reverses(books: Connection[Any], posting: tuple[str, str, int]):
    done = posted(books, (CASH, ESCROW, 1_00))
    journal = write_journal(books, reverses=done.journal_id)
    with pytest.raises(psycopg.DatabaseError) as raised:
        write_posting(books, journal, *posting)
    assert refused(raised) is ReversalDiffers


def resolve(conn: Connection[Any], key: str, verb: str, amount: int = 0, journal: UUID | None = None) -> None:
    conn.execute(
        """insert into hold_resolution (hold_id, verb, amount, journal_id, line, resolved_at, actor, reason)
           values (%s, %s, %s, %s, %s, now(), 'me', 'by hand')""",
        [hold_id(PROGRAM, key), verb, amount, journal, 1 if journal else None],
    )


@pytest.mark.parametrize(
    ("problem", "key", "verb", "amount"),
    [
        (HoldResolved, "h2", "void", 0),
        (HoldResolved, "h2", "post", 1),
        (LedgerRefused, "h", "expire", 0),  # it has no expiry
        (LedgerRefused, "h", "post", 10_01),
    ],
)
def test_a_hold_is_resolved_once_and_within_its_terms(books: Connection[Any], problem: type[Problem], key: str, verb: str, amount: int):
    with pytest.raises(psycopg.DatabaseError) as raised:
        resolve(books, key, verb, amount, write_journal(books) if amount else None)
    assert refused(raised) is problem


@pytest.mark.parametrize(("verb", "amount"), [("post", 0), ("void", 1), ("expire", 1), ("lend", 0)])
def test_a_resolution_says_what_it_does(books: Connection[Any], verb: str, amount: int):
    with pytest.raises(errors.CheckViolation):
        resolve(books, "h", verb, amount, write_journal(books))


@pytest.mark.parametrize(
    ("problem", "debit", "credit", "amount"),
    [
        (InsufficientFunds, ESCROW, PAYEE, 50_01),
        (AccountFrozen, "escrow:frozen", PAYEE, 1),
        (AccountClosed, ESCROW, "escrow:closed", 1),
    ],
)
def test_a_hold_that_would_break_the_books_is_refused(books: Connection[Any], problem: type[Problem], debit: str, credit: str, amount: int):
    with pytest.raises(psycopg.DatabaseError) as raised:
        books.execute(
            """insert into hold (id, debit, credit, amount, taken_at, kind, actor)
               values (gen_random_uuid(), %s, %s, %s, now(), 'test', 'by hand')""",
            [number(books, debit), number(books, credit), amount],
        )
    assert refused(raised) is problem


@pytest.mark.parametrize("name", [ESCROW, PAYEE])
def test_an_account_closes_empty(books: Connection[Any], name: str):
    with pytest.raises(psycopg.DatabaseError) as raised:
        flag(books, name, "closed")
    assert refused(raised) is AccountNotEmpty


def test_an_account_below_nothing_is_not_forbidden_to_be_there(books: Connection[Any]):
    posted(books, (FEES, CASH, 1_00))
    with pytest.raises(psycopg.DatabaseError) as raised:
        flag(books, FEES, "no_overdraft")
    assert refused(raised) is InsufficientFunds


def test_periods_are_closed_one_after_another(books: Connection[Any]):
    for step, until in ((1, NOW), (3, NOW), (2, NOW - timedelta(days=31))):
        with pytest.raises(psycopg.DatabaseError), books.transaction():
            books.execute(
                """insert into period_close (program_id, step, verb, closed_until, actor, reason, at)
                   values (%s, %s, 'close', %s, 'me', 'by hand', now())""",
                [PROGRAM, step, until],
            )


def test_books_are_written_under_read_committed_only(database_url: str):
    with psycopg.connect(database_url, prepare_threshold=None) as conn:
        set_up(conn, "counterfoil_app")
        a_program(conn)
        conn.commit()
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        set_up(conn, "counterfoil_app")
        with pytest.raises(psycopg.DatabaseError) as raised:
            posted(conn)
        assert refused(raised) is LedgerRefused


@pytest.mark.parametrize(
    "statement",
    [
        "insert into posting select * from posting",
        "insert into journal select * from journal",
        "insert into account select * from account",
        "insert into hold select * from hold",
        "delete from posting",
        "update account set frozen = true",
    ],
)
def test_an_auditor_reads_and_writes_nothing(conn: Connection[Any], statement: str):
    a_program(conn)
    conn.execute("set local role counterfoil_auditor")
    assert conn.execute("select count(*) from ledger_entries").fetchone() == (0,)
    with pytest.raises(errors.InsufficientPrivilege):
        conn.execute(statement)  # type: ignore[call-overload]


def test_every_trigger_of_the_ledger_holds_in_a_replica_too(conn: Connection[Any]):
    rows = conn.execute(
        """select tgrelid::regclass::text, tgname from pg_trigger
           where not tgisinternal and tgenabled <> 'A' and tgrelid in (
               select oid from pg_class where relname = any(%s))""",
        [[*APPEND_ONLY, "account", "open_hold", "program_segment"]],
    ).fetchall()
    assert rows == []


def test_no_foreign_key_points_at_accounts_because_each_would_look_at_every_row_whose_totals_move(
    conn: Connection[Any],
):
    pointing = "select conrelid::regclass::text from pg_constraint where contype = 'f' and confrelid = 'account'::regclass"
    assert conn.execute(pointing).fetchall() == []
