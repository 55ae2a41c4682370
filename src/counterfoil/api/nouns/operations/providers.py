"""Providers: what each can do, as its adapter declares it, and how it does, as its calls were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer, shows
from counterfoil.operations.access.access import READ
from counterfoil.operations.providers import Provider
from counterfoil.operations.providers.stats import SPAN, SPAN_MAX, CallStats, call_stats
from counterfoil.operations.work.circuit_rules import Circuit
from counterfoil.operations.work.circuits import list_circuits

router = routes("Operations")
HOURS: int = SPAN // timedelta(hours=1)
CIRCUITS_MAX: int = 1_000
HOURS_MAX: int = SPAN_MAX // timedelta(hours=1)


class CapabilitiesView(ViewModel):
    """What a provider can do; sending, look-ups and retries obey it. Spans in seconds."""

    key_memory_s: int = Field(description="For so long the same key is the same order; 0: keys mean nothing.")
    looks_up_by: list[str] = Field(description="By what it is asked what became of an order; empty: it cannot be.")
    absent_after_s: int = Field(description='"Not there" proves nothing before so long after the last call.')
    settles_within_s: int = Field(description="An accepted order that is neither paid nor failed then is in doubt.")
    horizon_s: int = Field(description="For so long a call may still land.")
    fee_asset: str | None = Field(description="What its fees are taken in; null: what is paid.")
    orders_max: int = Field(description="How many orders one request, or one file, carries.")
    calls_at_once: int = Field(description="How many orders a worker sends it, or asks it about, side by side.")


@shows(CallStats, hidden=("provider",))
class ProviderStatsView(ViewModel):
    """Calls that were announced in the span, by what came of them. Latency in milliseconds from the announcement to the answer."""

    later: int = Field(description="It would not take them now; nothing was done.")
    no_answer: int = Field(description="Nothing came before the horizon.")
    open: int = Field(description="May still be answered.")
    availability_bps: int | None = Field(
        description="Of the calls that are over, how many got a definite answer, in ten-thousandths; null: none is over.",
        examples=[9_987],
    )


class ProviderCircuitView(ViewModel):
    """Whether its calls of one queue are made at all: `closed` is well."""

    queue: str
    state: str = Field(description="closed, open (it is left alone), or half_open (one call tries).")
    state_at: datetime
    last_error: str | None


class ProviderView(ViewModel):
    """A provider that is set up at the server."""

    id: str
    circuits: list[ProviderCircuitView] = Field(description="Of each queue that has called it.")
    capabilities: CapabilitiesView
    stats: ProviderStatsView


class ProvidersView(ViewModel):
    """Providers by name, and the span that was measured."""

    measured_from: datetime
    measured_until: datetime
    data: list[ProviderView]


@router.get("/providers", response_model=ProvidersView, operation_id="provider_list", summary="List providers")
def list_providers(
    call: Annotated[ApiCall, may(READ)],
    hours: Annotated[int, Query(ge=1, le=HOURS_MAX, description="How far back is measured.")] = HOURS,
) -> Response:
    """Latency, availability and last success of each provider, from the recorded calls of the last hours; and what it can do."""
    providers = call.services.wiring.providers
    start, end = call.now - timedelta(hours=hours), call.now
    with call.reading() as conn:
        found = call_stats(conn, providers, start=start, end=end)
        circuits = list_circuits(conn, rows_max=CIRCUITS_MAX, after=None, state=None)
    data = [_shown(one, found[name], [each for each in circuits if each.provider == name]) for name, one in sorted(providers.items())]
    return answer(ProvidersView(measured_from=start, measured_until=end, data=data))


def _shown(provider: Provider, stats: CallStats, circuits: Sequence[Circuit]) -> ProviderView:
    can = provider.capabilities
    second = timedelta(seconds=1)
    capabilities = CapabilitiesView(
        key_memory_s=can.key_memory // second,
        looks_up_by=list(can.looks_up_by),
        absent_after_s=can.absent_after // second,
        settles_within_s=can.settles_within // second,
        horizon_s=can.horizon // second,
        fee_asset=can.fee_asset,
        orders_max=can.orders_max,
        calls_at_once=can.calls_at_once,
    )
    return ProviderView(
        id=provider.name,
        circuits=[
            ProviderCircuitView(queue=one.queue, state=one.state, state_at=one.state_at, last_error=one.last_error)
            for one in sorted(circuits, key=lambda one: one.queue)
        ],
        capabilities=capabilities,
        stats=ProviderStatsView.of(stats),
    )
