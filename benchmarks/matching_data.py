"""Two large sides with known faults, made by DuckDB: 20-character references, amounts, five currencies, dates, states."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb

MADE_OF: Final = """
create temp table made as
select n as id, 'PAY' || substr(md5(n::varchar), 1, 17) as reference, (100 + hash(n * 3 + 1) % 5000000)::bigint as amount,
       (['USD', 'EUR', 'GBP', 'BRL', 'JPY'])[1 + (hash(n * 7 + 2) % 5)::int] as currency,
       (date '2026-01-01' + (hash(n * 5 + 3) % 90)::int)::date as date,
       case when hash(n * 11 + 4) % 100 < 97 then 'paid' else 'failed' end as status, (hash(n * 13 + 5) % 100000)::int as fate
from range({rows}) t(n)"""
# of 100,000: 100 are missing on the left, 100 on the right, 100 have another amount, 50 are there twice on the right
LEFT: Final = "select id, reference, amount, currency, date, status from made where fate not between 100 and 199 order by id"
RIGHT: Final = """
select row_number() over (order by shuffled) as id, reference, amount, currency, date, status from (
    select hash(id * 17 + 6) as shuffled, reference, amount + case when fate between 200 and 299 then 100 + fate else 0 end as amount,
           currency, (date + (hash(id * 19) % 3)::int)::date as date, status
    from made where fate >= 100
    union all select hash(id * 23 + 7), reference, amount, currency, date, status from made where fate between 300 and 349)
order by id"""
ALL_BROKEN: Final = "select id, reference, amount + 1000 as amount, currency, date, status from made order by hash(id)"


def make(folder: Path, rows: int, *, all_broken: bool = False) -> None:
    """left and right, as Parquet and CSV, in `folder`; nothing is made twice."""
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    conn = duckdb.connect()
    conn.execute("set enable_progress_bar = false")
    conn.execute(f"set temp_directory = '{folder / 'spill'}'")
    conn.execute(MADE_OF.format(rows=rows))
    for name, query in (("left", LEFT), ("right", ALL_BROKEN if all_broken else RIGHT)):
        conn.execute(f"copy ({query}) to '{folder / name}.parquet' (format parquet, compression zstd)")
        conn.execute(f"copy (select * from '{folder / name}.parquet') to '{folder / name}.csv' (header)")
    conn.close()
    (folder / "done").touch()


def expected(folder: Path) -> dict[str, int]:
    """What must be found, counted from the files by plain set arithmetic on references, apart from every engine's way."""
    conn = duckdb.connect()
    conn.execute("set enable_progress_bar = false")
    sides = [f"(select reference, count(*) as n from '{folder / name}.parquet' group by reference)" for name in ("left", "right")]
    found = conn.execute(
        f"""select count(*) filter (l.n is null), count(*) filter (r.n is null), coalesce(sum(r.n - 1) filter (l.n is not null), 0)
            from {sides[0]} l full join {sides[1]} r using (reference)"""
    ).fetchone()
    other = conn.execute(
        f"""select count(*) from '{folder / "left.parquet"}' l
            join '{folder / "right.parquet"}' r using (reference) where l.amount <> r.amount"""
    ).fetchone()
    conn.close()
    assert found is not None
    assert other is not None
    return {
        "MISSING_LEFT": found[0],
        "MISSING_RIGHT": found[1],
        "DUPLICATE_RIGHT": int(found[2]),
        "AMOUNT_MISMATCH": other[0],
    }
