"""What must always hold of what providers told us."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.operations import credentials

INVARIANTS: Final = (
    Invariant(
        "PROVIDER_CURSOR_TIE",
        "Is every provider's list of events read up to an event that we have?",
        """select c.provider, c.last_event_id from provider_cursor c
           where not exists (select from webhook_in w where w.provider = c.provider and w.event_id = c.last_event_id)""",
        "critical",
        "Events were passed over: what they told will never be known.",
        "P18",
    ),
)
REFUSED_MAX: Final = 20  # webhooks of a provider and day that were not believed
PARKED_AFTER: Final = "interval '1 hour'"
MONITORS: Final = (
    Invariant(
        "WEBHOOK_IN_PARKED",
        "Was every received webhook that could not be applied seen to within an hour?",
        f"""select id, provider, event_type, last_error, state_at,
                   case when count(*) over (partition by provider) > 10 then 'critical' else 'warning' end as severity
            from webhook_in where state = 'parked' and state_at < %(now)s - {PARKED_AFTER}""",
        "warning",
        "What a provider told is not applied: a rotated secret, an attack, or a fault of ours.",
        "P18",
        incident="P3",
        monitor=True,
    ),
    Invariant(
        "EVENT_PARKED",
        "Was every event whose followers failed five times seen to within an hour?",
        f"""select id, program_id, name, subject_id, last_error, state_at
            from event where state = 'parked' and state_at < %(now)s - {PARKED_AFTER}""",
        "warning",
        "What should have followed has not: an invoice without its intent, a settlement without its payout, a sale without its commission.",
        "P18",
        incident="P3",
        monitor=True,
    ),
    Invariant(
        "WEBHOOK_IN_REFUSED",
        "Are the signatures of the webhooks that come right, but for twenty of a provider and day?",
        f"""select provider, sum(count) as refused, string_agg(distinct reason, ', ') as why, max(last_at) as last_at
            from webhook_in_rejection where day = (%(now)s at time zone 'UTC')::date and reason not like 'pulled%%'
            group by provider having sum(count) > {REFUSED_MAX} and max(last_at) > %(now)s - interval '1 hour'""",
        "warning",
        "A secret was rotated on one side alone, so that what the provider tells is lost; or somebody tries to make us believe something.",
        "P18",
        monitor=True,
    ),
    *credentials.MONITORS,
)
