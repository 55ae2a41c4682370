"""What must hold of webhooks out: everybody is told what they are to be told, and what could not be told is seen to."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

IN_A_ROW_MAX: Final = 10
REVIEWED_ABOVE: Final = 5  # in a row: somebody looks

INVARIANTS: Final = (
    Invariant(
        "EVENT_DELIVERED",
        "Has every event a delivery to each endpoint that is told of it?",
        """with since as (select subject_id, min(at) as at from step where machine = 'endpoint' and verb = 'enable' group by subject_id)
           select w.id, e.id as event_id, e.name, e.at
           from webhook_endpoint w join since s on s.subject_id = w.id
                join event e on e.at > s.at + interval '5 minutes'  -- whoever emitted it then knew that it is enabled
                and is_told(w.program_id, w.events, w.min_level, e.program_id, e.name, e.level, e.subject_id)
           where w.state in ('enabled', 'disabled')
             and not exists (select from webhook_delivery d where d.endpoint_id = w.id and d.event_id = e.id)""",
        "critical",
        "A partner was never told of something, and nobody would have noticed: tell it again.",
        "P18",
    ),
)
MONITORS: Final = (
    Invariant(
        "WEBHOOK_OUT_FAILING",
        "Does no endpoint refuse more than five attempts in a row?",
        f"""select id, url, failures, failing_since, case when failures > {IN_A_ROW_MAX} then 'critical' else 'warning' end as severity
            from webhook_endpoint where state = 'enabled' and failures > {REVIEWED_ABOVE}""",
        "warning",
        "A partner does not learn what happens; above ten it is an incident, and after 24 hours the endpoint is disabled.",
        "P18",
        incident="P3",
        monitor=True,
    ),
    Invariant(
        "WEBHOOK_OUT_DEAD",
        "Is nothing left that an endpoint did not take, or that was kept for one?",
        """select d.endpoint_id as id, w.url, w.state, count(*) filter (where d.state = 'failed') as failed,
                  count(*) filter (where d.state = 'kept') as kept, min(d.created_at) as since
           from webhook_delivery d join webhook_endpoint w on w.id = d.endpoint_id
           where d.state in ('failed', 'kept') group by d.endpoint_id, w.url, w.state""",
        "warning",
        "Events wait for a person: mend the endpoint, then send them again, one or a range.",
        "P18",
        monitor=True,
    ),
    Invariant(
        "WEBHOOK_OUT_REFUSED",
        "Does our own filter let every endpoint be told?",
        """select distinct d.endpoint_id as id, w.url, d.last_error
           from webhook_delivery d join webhook_endpoint w on w.id = d.endpoint_id
           where d.state = 'due' and d.last_error like 'address_refused:%%'""",
        "warning",
        "An endpoint's name leads to an address that is not public: a mistake of the partner's, or an attempt to reach our own network.",
        "P18",
        monitor=True,
    ),
)
