"""Metrics for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi.responses import Response

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.routing import routes
from counterfoil.integrity.metrics.reading import MEDIA_TYPE, exposition
from counterfoil.operations.access.access import READ
from counterfoil.wiring import METRICS

router = routes("Metrics", prefix="")


@router.get(
    "/metrics",
    operation_id="metric_list",
    summary="Show the metrics",
    responses={200: {"description": "The text format of Prometheus.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def metrics(call: Annotated[ApiCall, may(READ)]) -> Response:
    """For Prometheus, which sends the key as a bearer token. Read from the database, so every server tells the same."""
    with call.reading() as conn:
        told = exposition(conn, METRICS, namespace=call.services.wiring.metrics_namespace, now=call.now)
    return Response(told, media_type=MEDIA_TYPE)
