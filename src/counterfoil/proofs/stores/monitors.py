"""What must hold of copies in time: what is new lies in the store soon, and what lies there is what was put there."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

MONITORS: Final = (
    Invariant(
        "COPIES_BEHIND",
        "Was everything new copied to the store within 15 minutes?",
        """select store, count(*) as copies, min(found_at) as oldest_at, max(last_error) as error from store_copy
           where state = 'waiting' and unwanted_at is null and found_at < %(now)s - interval '15 minutes' group by store order by store""",
        "warning",
        "What waits lies on our own disk alone: whoever runs this machine, or loses it, loses proofs and backups of that time.",
        "P20",
        monitor=True,
    ),
    Invariant(
        "COPY_WRONG",
        "Is every copy in the store what was put there, and locked as long?",
        "select id, path, error from store_copy where state = 'wrong' and unwanted_at is null order by id",
        "critical",
        "Somebody changed, covered or took away evidence where nobody must be able to, or the store lost it.",
        "P20",
        monitor=True,
    ),
)
