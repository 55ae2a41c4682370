"""Faults on demand: what kinds there are, which rule hits whom. Pure: the same seed and the same keys give the same hits, also
after a restart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from counterfoil.simulator.rules.facts import FaultFired
from counterfoil.simulator.rules.state import FaultRule, State

PPM: Final = 1_000_000
MS_MAX: Final = 86_400_000 * 40


class FaultRefused(Exception):
    """A request that this provider refuses; `code` is stable, and nothing moved."""

    def __init__(self, status: int, code: str, message: str, *, field: str = "", limit: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field, self.limit = status, code, message, field, limit


class Whole(NamedTuple):
    """A parameter that is a whole number."""

    default: int
    least: int
    most: int


class Choice(NamedTuple):
    """A parameter that is one of these words; the first is the default."""

    words: tuple[str, ...]


class Minor(NamedTuple):
    """A parameter that is an amount in minor units, as a string; may be negative, never zero."""

    default: str


class Code(NamedTuple):
    """A parameter that is a reason code."""

    default: str


Param = Whole | Choice | Minor | Code


class FaultKind(NamedTuple):
    """A kind of fault: when it can fire, what `on` means for it unless told otherwise, and its parameters."""

    stage: str
    on: str
    says: str
    params: Mapping[str, Param]


_HOLD: Final = {"hold_ms": Whole(30_000, 0, MS_MAX)}
KINDS: Final[Mapping[str, FaultKind]] = {
    "timeout_before_accepting": FaultKind("before", "payout.create", "nothing done, no answer; hangs up after hold_ms", _HOLD),
    "error_before_accepting": FaultKind("before", "payout.create", "nothing done, an error", {"status": Whole(503, 500, 599)}),
    "rate_limit": FaultKind("before", "payout.create", "nothing done, 429 with Retry-After", {"retry_after_s": Whole(1, 0, 3_600)}),
    "timeout_after_accepting": FaultKind("after", "payout.create", "done, no answer; hangs up after hold_ms", _HOLD),
    "error_after_accepting": FaultKind("after", "payout.create", "done, but an error", {"status": Whole(500, 500, 599)}),
    "payout_failed": FaultKind("outcome", "payout.create", "accepted, then fails", {"code": Code("account_closed")}),
    "paid_then_failed": FaultKind(
        "outcome",
        "payout.create",
        "paid, and failed after_ms later",
        {"after_ms": Whole(1_000, 0, MS_MAX), "code": Code("bank_rejected")},
    ),
    "returned_later": FaultKind(
        "outcome",
        "payout.create",
        "paid, and returned after_ms later",
        {"after_ms": Whole(1_000, 0, MS_MAX), "code": Code("returned_by_bank")},
    ),
    "wrong_amount": FaultKind("outcome", "payout.create", "pays delta more, or less, than was asked", {"delta": Minor("1")}),
    "webhook_lost": FaultKind("webhook", "*", "never sent; the event can be pulled", {}),
    "webhook_doubled": FaultKind("webhook", "*", "sent so many times", {"times": Whole(2, 2, 20)}),
    "webhook_late": FaultKind("webhook", "*", "sent delay_ms later", {"delay_ms": Whole(5_000, 1, MS_MAX)}),
    "webhook_reordered": FaultKind(
        "webhook",
        "*",
        "sent after the next event (of the same object when behind is same), or after delay_ms at the latest",
        {"behind": Choice(("any", "same")), "delay_ms": Whole(5_000, 1, MS_MAX)},
    ),
    "webhook_bad_signature": FaultKind("webhook", "*", "the first tries are signed badly", {"attempts": Whole(1, 1, 1_000)}),
    "line_lost": FaultKind("statement", "*", "the CSV statement leaves the line out", {}),
    "line_doubled": FaultKind("statement", "*", "the CSV statement has the line twice", {}),
    "line_altered": FaultKind("statement", "*", "the CSV statement has another gross and net", {"delta": Minor("1")}),
    "outage": FaultKind(
        "service",
        "*",
        "nothing answers for ms: 503, connections closed without an answer, or refused",
        {"ms": Whole(5_000, 1, MS_MAX), "mode": Choice(("503", "closed", "refused"))},
    ),
}


def complete_params(fault: str, given: Mapping[str, object]) -> dict[str, int | str]:
    """The parameters of a fault with its defaults filled in. Raises Refused naming the field and its limit."""
    kind = KINDS.get(fault)
    if kind is None:
        raise FaultRefused(400, "invalid_request", "no such fault", field="fault", limit=", ".join(KINDS))
    for name in given.keys() - kind.params.keys():
        raise FaultRefused(400, "invalid_request", "no such parameter", field=f"params.{name}", limit=", ".join(kind.params) or "none")
    return {name: _value(f"params.{name}", param, given.get(name)) for name, param in kind.params.items()}


def _value(field: str, param: Param, given: object) -> int | str:
    match param:
        case Whole(default, least, most):
            value: object = default if given is None else given
            if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
                return value
            limit = f"a whole number from {least} to {most}"
        case Choice(words):
            value = words[0] if given is None else given
            if isinstance(value, str) and value in words:
                return value
            limit = "one of " + ", ".join(words)
        case Minor(default):
            value = default if given is None else given
            if isinstance(value, str) and re.fullmatch(r"-?[1-9][0-9]{0,17}", value):
                return value
            limit = "a string of whole minor units other than 0"
        case Code(default):
            value = default if given is None else given
            if isinstance(value, str) and re.fullmatch(r"[a-z_]{1,60}", value):
                return value
            limit = "lower-case letters and underscores, at most 60"
    raise FaultRefused(400, "invalid_request", "not a value for this parameter", field=field, limit=limit)


def pick(state: State, pending: Sequence[object], stage: str, *, on: str, subject: str, names: tuple[str, ...]) -> FaultRule | None:
    """The first planted rule of `stage` that hits `subject` now: `on` and one of its `names` fit, and so does the draw.

    `pending` holds the facts of this decision that are not applied yet.
    """
    for rule in state.live.values():
        if KINDS[rule.planted.fault].stage == stage and _fits(rule, on, names) and _hits(state.seed, rule, pending, subject):
            return rule
    return None


def pick_lines(state: State, rule: FaultRule) -> list[int]:
    """Which lines there already are does a fresh statement rule touch: drawn by the seed, each line by one rule at most."""
    numbers = [
        line.number
        for line in state.lines
        if line.number not in state.touched
        and _fits(rule, line.type, (line.reference, line.source))
        and _draw(state.seed, rule.planted.id, line.number, 0) < rule.planted.probability_ppm
    ]
    numbers.sort(key=lambda number: _draw(state.seed, rule.planted.id + "-order", number))
    return sorted(numbers[: rule.planted.count])


def _fits(rule: FaultRule, on: str, names: Iterable[str]) -> bool:
    planted = rule.planted
    return rule.remaining() != 0 and fnmatchcase(on, planted.on) and any(fnmatchcase(name, planted.match) for name in names)


def _hits(seed: int, rule: FaultRule, pending: Sequence[object], subject: str) -> bool:
    mine = [fact for fact in pending if isinstance(fact, FaultFired) and fact.rule == rule.planted.id]
    remaining = rule.remaining()
    if remaining is not None and len(mine) >= remaining:
        return False
    before = rule.fired_for[subject] + sum(fact.subject == subject for fact in mine)
    return _draw(seed, rule.planted.id, subject, before) < rule.planted.probability_ppm


def _draw(seed: int, *what: str | int) -> int:
    """A number below a million, the same for the same words."""
    digest = hashlib.sha256("\0".join([str(seed), *map(str, what)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") % PPM
