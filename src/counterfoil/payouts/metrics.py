"""Metrics of payouts."""

from __future__ import annotations

from typing import Final

from counterfoil.base.metric import Metric

METRICS: Final = (
    Metric(
        "payouts_total",
        "counter",
        ("state", "provider"),
        "Payouts to providers that ever came into each state.",
        """select s.to_state, p.provider, count(*) from step s join provider_payout p on p.id = s.subject_id
           where s.machine = 'provider_payout' and s.at > %(since)s and s.at <= %(until)s group by s.to_state, p.provider""",
    ),
    Metric(
        "payout_unknown_oldest_age_seconds",
        "gauge",
        (),
        "For how long nobody knows of a payout whether it went out; 0: of none.",
        "select coalesce(extract(epoch from %(now)s - min(state_at)), 0) from provider_payout where state = 'unknown'",
    ),
)
