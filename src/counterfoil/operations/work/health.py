"""Is the system well? Each counter of the runbook against its limits, and the one verdict that they add up to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Status = Literal["ok", "warning", "critical"]
_RANK: Final[tuple[Status, ...]] = ("ok", "warning", "critical")


class Limit(NamedTuple):
    """From which figure on a counter is a warning, and from which it is critical; `None`: never. `falling`: the smaller, the worse."""

    warning: int | None
    critical: int | None
    falling: bool = False

    def judge(self, value: int | None) -> Status:
        """Of a counter with nothing to count (`None`) nothing is wrong."""
        for status, bound in (("critical", self.critical), ("warning", self.warning)):
            if value is not None and bound is not None and (value <= bound if self.falling else value >= bound):
                return status  # type: ignore[return-value]
        return "ok"


class Judged(NamedTuple):
    """A counter, its limits, and how it stands."""

    counter: str
    value: int | None
    warning: int | None
    critical: int | None
    status: Status


# A queue is busy from 100 on and overloaded from 500 on. What hangs or nobody knows is money on its way without an answer.
LIMITS: Final[Mapping[str, Limit]] = {
    "payout_outbox_pending": Limit(100, 500),
    "payout_outbox_sending_stuck": Limit(None, 1),
    "provider_payout_sent_stuck10m": Limit(1, 20),
    "provider_payout_unknown": Limit(1, 20),
    "payouts_failed": Limit(1, 50),
    "payouts_waiting": Limit(1, None),
    "max_outbox_age_minutes": Limit(5, 60),
    "provider_circuits_open": Limit(1, None),
    "integrity_alerts_critical_open": Limit(None, 1),
    "integrity_alerts_warning_open": Limit(1, None),
    "webhooks_received": Limit(200, 1_000),
    "webhooks_parked": Limit(1, 20),
    "webhooks_rejected_today": Limit(10, 200),
    "intents_stuck": Limit(1, 20),
    "intents_failed": Limit(1, 20),
    "workers_healthy": Limit(None, 0, falling=True),
    "providers_not_set": Limit(None, 1),
    "sources_never_reconciled": Limit(1, None),
}


def judge_counters(counters: Mapping[str, int | None]) -> list[Judged]:
    """Every counter that has limits, in their order. A counter that is missing is a mistake of ours (KeyError), never well."""
    return [Judged(name, counters[name], limit.warning, limit.critical, limit.judge(counters[name])) for name, limit in LIMITS.items()]


def verdict_of(judged: list[Judged]) -> Status:
    """The worst of them."""
    return max((one.status for one in judged), key=_RANK.index, default="critical")
