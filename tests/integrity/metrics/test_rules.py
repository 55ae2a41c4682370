"""The files for Prometheus and Grafana: taken by their own tools, over metrics that there are, in the names of an installation."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from counterfoil.integrity.metrics.board import board
from counterfoil.integrity.metrics.reading import FAILED
from counterfoil.integrity.metrics.rules import RULES, rules_file
from counterfoil.integrity.playbooks import PLAYBOOKS
from counterfoil.wiring import METRICS

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian's package prometheus has it)")
KNOWN = {*(one.name for one in METRICS), FAILED, *(f"{one.name}_bucket" for one in METRICS if one.kind == "histogram")}


class Fires(NamedTuple):
    """A rule with what is measured, by the minute: it fires at the minute `at`, as it is told there, and not a minute before."""

    rule: str
    measured: Mapping[str, str]
    at: int
    severity: str
    playbook: str
    says: str
    labels: Mapping[str, str] = MappingProxyType({})


def burns(rule: str, rate: str, long: str, short: str, severity: str) -> Fires:
    """Both windows are above the rate from the sixth minute on; until then the long one alone is."""
    series = {f"service_level_burn{{objective='intents',window='{long}'}}": "15x20"}
    series[f"service_level_burn{{objective='intents',window='{short}'}}"] = "0x5 15x20"
    says = f"The budget of intents is used up {rate} times faster than it lasts."
    return Fires(rule, series, 6, severity, "P19", says, {"objective": "intents", "window": long})


NIGHT = 26 * 60  # minutes
FULL, MONITORS = (f"sentinel_last_success_timestamp_seconds{{kind='{kind}'}}" for kind in ("full", "monitors"))
FIRING = (
    Fires("NothingMeasured", {}, 3, "critical", "P19", "No server tells its metrics."),
    Fires("MetricNotRead", {"metrics_failed{metric='x'}": "1x9"}, 5, "warning", "P19", "The metric x could not be read.", {"metric": "x"}),
    Fires(
        "LedgerImbalance",
        {"ledger_balance_difference_cents{program='main',asset='EUR'}": "0x5 -7x9"},
        6,
        "critical",
        "P1",
        "Debits are not credits in main EUR: 7 minor units.",
        {"program": "main", "asset": "EUR"},
    ),
    Fires(
        "WorkersDown",
        {"worker_status{status='down'}": "0 1x9"},
        5,
        "critical",
        "P19",
        "No worker is at work for 5 minutes.",
        {"status": "down"},
    ),
    Fires(
        "WorkersDegraded",
        {"worker_status{status='degraded'}": "0 1x19"},
        11,
        "warning",
        "P19",
        "Workers are slow, or a job fails.",
        {"status": "degraded"},
    ),
    Fires(
        "QueueBacklog",
        {"queue_depth_total{queue='send'}": "500x5 501x9"},
        6,
        "critical",
        "P19",
        "More than 500 rows are due in send.",
        {"queue": "send"},
    ),
    Fires(
        "QueueSlow",
        {"queue_depth_total{queue='send'}": "99x5 100x9"},
        11,
        "warning",
        "P19",
        "100 rows or more are due in send.",
        {"queue": "send"},
    ),
    Fires("QueuePaused", {"queue_paused{queue='send'}": "0 1x90"}, 61, "warning", "P19", "send is paused for an hour.", {"queue": "send"}),
    Fires(
        "WorkOld",
        {"outbox_oldest_age_seconds{queue='send'}": "900x5 901x9"},
        6,
        "warning",
        "P19",
        "A row of send waits for 15 minutes.",
        {"queue": "send"},
    ),
    Fires("IntentSlow", {"intent_oldest_age_seconds": "600x5 601x9"}, 6, "warning", "P13", "An intent does not move for 10 minutes."),
    Fires("IntentStuck", {"intent_oldest_age_seconds": "900x5 901x9"}, 6, "critical", "P13", "An intent does not move for 15 minutes."),
    Fires(
        "PayoutUnknown",
        {"payout_unknown_oldest_age_seconds": "1800x5 1801x9"},
        6,
        "critical",
        "P8",
        "Nobody knows for 30 minutes whether a payout went out.",
    ),
    Fires("StaleWrites", {"stale_write_rejected_total": "0x5 100x9"}, 6, "warning", "P19", "Workers lose their leases in calls."),
    Fires(
        "WebhookEndpointFails",
        {"webhook_endpoint_failures{endpoint='shop'}": "10x5 11x9"},
        6,
        "warning",
        "P18",
        "shop fails again and again.",
        {"endpoint": "shop"},
    ),
    Fires("LogBehind", {"unsequenced_oldest_age_seconds": "300x5 301x9"}, 6, "warning", "P2", "Records wait for the log for 5 minutes."),
    Fires(
        "CheckpointOld",
        {"checkpoint_last_success_timestamp_seconds": "0x1600"},
        NIGHT + 1,
        "warning",
        "P2",
        "No checkpoint of the log was signed for 26 hours.",
    ),
    Fires(
        "SentinelSilent",
        {FULL: "0x1600"},
        NIGHT + 1,
        "critical",
        "P19",
        "Not every check was asked of everything for 26 hours.",
        {"kind": "full"},
    ),
    Fires(
        "MonitorsSilent",
        {MONITORS: "0x20"},
        6,
        "critical",
        "P19",
        "Nobody asks for 5 minutes what must hold in time.",
        {"kind": "monitors"},
    ),
    Fires(
        "MonitorsUnanswered",
        {},
        5,
        "critical",
        "P19",
        "What must hold in time was never asked, or not all of it can be.",
        {"kind": "monitors"},
    ),
    Fires("SentinelNeverRan", {}, NIGHT, "critical", "P19", "Not once was every check asked of everything.", {"kind": "full"}),
    Fires("NoCheckpoint", {}, NIGHT, "warning", "P2", "The log has no checkpoint."),
    Fires("StandingUnknown", {}, 5, "critical", "P19", "How the workers stand is not known."),
    Fires("AlertsUnknown", {}, 5, "critical", "P19", "Whether alerts are open is not known."),
    Fires("SentinelAlerts", {"alerts_open{severity='critical'}": "0x5 3x9"}, 6, "critical", "P19", "3 critical alerts are open."),
    burns("BudgetBurnsInDays", "14.4", "1h", "5m", "critical"),
    burns("BudgetBurnsInAWeek", "6", "6h", "30m", "critical"),
    burns("BudgetBurns", "1", "3d", "6h", "warning"),
)


def unit_file(rows: Sequence[Fires] = FIRING, *, early: int = 0) -> str:
    """Promtool's tests of these rules, in JSON, which is YAML; `early`: as if each fired so many minutes before. What takes a day is
    tested together, and what is told of nothing, too: each group is evaluated minute by minute to its end."""
    long, absent = [one for one in rows if one.measured and one.at > NIGHT], [one for one in rows if not one.measured]
    short = [[one] for one in rows if one.measured and one.at <= NIGHT]
    tests = [_unit(group, early) for group in (*short, long, absent) if group]
    return json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests})


def _unit(group: Sequence[Fires], early: int) -> dict[str, object]:
    asked: list[dict[str, object]] = []
    for one in group:
        labels = {"severity": one.severity, "playbook": one.playbook, **one.labels}
        told = [{"exp_labels": labels, "exp_annotations": {"summary": one.says}}]
        for minute, alerts in ((one.at - early - 1, []), (one.at - early, told)):
            asked.append({"eval_time": f"{minute}m", "alertname": f"Sge{one.rule}", "exp_alerts": alerts})
    series = [{"series": f"sge_{name}", "values": values} for one in group for name, values in one.measured.items()]
    return {"interval": "1m", "input_series": series, "alert_rule_test": asked}


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    assert PROMTOOL is not None
    return subprocess.run([PROMTOOL, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_every_rule_is_over_metrics_that_there_are_and_names_a_playbook() -> None:
    for one in RULES:
        used = set(re.findall(r"NS_([a-z0-9_]+)", one.expr))
        assert used, one.name
        assert used <= KNOWN, one.name
        assert one.playbook in PLAYBOOKS


@needs_promtool
@pytest.mark.parametrize("namespace", ["counterfoil", "sge", "my_house_2"])
def test_promtool_takes_the_rules_in_any_namespace(tmp_path: Path, namespace: str) -> None:
    (tmp_path / "rules.yml").write_text(rules_file(namespace))
    done = promtool("check", "rules", "rules.yml", folder=tmp_path)
    assert (done.returncode, f"{len(RULES)} rules found" in done.stdout) == (0, True), done.stdout + done.stderr


@needs_promtool
def test_every_rule_fires_at_its_limit_and_not_before(tmp_path: Path) -> None:
    assert [one.rule for one in FIRING] == [one.name for one in RULES]
    (tmp_path / "rules.yml").write_text(rules_file("sge"))
    (tmp_path / "unit.yml").write_text(unit_file())
    done = promtool("test", "rules", "unit.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "unit.yml").write_text(unit_file([one for one in FIRING if one.rule == "QueueBacklog"], early=2))
    assert promtool("test", "rules", "unit.yml", folder=tmp_path).returncode != 0, "it would take anything"


def test_the_dashboard_has_a_panel_for_every_metric_and_asks_for_nothing_that_is_not_there() -> None:
    told = json.loads(board(METRICS, "sge"))
    exprs = [target["expr"] for panel in told["panels"] for target in panel["targets"]]
    used = {name for expr in exprs for name in re.findall(r"sge_([a-z0-9_]+)", expr)}
    assert used <= KNOWN
    assert {one.removesuffix("_bucket") for one in used} == {one.name for one in METRICS}
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in told["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in told["panels"]})
