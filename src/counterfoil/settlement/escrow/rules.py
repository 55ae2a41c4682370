"""What a release of an escrow takes, and which conditions there are. Pure: every figure follows from the frozen rates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from counterfoil.base.money import rate_of
from counterfoil.base.problems import InvalidInput, check
from counterfoil.settlement.fees.rules import Rates

CONDITIONS_MAX: Final = 20
SIGNERS_MAX: Final = 20
MICRO: Final = 1_000_000
ConditionKind = Literal["time", "signature", "m_of_n", "usage", "score"]
KINDS: Final[tuple[ConditionKind, ...]] = ("time", "signature", "m_of_n", "usage", "score")
_SIGNER: Final = re.compile(r"(person|key):\S.{0,99}")
_NEEDS: Final = {"time": "not_before", "usage": "least_micro", "score": "least_micro"}


class Condition(NamedTuple):
    """What must hold before anything is released: a moment, one signature, so many of several, a quantity used, or a score.

    `signers` as records name them (`person:anna`, `key:portal`); `least_micro` in millionths.
    """

    kind: ConditionKind
    not_before: datetime | None = None
    signers: tuple[str, ...] = ()
    needed: int | None = None
    least_micro: int | None = None


class ReleaseSplit(NamedTuple):
    """How a release is divided, in minor units: amount = platform fee + validator fee + net."""

    amount: int
    platform_fee: int
    validator_fee: int
    net: int


def release_split(amount: int, rates: Rates, *, released: int, platform_taken: int, validator_taken: int) -> ReleaseSplit:
    """The fees of everything released so far, less what earlier releases paid of them: many small releases pay what one large one pays.

    A release that is smaller than the fees due takes what it can, and the next one takes the rest: the payee's part is never below nothing.
    """
    check(amount > 0 and min(released, platform_taken, validator_taken) >= 0, "a release is of something", amount=amount)
    total = released + amount
    platform = min(rates.platform_fee(total) - platform_taken, amount)
    validator = min(rate_of(total, rates.validator_bps) - validator_taken, amount - platform)
    return ReleaseSplit(amount, platform, validator, amount - platform - validator)


def checked_conditions(given: Sequence[Condition]) -> tuple[Condition, ...]:
    """The conditions, each of which says what it must and nothing else. Raises InvalidInput, which names the condition by its number."""
    if len(given) > CONDITIONS_MAX:
        raise InvalidInput("conditions", f"at most {CONDITIONS_MAX}", got=len(given))
    return tuple(_checked(one, f"conditions[{number}]") for number, one in enumerate(given, start=1))


def refuse_too_late(conditions: Sequence[Condition], expires_at: datetime) -> None:
    """Raises InvalidInput for a condition that only holds once the escrow's time is over: nothing could ever be released."""
    for number, one in enumerate(conditions, start=1):
        if one.not_before is not None and one.not_before >= expires_at:
            limit = f"before {expires_at.isoformat()}, when the escrow's time is over"
            raise InvalidInput(f"conditions[{number}].not_before", limit, got=one.not_before.isoformat())


def _checked(one: Condition, where: str) -> Condition:
    if one.kind in _NEEDS:
        needs = _NEEDS[one.kind]
        value = getattr(one, needs)
        if value is None or one != Condition(one.kind, **{needs: value}):
            raise InvalidInput(where, f"{needs}, and nothing else, for a condition of kind {one.kind}")
        if isinstance(value, int) and not (1 if one.kind == "usage" else 0) <= value < 2**63:
            raise InvalidInput(where, "a number above nothing" if one.kind == "usage" else "a number, not negative")
        return one
    if one.not_before is not None or one.least_micro is not None:
        raise InvalidInput(where, f"signers, and nothing else, for a condition of kind {one.kind}")
    if wrong := [signer for signer in one.signers if not _SIGNER.fullmatch(signer)]:
        raise InvalidInput(where, "signers such as person:anna or key:portal", got=wrong[0][:40])
    if len(set(one.signers)) != len(one.signers):
        raise InvalidInput(where, "each signer once")
    if one.kind == "signature":
        if len(one.signers) != 1 or one.needed not in (None, 1):
            raise InvalidInput(where, "one signer for a condition of kind signature; m_of_n takes several", got=len(one.signers))
        return one._replace(needed=1)
    if not 2 <= len(one.signers) <= SIGNERS_MAX or one.needed is None or not 1 <= one.needed <= len(one.signers):
        raise InvalidInput(where, f"2 to {SIGNERS_MAX} signers, of whom 1 to all are needed")
    return one


def terms_of(one: Condition) -> str:
    """A condition in words."""
    if one.kind == "time":
        assert one.not_before is not None
        return f"not before {one.not_before.isoformat()}"
    if one.kind in ("usage", "score"):
        what = "used since the escrow began" if one.kind == "usage" else "scored at last"
        return f"at least {micro_text(one.least_micro or 0)} {what}"
    if one.kind == "signature":
        return f"signed by {one.signers[0]}"
    return f"signed by {one.needed} of {', '.join(one.signers)}"


def reached_text(one: Condition, reached: int) -> str:
    """How far a condition is, in words; `reached` counts signatures, or millionths."""
    if one.kind == "time":
        return ""
    if one.kind == "score" and reached < 0:
        return "no score yet"
    return micro_text(reached) if one.kind in ("usage", "score") else f"{reached} signed"


def micro_text(micro: int) -> str:
    """Millionths as a decimal without idle zeros: 2500000 is 2.5."""
    whole, part = divmod(micro, MICRO)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")


def micro_of(given: str, field: str) -> int:
    """A decimal such as 4.5 in millionths; raises InvalidInput for one that is negative, too large, or finer."""
    found = re.fullmatch(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?", given.strip(), re.ASCII)
    if not found:
        raise InvalidInput(field, "a number such as 4.5, not negative, at most 6 decimals", got=given[:40])
    return int(found[1]) * MICRO + int((found[2] or "").ljust(6, "0"))
