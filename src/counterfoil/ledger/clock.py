"""Moments as numbers: microseconds since 1970, and `seq`, the ledger's own clock.

A seq is milliseconds since 1970 shifted left by 20 bits, plus a counter. It is taken under the locks of the accounts that a
posting touches, from the database's clock or from the newest posting of these accounts, whichever is later; so it grows along
every account even when a clock is set back, and "as recorded at a moment" is a plain comparison. It lasts until the year 2248.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from counterfoil.base.problems import InvalidInput

SEQ_BITS: Final = 20
SEQ_MAX: Final = (1 << 63) - (1 << 44)  # some hours before the end, so that an hour may be added
OFF_CLOCK_US: Final = 3_600_000_000  # a posting effective further than this from its record is found by its effective time
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_us(moment: datetime, field: str = "effective_at") -> int:
    """Microseconds since 1970. Raises InvalidInput for a moment without a time zone."""
    if moment.tzinfo is None:
        raise InvalidInput(field, "a moment with its time zone", got=moment.isoformat())
    return (moment - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + timedelta(microseconds=us)


def first_seq(ms: int) -> int:
    """The lowest seq of a millisecond; of one that no bigint can hold, the nearest."""
    return min(max(ms << SEQ_BITS, 0), SEQ_MAX)


def recorded_at(seq: int) -> datetime:
    """When what carries this seq was recorded, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=seq >> SEQ_BITS)


def seq_after(moment: datetime) -> int:
    """Above every seq recorded at or before the millisecond of `moment`."""
    return first_seq(to_us(moment, "as_of") // 1000 + 1)


def allocate(clock_ms: int, newest: int, count: int) -> int:
    """The first of `count` seqs of one millisecond: by the clock, or after `newest`, whichever is later."""
    seq = max(first_seq(clock_ms), newest + 1)
    if (seq & (1 << SEQ_BITS) - 1) + count > 1 << SEQ_BITS:
        seq = first_seq((seq >> SEQ_BITS) + 1)
    return seq
