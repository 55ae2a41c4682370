"""What is read of an account over many segments: the same as from a plain list, and no more work where its program has more segments."""

from __future__ import annotations

import random
from typing import Any

from psycopg import Connection

from tests.ledger.builders import CASH, ESCROW, FEES, PAYEE, a_program, next_segment, posted

SEGMENTS = 40
BEYOND = 2**62


def an_account(conn: Connection[Any], name: str) -> int:
    row = conn.execute("select id from account where name = %s and id >> 40 = (select min(id) from book)", [name]).fetchone()
    return int(row[0]) if row else 0


def of(rows: list[tuple[Any, ...]]) -> list[int]:
    return [seq for (seq,) in rows]


def test_pages_and_newest_postings_over_many_segments_are_those_of_a_plain_list(conn: Connection[Any]):
    """Accounts that move in each segment, in some, in the first alone, or never; pages that begin and end anywhere."""
    chance = random.Random(3)
    a_program(conn, accounts=[CASH, ESCROW, PAYEE, FEES, "suspense"])
    posted(conn, (CASH, FEES, 1_000))
    for number in range(SEGMENTS):
        for _ in range(chance.randint(0, 3)):
            posted(conn, (CASH, ESCROW, chance.randint(1, 9)))
        if number % 7 == 3:
            posted(conn, (ESCROW, PAYEE, 1))
        next_segment(conn)
    accounts = [an_account(conn, name) for name in (CASH, ESCROW, PAYEE, FEES, "suspense")] + [1 << 41]
    at = [0, BEYOND] + [seq + beside for seq in of(conn.execute("select seq from posting limit 1000").fetchall()) for beside in (0, 1)]
    seen = 0
    for _ in range(400):
        account, rows_max = chance.choice(accounts), chance.choice([1, 2, 5, 50, 200])
        start, end = sorted(chance.sample(at, 2))
        all_of_it = of(conn.execute("select seq from posting where %s in (debit, credit) order by seq limit 1000", [account]).fetchall())
        page = of(conn.execute("select seq from postings_between(%s, %s, %s, %s)", [account, start, end, rows_max]).fetchall())
        newest = of(conn.execute("select seq from newest_postings(%s, %s, %s)", [account, end, rows_max]).fetchall())
        assert page == [seq for seq in all_of_it if start <= seq < end][:rows_max]
        assert newest == [seq for seq in reversed(all_of_it) if seq < end][:rows_max]
        seen += len(page)
    assert seen > 1_000, "this tries nothing"


def read_blocks(conn: Connection[Any], query: str) -> int:
    """How many blocks a query looks at, once the catalogue is known."""
    for _ in range(2):
        row = conn.execute(f"explain (analyze, buffers, timing off, format json) {query}").fetchone()
    plan: dict[str, Any] = row[0][0]["Plan"] if row else {}
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def test_reading_an_account_takes_no_more_where_its_program_has_many_segments(conn: Connection[Any]):
    a_program(conn)
    posted(conn, (CASH, FEES, 1_000))
    resting, active = an_account(conn, FEES), an_account(conn, ESCROW)
    looks = []
    for segments in (3, 150):
        for _ in range(segments):
            next_segment(conn)
        for _ in range(3):
            posted(conn, (CASH, ESCROW, 5))
        (seq,) = conn.execute("select max(seq) from posting where credit = %s", [active]).fetchone() or (0,)
        looks.append(
            [
                read_blocks(conn, query)
                for query in (
                    f"select * from newest_postings({active}, {seq}, 1)",
                    f"select * from newest_postings({resting}, {seq}, 1)",
                    f"select * from postings_between({active}, {seq}, {BEYOND}, 100)",
                    f"select * from postings_between({resting}, {seq}, {BEYOND}, 100)",
                )
            ]
        )
    few, many = looks
    assert all(after <= before + 12 for before, after in zip(few, many, strict=True)), looks
