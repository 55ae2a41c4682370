"""The files for Prometheus and Grafana: taken by their own tools, over metrics that there are, in the names of an installation."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from counterfoil.integrity.metrics.board import board
from counterfoil.integrity.metrics.reading import FAILED
from counterfoil.integrity.metrics.rules import RULES, rules_file
from counterfoil.integrity.playbooks import PLAYBOOKS
from counterfoil.wiring import METRICS

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed (Debian's package prometheus has it)")
KNOWN = {*(one.name for one in METRICS), FAILED, *(f"{one.name}_bucket" for one in METRICS if one.kind == "histogram")}
# At the minute named each rule of a limit fires, and not before it has lasted.
UNIT = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'sge_ledger_balance_difference_cents{program="main",asset="EUR"}', values: '0x5 7x20'}
      - {series: 'sge_worker_status{status="down"}', values: '0 1x30'}
      - {series: 'sge_queue_depth_total{queue="send"}', values: '99x5 501x20'}
      - {series: 'sge_service_level_burn{objective="availability",window="1h"}', values: '15x20'}
      - {series: 'sge_service_level_burn{objective="availability",window="5m"}', values: '1x5 20x20'}
    alert_rule_test:
      - {eval_time: 5m, alertname: SgeLedgerImbalance, exp_alerts: []}
      - eval_time: 6m
        alertname: SgeLedgerImbalance
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P1, program: main, asset: EUR}
            exp_annotations: {summary: 'Debits are not credits in main EUR: 7 minor units.'}
      - {eval_time: 4m, alertname: SgeWorkersDown, exp_alerts: []}
      - eval_time: 5m
        alertname: SgeWorkersDown
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19, status: down}
            exp_annotations: {summary: 'No worker is at work for 5 minutes.'}
      - {eval_time: 5m, alertname: SgeQueueBacklog, exp_alerts: []}
      - eval_time: 6m
        alertname: SgeQueueBacklog
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19, queue: send}
            exp_annotations: {summary: 'More than 500 rows are due in send.'}
      - {eval_time: 5m, alertname: SgeBudgetBurnsInDays, exp_alerts: []}
      - eval_time: 6m
        alertname: SgeBudgetBurnsInDays
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19, objective: availability, window: 1h}
            exp_annotations: {summary: 'The budget of availability is used up 14.4 times faster than it lasts.'}
  - interval: 1m
    input_series: []
    alert_rule_test:
      - {eval_time: 2m, alertname: SgeNothingMeasured, exp_alerts: []}
      - eval_time: 3m
        alertname: SgeNothingMeasured
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19}
            exp_annotations: {summary: 'No server tells its metrics.'}
      - {eval_time: 4m, alertname: SgeMonitorsUnanswered, exp_alerts: []}
      - eval_time: 5m
        alertname: SgeMonitorsUnanswered
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19, kind: monitors}
            exp_annotations: {summary: 'What must hold in time was never asked, or not all of it can be.'}
      - {eval_time: 25h, alertname: SgeSentinelNeverRan, exp_alerts: []}
      - eval_time: 26h
        alertname: SgeSentinelNeverRan
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19, kind: full}
            exp_annotations: {summary: 'Not once was every check asked of everything.'}
      - eval_time: 26h
        alertname: SgeNoCheckpoint
        exp_alerts:
          - exp_labels: {severity: warning, playbook: P2}
            exp_annotations: {summary: 'The log has no checkpoint.'}
      - eval_time: 5m
        alertname: SgeStandingUnknown
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19}
            exp_annotations: {summary: 'How the workers stand is not known.'}
      - eval_time: 5m
        alertname: SgeAlertsUnknown
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19}
            exp_annotations: {summary: 'Whether alerts are open is not known.'}
  - interval: 1m
    input_series:
      - {series: 'sge_sentinel_last_success_timestamp_seconds{kind="monitors"}', values: '0x20'}
    alert_rule_test:
      - {eval_time: 5m, alertname: SgeMonitorsSilent, exp_alerts: []}
      - eval_time: 6m
        alertname: SgeMonitorsSilent
        exp_alerts:
          - exp_labels: {severity: critical, playbook: P19, kind: monitors}
            exp_annotations: {summary: 'Nobody asks for 5 minutes what must hold in time.'}
      - {eval_time: 10m, alertname: SgeMonitorsUnanswered, exp_alerts: []}
"""


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
def test_the_rules_fire_at_the_limits_of_the_runbook_and_not_before(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(rules_file("sge"))
    (tmp_path / "unit.yml").write_text(UNIT)
    done = promtool("test", "rules", "unit.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "unit.yml").write_text(UNIT.replace("eval_time: 6m", "eval_time: 4m"))
    assert promtool("test", "rules", "unit.yml", folder=tmp_path).returncode != 0, "it would take anything"


def test_the_dashboard_has_a_panel_for_every_metric_and_asks_for_nothing_that_is_not_there() -> None:
    told = json.loads(board(METRICS, "sge"))
    exprs = [target["expr"] for panel in told["panels"] for target in panel["targets"]]
    used = {name for expr in exprs for name in re.findall(r"sge_([a-z0-9_]+)", expr)}
    assert used <= KNOWN
    assert {one.removesuffix("_bucket") for one in used} == {one.name for one in METRICS}
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in told["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in told["panels"]})
