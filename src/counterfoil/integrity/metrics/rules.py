"""Alert rules for Prometheus: the limits of the runbooks, over the metrics by their names. The sentinel tells the same by itself; these
tell it when nothing of ours can."""

from __future__ import annotations

import json
from typing import Final, NamedTuple


class AlertRule(NamedTuple):
    """`expr` in PromQL with `NS` for the namespace; `lasts`: for how long it must hold before anybody is told."""

    name: str
    expr: str
    lasts: str
    severity: str
    summary: str
    playbook: str


def _burn(name: str, rate: str, long: str, short: str, severity: str) -> AlertRule:
    expr = f'NS_service_level_burn{{window="{long}"}} > {rate} and on (objective) NS_service_level_burn{{window="{short}"}} > {rate}'
    return AlertRule(
        name, expr, "0s", severity, f"The budget of {{{{ $labels.objective }}}} is used up {rate} times faster than it lasts.", "P19"
    )


RULES: Final = (
    AlertRule("NothingMeasured", "absent(NS_ledger_balance_difference_cents)", "3m", "critical", "No server tells its metrics.", "P19"),
    AlertRule("MetricNotRead", "NS_metrics_failed > 0", "5m", "warning", "The metric {{ $labels.metric }} could not be read.", "P19"),
    AlertRule(
        "LedgerImbalance",
        "abs(NS_ledger_balance_difference_cents) > 0",
        "0s",
        "critical",
        "Debits are not credits in {{ $labels.program }} {{ $labels.asset }}: {{ $value }} minor units.",
        "P1",
    ),
    # Down is what was not heard of for a minute: five in all.
    AlertRule("WorkersDown", 'NS_worker_status{status="down"} == 1', "4m", "critical", "No worker is at work for 5 minutes.", "P19"),
    AlertRule("WorkersDegraded", 'NS_worker_status{status="degraded"} == 1', "10m", "warning", "Workers are slow, or a job fails.", "P19"),
    AlertRule("QueueBacklog", "NS_queue_depth_total > 500", "0s", "critical", "More than 500 rows are due in {{ $labels.queue }}.", "P19"),
    AlertRule("QueueSlow", "NS_queue_depth_total >= 100", "5m", "warning", "100 rows or more are due in {{ $labels.queue }}.", "P19"),
    AlertRule("QueuePaused", "NS_queue_paused == 1", "1h", "warning", "{{ $labels.queue }} is paused for an hour.", "P19"),
    AlertRule(
        "WorkOld", "NS_outbox_oldest_age_seconds > 900", "0s", "warning", "A row of {{ $labels.queue }} waits for 15 minutes.", "P19"
    ),
    AlertRule("IntentSlow", "NS_intent_oldest_age_seconds > 600", "0s", "warning", "An intent does not move for 10 minutes.", "P13"),
    AlertRule("IntentStuck", "NS_intent_oldest_age_seconds > 900", "0s", "critical", "An intent does not move for 15 minutes.", "P13"),
    AlertRule(
        "PayoutUnknown",
        "NS_payout_unknown_oldest_age_seconds > 1800",
        "0s",
        "critical",
        "Nobody knows for 30 minutes whether a payout went out.",
        "P8",
    ),
    AlertRule(
        "StaleWrites",
        "increase(NS_stale_write_rejected_total[1h]) > 10",
        "0s",
        "warning",
        "Workers lose their leases in calls.",
        "P19",
    ),
    AlertRule(
        "WebhookEndpointFails",
        "NS_webhook_endpoint_failures > 10",
        "0s",
        "warning",
        "{{ $labels.endpoint }} fails again and again.",
        "P18",
    ),
    AlertRule("LogBehind", "NS_unsequenced_oldest_age_seconds > 300", "0s", "warning", "Records wait for the log for 5 minutes.", "P2"),
    AlertRule(
        "CheckpointOld",
        "time() - NS_checkpoint_last_success_timestamp_seconds > 93600",
        "0s",
        "warning",
        "No checkpoint of the log was signed for 26 hours.",
        "P2",
    ),
    AlertRule(
        "SentinelSilent",
        'time() - NS_sentinel_last_success_timestamp_seconds{kind="full"} > 93600',
        "0s",
        "critical",
        "Not every check was asked of everything for 26 hours.",
        "P19",
    ),
    AlertRule(
        "MonitorsSilent",
        'time() - NS_sentinel_last_success_timestamp_seconds{kind="monitors"} > 300',
        "0s",
        "critical",
        "Nobody asks for 5 minutes what must hold in time.",
        "P19",
    ),
    # A rule over a metric that is not there never fires: what was never measured, or could not be, is said by its absence.
    AlertRule(
        "MonitorsUnanswered",
        'absent(NS_sentinel_last_success_timestamp_seconds{kind="monitors"})',
        "5m",
        "critical",
        "What must hold in time was never asked, or not all of it can be.",
        "P19",
    ),
    AlertRule(
        "SentinelNeverRan",
        'absent(NS_sentinel_last_success_timestamp_seconds{kind="full"})',
        "26h",
        "critical",
        "Not once was every check asked of everything.",
        "P19",
    ),
    AlertRule("NoCheckpoint", "absent(NS_checkpoint_last_success_timestamp_seconds)", "26h", "warning", "The log has no checkpoint.", "P2"),
    AlertRule("StandingUnknown", "absent(NS_worker_status)", "5m", "critical", "How the workers stand is not known.", "P19"),
    AlertRule("AlertsUnknown", "absent(NS_alerts_open)", "5m", "critical", "Whether alerts are open is not known.", "P19"),
    AlertRule(
        "SentinelAlerts", 'NS_alerts_open{severity="critical"} > 0', "0s", "critical", "{{ $value }} critical alerts are open.", "P19"
    ),
    _burn("BudgetBurnsInDays", "14.4", "1h", "5m", "critical"),
    _burn("BudgetBurnsInAWeek", "6", "6h", "30m", "critical"),
    _burn("BudgetBurns", "1", "3d", "6h", "warning"),
)


def rules_file(namespace: str) -> str:
    """The file for Prometheus's `rule_files`, as YAML. Its names begin with the namespace's."""
    head = f"# Written by `counterfoil metrics rules`.\ngroups:\n  - name: {namespace}\n    rules:\n"
    return head + "".join(_rule(one, namespace) for one in RULES)


def _rule(one: AlertRule, namespace: str) -> str:
    prefix = "".join(part.capitalize() for part in namespace.split("_"))
    fields: dict[str, str | dict[str, str]] = {
        "expr": one.expr.replace("NS_", f"{namespace}_"),
        "for": one.lasts,
        "labels": {"severity": one.severity, "playbook": one.playbook},
        "annotations": {"summary": one.summary},
    }
    lines = [f"      - alert: {prefix}{one.name}"]
    for name, value in fields.items():
        if isinstance(value, str):
            lines.append(f"        {name}: {json.dumps(value)}")  # a string of JSON is one of YAML
        else:
            lines += [f"        {name}:", *(f"          {key}: {json.dumps(text)}" for key, text in value.items())]
    return "\n".join(lines) + "\n"
