"""Metrics of intents."""

from __future__ import annotations

from typing import Final

from counterfoil.base.machine import listed
from counterfoil.base.metric import Metric
from counterfoil.settlement.intents.intents import MOVING

INTENT_BOUNDS: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 900.0)  # 5 s and 15 s are limits of the service level
METRICS: Final = (
    Metric(
        "intent_processing_duration_seconds",
        "histogram",
        ("program",),
        "From the customer's last payment to the completion of the intent.",
        """select i.program_id as program,
                  extract(epoch from i.completed_at - (select max(p.recorded_at) from payment p where p.invoice_id = i.invoice_id
                              and p.recorded_at <= i.completed_at)) as value
           from step s join intent i on i.id = s.subject_id
           where s.machine = 'intent' and s.to_state = 'completed' and s.at > %(since)s and s.at <= %(until)s""",
        INTENT_BOUNDS,
    ),
    Metric(
        "intent_oldest_age_seconds",
        "gauge",
        (),
        "For how long the oldest intent that moves by itself has not moved; 0: there is none.",
        f"""select coalesce(extract(epoch from %(now)s - min(state_at)), 0) from intent where state in {listed(MOVING)}""",
    ),
)
