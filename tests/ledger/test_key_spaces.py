"""Keys of the product and keys of its callers never meet: nobody takes the key of a real settlement before it is posted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection, errors

from counterfoil.base.edge import Database
from counterfoil.base.invariant import run_invariants
from counterfoil.base.migrations import runner
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch_types import Movement
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.journals.journal import NewJournal, Posted, post, post_journals, reverse
from counterfoil.ledger.journals.key_spaces import PAYMENT, SETTLEMENT, SPACES, KeySpace, word_of
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all, post_each
from counterfoil.ledger.problems import KeyReserved
from counterfoil.ledger.reads.balances import balance
from tests.ledger.builders import CASH, ESCROW, NOW, PAYEE, PROGRAM, a_program, an_id, posted

MIGRATIONS = Path(runner.__file__).parent
LINE = (CASH, ESCROW, 1_00)
TAKEN = [
    "SETTLEMENT:inv_1",
    "PAYOUT_FINALIZE:pp_1",
    "PAYOUT_SOMETHING_NEW:x",
    "break:brk_1:1",
    "hold.post:h",
    "reversal:j",
]


def test_the_database_holds_the_same_key_spaces(conn: Connection[Any]):
    rows = conn.execute("select word, kind, source_type, is_fact, is_late_ok, is_reversible from key_space").fetchall()
    assert {row[0]: KeySpace(*row) for row in rows} == SPACES


@pytest.mark.parametrize("key", TAKEN)
def test_a_callers_journal_cannot_take_a_key_of_the_product(conn: Connection[Any], key: str):
    a_program(conn)
    with pytest.raises(KeyReserved):
        posted(conn, LINE, key=key)
    with pytest.raises(KeyReserved):
        post_many(conn, PROGRAM, Bulk(key, "transfer", "EUR", "ann"), [Movement(an_id(), *LINE)], now=NOW)
    (result,) = post_journals(conn, PROGRAM, [NewJournal(key, "test", [LINE], "EUR", "ann")], now=NOW)
    assert isinstance(result, KeyReserved)


@pytest.mark.parametrize("key", ["settlement:1", "SETTLEMENT", "SETTLEMENT_1", "PAYMENT-7:x", "bank:42", "breakfast:1", ":x"])
def test_every_other_key_is_a_callers(conn: Connection[Any], key: str):
    assert word_of(key) is None
    a_program(conn)
    assert isinstance(posted(conn, LINE, key=key), Posted)


def test_a_reversal_has_its_own_key_and_reverses_something(conn: Connection[Any]):
    a_program(conn)
    done = posted(conn, LINE)
    reverse(conn, PROGRAM, done.journal_id, key="reversal:x", reason="wrong", actor="ann", now=NOW)
    with pytest.raises(KeyReserved):
        reverse(conn, PROGRAM, posted(conn, LINE).journal_id, key="SETTLEMENT:x", reason="wrong", actor="ann", now=NOW)


@pytest.mark.parametrize(("kind", "source"), [("test", ("settlement", "set_1")), ("settlement", None), ("settlement", ("other", "1"))])
def test_the_database_refuses_a_journal_that_does_not_look_like_its_space(conn: Connection[Any], kind: str, source: tuple[str, str] | None):
    a_program(conn)
    with pytest.raises(errors.DatabaseError, match="another writer"):
        post(
            conn,
            PROGRAM,
            key="SETTLEMENT:1",
            kind=kind,
            lines=[LINE],
            asset="EUR",
            actor="ann",
            now=NOW,
            source=source,
            space=SETTLEMENT,
        )


def _booking(program: str, key: str, *lines: tuple[str, str, int], asset: str = "EUR") -> ProgramJournal:
    new = NewJournal(PAYMENT.key(key), "payment", lines, asset, "system:worker", source=("charge", key), space=PAYMENT)
    return ProgramJournal(program, new)


def test_all_are_posted_by_program_and_asset_in_their_order_and_accounts_are_opened(conn: Connection[Any]):
    for program in ("b", "a"):
        a_program(conn, program, accounts=[CASH])
    asked = [
        _booking("b", "1", (CASH, "escrow:new", 1)),
        _booking("a", "2", (CASH, "escrow:new", 2), asset="USD"),
        _booking("b", "3", (CASH, "escrow:new", 4), asset="USD"),
        _booking("b", "4", (CASH, "escrow:new", 8)),
    ]
    done = post_all(conn, asked, now=NOW)
    keys = conn.execute("select id, program_id, key from journal where id = any(%s)", [[one.journal_id for one in done]]).fetchall()
    assert [{row[0]: row[1:] for row in keys}[one.journal_id] for one in done] == [
        ("b", "PAYMENT:1"),
        ("a", "PAYMENT:2"),
        ("b", "PAYMENT:3"),
        ("b", "PAYMENT:4"),
    ]
    held = [balance(conn, p, "escrow:new", asset=a).minor for p, a in (("b", "EUR"), ("a", "USD"), ("b", "USD"))]
    assert held == [9, 2, 4]


def test_one_that_is_refused_raises_from_all_and_holds_nobody_up_from_each(conn: Connection[Any]):
    a_program(conn)
    asked = [_booking(PROGRAM, "1", LINE), _booking(PROGRAM, "2", (PAYEE, CASH, 99)), _booking(PROGRAM, "3", LINE)]
    with pytest.raises(Exception, match="less than was asked"), conn.transaction():
        post_all(conn, asked, now=NOW)
    results = post_each(conn, asked, now=NOW)
    assert [isinstance(one, Posted) for one in results] == [True, False, True]


def test_more_than_one_call_of_the_ledger_takes_are_posted_all_the_same(conn: Connection[Any]):
    a_program(conn)
    asked = [_booking(PROGRAM, str(number), *[LINE] * 60) for number in range(200)]
    assert len(post_all(conn, asked, now=NOW)) == 200
    assert balance(conn, PROGRAM, ESCROW, asset="EUR").minor == 200 * 60 * 1_00


def test_a_key_that_a_caller_took_before_goes_out_of_the_way_of_the_real_settlement(
    make_database_url: Any,
):
    """Rows of an earlier version: a hand-made SETTLEMENT:inv_1 blocked the real one for ever."""
    url = make_database_url()
    database = Database(url).open()
    try:
        with database.transaction() as conn:
            a_program(conn)
        with psycopg.connect(url, autocommit=True) as owner:
            _unmigrate(owner)
            owner.execute(
                """insert into journal (id, program_id, book_id, lines, effective_at, recorded_at, kind, key, request_hash, actor)
                   select gen_random_uuid(), %s, id, 1, now(), now(), 'adjustment', 'SETTLEMENT:inv_1', sha256('x'), 'key:ann'
                   from book where asset = 'EUR'""",
                [PROGRAM],
            )
            for name in ("0022_facts_and_decisions.sql", "grants.sql"):
                owner.execute((MIGRATIONS / name).read_text())  # type: ignore[arg-type]
        with database.transaction() as conn:
            ((old, new),) = conn.execute("select old_key, key from journal_key_moved k join journal j on j.id = k.journal_id")
            assert old == "SETTLEMENT:inv_1"
            assert new.startswith("caller:SETTLEMENT:inv_1:")
            assert "KEY_OF_ANOTHER_WRITER" not in [one.code for one in run_invariants(conn, INVARIANTS)]
            new_journal = NewJournal(
                "SETTLEMENT:inv_1",
                "settlement",
                [LINE],
                "EUR",
                "system:worker",
                source=("settlement", "set_1"),
                space=SETTLEMENT,
            )
            assert post_all(conn, [ProgramJournal(PROGRAM, new_journal)], now=NOW)[0].existed is False
    finally:
        database.close()


def _unmigrate(owner: psycopg.Connection[Any]) -> None:
    """As it was before the key spaces were there."""
    owner.execute(
        """drop view customer_balance, customer_entry;
           drop table key_space, journal_key_moved, late_posting cascade;
           drop trigger keys_lie_in_their_spaces on journal;
           drop trigger payee_account_closes_when_nothing_is_on_its_way on account_flag;
           drop trigger period_reopens_as_approved on period_close;
           drop function keys_lie_in_their_spaces, late_postings_were_marked, payee_account_closes_when_nothing_is_on_its_way,
                         period_reopens_as_approved, key_word;
           alter table hold drop constraint hold_that_is_promised_does_not_expire, drop column promised;
           alter table period_close drop column approved_by, drop column approval_id cascade"""
    )
