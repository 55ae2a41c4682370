"""What the search for evidence is given, and the steps in which it measures distances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BIT: Final = 1_000  # weights and scores are whole thousandths of a bit
FLOOR: Final = 7 * BIT  # 128 to 1 above chance; a lower floor has to be earned by many pairs
FLOOR_MAX: Final = 81  # half bits that are tried as floors; above them nothing is confirmed
TEXT_LEAST: Final = 4 * BIT  # a confirmed pair shows a word or a beginning that fewer than 1 text in 16 has
LEAD_TO_SUGGEST: Final = 1 * BIT
FAN_MAX: Final = 200  # expected candidates of one record through one feature
BLOCK_MAX: Final = 2_000  # records of the right side in one block: a feature in one band of amounts and one of dates
TELLING: Final = 16  # what fewer than one text in so many has may confirm: 2 to the bits of TEXT_LEAST
PROBES: Final = 3  # features, the rarest first, by which a record looks for candidates
TAUGHT_MAX: Final = 4_000  # left records that the weights are learnt from
CHANCE_ROWS_MAX: Final = 1_500  # records of each side in the sample of chance meetings
STEPS: Final = 4  # of the estimation, fixed
ROUNDS: Final = 6  # of the decision, fixed
UNSURE_SUGGESTED: Final = 5  # a floor for suggestions is where decoys expect at most one in so many to be chance
SHARED_LEAST_PERCENT: Final = 10  # of a shape's values that both files hold before it is a reference that both keep
PREFIX_LEAST: Final = 3  # letters of which one may be misspelt: of two that are shorter, each is a prefix of its own
NEAR_REFERENCE_LEAST: Final = 8 * BIT  # what a nearly equal reference must say before it counts as misspelt and not as another
SEQUENCE_STEPS: Final = 99  # references that many apart are neighbours in a series, not misspelt
ALONE: Final = 64  # imaginary texts without the word, for a word that stands once on each side: a small file tells little of rarity

OFF_STEPS: Final = (2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 120, 150, 200, 300, 500)  # per mille
DAY_STEPS: Final = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 21, 31, 45, 90)
EARLIER: Final = 100  # added to the level of a date that lies before
UNDATED: Final = 200  # the level of a pair in which one has no date


@dataclass(frozen=True)
class EvidencePlan:
    """What a pass asks: the window in days, how far amounts may lie apart, the lead over the next best, and how much chance is borne.

    `near` is SQL over `l` and `r`: what else must agree before two records are candidates at all.
    """

    before_days: int
    after_days: int
    off_per_mille: int
    lead_bits: int
    false_per_mille: int
    near: str = "true"

    @property
    def window(self) -> str:
        """`r` lies in the window around `l`, as SQL; an unknown date is within it."""
        return f"coalesce(r.d - l.d between {-self.before_days} and {self.after_days}, true)"

    @property
    def close(self) -> str:
        """Their amounts lie near each other, as SQL."""
        return f"{off('l', 'r')} <= {self.off_per_mille}"

    @property
    def days(self) -> int:
        """The width of a band of dates: what lies in the window lies in this band or the next."""
        return max(self.before_days + self.after_days, 1)


def off(left: str, right: str) -> str:
    """How far two amounts of one sign lie apart, in per mille of the larger, rounded up, as SQL."""
    apart = f"abs({left}.amount::double - {right}.amount::double)"
    return f"cast(ceil({apart} * 1000 / greatest(abs({left}.amount::double), abs({right}.amount::double), 1)) as bigint)"


def bits(ratio: str) -> str:
    """The logarithm to base two in thousandths, as SQL."""
    return f"cast(round({BIT} * ln({ratio}) / ln(2)) as bigint)"


def level(column: str, steps: tuple[int, ...]) -> str:
    """The number of the step that a distance falls into, as SQL."""
    return "case " + " ".join(f"when {column} <= {step} then {n}" for n, step in enumerate(steps)) + f" else {len(steps)} end"
