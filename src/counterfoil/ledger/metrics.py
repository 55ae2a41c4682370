"""Metrics of the books."""

from __future__ import annotations

from typing import Final

from counterfoil.base.metric import Metric

METRICS: Final = (
    Metric(
        "ledger_balance_difference_cents",
        "gauge",
        ("program", "asset"),
        "Debits less credits of each book, in minor units of its asset; it is 0, or something is very wrong.",
        """select b.program_id, b.asset, coalesce(sum(a.debits), 0)::numeric - coalesce(sum(a.credits), 0)::numeric
           from book b left join account a on a.book_id = b.id group by b.id order by b.program_id, b.asset""",
    ),
)
