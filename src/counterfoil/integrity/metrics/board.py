"""The dashboard for Grafana, drawn from what is declared: every metric has its panel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from counterfoil.base.metric import Metric

WIDTH: Final = 24  # of Grafana's grid
HEIGHT: Final = 8
ACROSS: Final = 3
_UNITS: Final = {"seconds": "s", "ms": "ms", "ratio": "percentunit"}


def board(metrics: Sequence[Metric], namespace: str) -> str:
    """The JSON to import; its data source is chosen at the import."""
    told = {
        "title": f"{namespace}: money and work",
        "uid": f"{namespace}-board"[:40],
        "schemaVersion": 39,
        "timezone": "utc",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(one, place, namespace) for place, one in enumerate(metrics)],
    }
    return json.dumps(told, indent=2) + "\n"


def _panel(one: Metric, place: int, namespace: str) -> dict[str, Any]:
    name, width = f"{namespace}_{one.name}", WIDTH // ACROSS
    instant = one.name.endswith("timestamp_seconds")
    targets = [
        {"refId": chr(ord("A") + number), "expr": expr, "legendFormat": legend, "datasource": _SOURCE}
        for number, (expr, legend) in enumerate(_queries(one, name))
    ]
    unit = "s" if instant else _UNITS.get(one.name.rsplit("_", 1)[-1], "short")
    return {
        "id": place + 1,
        "title": one.name.replace("_", " ").capitalize(),
        "description": one.says,
        "type": "timeseries",
        "datasource": _SOURCE,
        "gridPos": {"x": place % ACROSS * width, "y": place // ACROSS * HEIGHT, "w": width, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0 if one.name != "ledger_balance_difference_cents" else None}, "overrides": []},
        "targets": targets,
    }


_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


def _queries(one: Metric, name: str) -> list[tuple[str, str]]:
    by = ", ".join(one.labels)
    legend = " ".join(f"{{{{{label}}}}}" for label in one.labels)
    if one.kind == "histogram":
        grouped = ", ".join(("le", *one.labels))
        return [
            (f"histogram_quantile({share}, sum by ({grouped}) (rate({name}_bucket[5m])))", f"{legend} {title}".strip())
            for share, title in (("0.5", "median"), ("0.95", "95 %"))
        ]
    if one.kind == "counter":
        return [(f"sum by ({by}) (rate({name}[5m]))", legend)]
    if one.name.endswith("timestamp_seconds"):
        return [(f"time() - max by ({by}) ({name})" if by else f"time() - max({name})", legend or "age")]
    return [(f"max by ({by}) ({name})" if by else f"max({name})", legend)]  # every server tells the same
