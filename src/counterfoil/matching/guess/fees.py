"""A known fee between two amounts of one key: a share and a fixed part, found from the pairs themselves and counted on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.guess.amounts import Trial
from counterfoil.matching.guess.columns import Looked

PAIRS_LEAST: Final = 20  # of fewer pairs any two figures can be explained
AGREE_LEAST_PERCENT: Final = 80
PPM_STEP: Final = 100  # fees are quoted in hundredths of a per cent
PPM_MOST: Final = 200_000
FIXED_MOST: Final = 2_000  # minor units
SUMS_LEAST: Final = 5  # payments with one fee each
ROUNDED_OFF: Final = 1  # a fee is rounded: so far may a pair lie from it


class KnownFee(NamedTuple):
    """What lies between the two sides: taken off the amounts of `side` (0 left, 1 right) it makes `agree` of `pairs` agree."""

    side: int
    ppm: int
    minor: int
    agree: int
    pairs: int
    trial: Trial

    def sentence(self, sides: tuple[Looked, Looked]) -> str:
        """The fee in figures, as a reason."""
        share = [f"{self.ppm // 10_000}.{self.ppm % 10_000 // 100:02} %"] if self.ppm else []
        fixed = [f"{self.minor} minor units"] if self.minor else []
        return (
            f"a known fee: {sides[self.side].readings[(self.trial.left, self.trial.right)[self.side]]} on the {sides[self.side].side} less "
            f"{' and '.join(share + fixed)} of each record agrees in {self.agree:,} of {self.pairs:,}; check it against the contract"
        )


def known_fee(engine: DuckEngine, sides: tuple[Looked, Looked], trials: Sequence[Trial]) -> KnownFee | None:
    """The fee that explains most pairs of the columns that meet most often; None where none explains them."""
    most = max((one.met for one in trials), default=0)
    found = [fee for one in trials if one.met == most >= PAIRS_LEAST for fee in _of_trial(engine, sides, one)]
    return max(found, key=lambda fee: (fee.agree, -fee.trial.left, -fee.trial.right, -fee.side), default=None)


def _of_trial(engine: DuckEngine, sides: tuple[Looked, Looked], trial: Trial) -> list[KnownFee]:
    columns = [f"c{list(side.types).index(name)}" for side, name in zip(sides, (trial.left_key, trial.right_key), strict=True)]
    formed = [trial.form.sql(column) for column in columns]
    rows = engine.rows(
        f"""select any_value(abs(l.a{trial.left})), any_value(abs(r.a{trial.right}))
            from (select *, {formed[0]} as k from left_tried) l join (select *, {formed[1]} as k from right_tried) r on r.k = l.k
            where l.a{trial.left} is not null and r.a{trial.right} is not null group by l.k having count(*) = 1 order by 1, 2"""
    )
    pairs = [(int(left), int(right)) for left, right in rows]
    both = (_fitted(0, pairs, trial), _fitted(1, sorted((right, left) for left, right in pairs), trial))
    return [fee for fee in both if fee and not sides[fee.side].statement]  # a statement's amounts are its own


def _fitted(side: int, pairs: Sequence[tuple[int, int]], trial: Trial) -> KnownFee | None:
    """By the middle of all slopes between a pair and the one half the list away: breaks among the pairs do not move it."""
    half = len(pairs) // 2
    far = [(more, less) for less, more in zip(pairs, pairs[half:], strict=False) if more[0] > less[0]]
    if len(pairs) < PAIRS_LEAST or not far:
        return None
    slope = median_low(((more[0] - more[1]) - (less[0] - less[1])) * 1_000_000 // (more[0] - less[0]) for more, less in far)
    ppm = (slope + PPM_STEP // 2) // PPM_STEP * PPM_STEP
    fixed = median_low(gross - net - _share(gross, ppm) for gross, net in pairs)
    agree = sum(abs(gross - _share(gross, ppm) - fixed - net) <= ROUNDED_OFF for gross, net in pairs)
    real = 0 <= ppm <= PPM_MOST and 0 <= fixed <= FIXED_MOST and (ppm or fixed > ROUNDED_OFF)
    return KnownFee(side, ppm, fixed, agree, len(pairs), trial) if real and agree * 100 >= len(pairs) * AGREE_LEAST_PERCENT else None


def _share(gross: int, ppm: int) -> int:
    return (gross * ppm + 500_000) // 1_000_000


class SumsFee(NamedTuple):
    """What lies between sums and what was paid of them: taken off each record of `side`, or, below nought, added to each payment."""

    side: int
    ppm: int
    minor: int
    agree: int
    sums: int

    def sentence(self, sides: tuple[Looked, Looked]) -> str:
        """The fee in figures, as a reason."""
        share = [f"{self.ppm // 10_000}.{self.ppm % 10_000 // 100:02} %"] if self.ppm else []
        fixed = [f"{abs(self.minor):,} minor units"] if self.minor else []
        fee, side = " and ".join(share + fixed), sides[self.side]
        how = f"with {fee} added to each payment" if self.minor < 0 else f"less {fee} of each record"
        told = f"{self.agree:,} of {self.sums:,} sums"
        return f"a known fee: {side.readings[0]} on the {side.side} {how} agrees in {told}; check it against the contract"


def fee_of_sums(rows: Sequence[tuple[int, int, int]], *, many: int) -> SumsFee | None:
    """Out of (gross sum, how many records, what was paid): one fee for each payment, or a share and a fixed part of each record."""
    if len(rows) < SUMS_LEAST:
        return None
    each = median_low(gross - net for gross, _, net in rows)
    by_payment = SumsFee(1 - many, 0, -each, sum(gross - net == each for gross, _, net in rows), len(rows))
    found = [by_payment] if 0 < each <= FIXED_MOST else []
    by_size = sorted(rows, key=lambda row: (row[0] / row[1], row))
    half = len(rows) // 2
    far = [(small, large) for small, large in zip(by_size, by_size[half:], strict=False) if large[0] * small[1] > small[0] * large[1]]
    if len(rows) >= PAIRS_LEAST and far:
        slope = median_low(_slope(small, large) for small, large in far)
        ppm = (slope + PPM_STEP // 2) // PPM_STEP * PPM_STEP
        fixed = median_low((gross - net - _share(gross, ppm)) // n for gross, n, net in rows)
        for minor in (fixed, fixed + 1):  # each record's share is rounded, and the middle of what is left is rounded down
            agree = sum(abs(gross - _share(gross, ppm) - minor * n - net) <= max(n // 2, ROUNDED_OFF) for gross, n, net in rows)
            if 0 <= ppm <= PPM_MOST and 0 <= minor <= FIXED_MOST and (ppm or minor):
                found.append(SumsFee(many, ppm, minor, agree, len(rows)))
    best = max(found, key=lambda fee: (fee.agree, fee.minor < 0, -fee.minor), default=None)
    return best if best and best.agree * 100 >= len(rows) * AGREE_LEAST_PERCENT else None


def _slope(small: tuple[int, int, int], large: tuple[int, int, int]) -> int:
    """Millionths that the fee of a record grows by with its size, between two payments."""
    (g, n, net), (more, m, paid) = small, large
    return ((more - paid) * n - (g - net) * m) * 1_000_000 // (more * n - g * m)
