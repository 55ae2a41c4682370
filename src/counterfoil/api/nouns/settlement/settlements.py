"""Settlements: how a paid invoice was divided, at the rates of its day."""

from __future__ import annotations

from typing import Annotated

from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import Minor, id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer, shows
from counterfoil.operations.access.access import READ
from counterfoil.payouts.details import payout_of_settlement
from counterfoil.settlement.settlements import Settlement, show_settlement

router = routes("Settlements")


@shows(Settlement)
class SettlementView(ViewModel):
    """Gross = platform fee + validator fee + holdback + net, in minor units; each part rounded down but the net."""

    gross: Minor
    net: Minor = Field(description="What is paid out.")
    rate_version: int = Field(description="Of the program's rates that were used.")


class SettlementInFull(SettlementView):
    """A settlement and its payout, once there is one."""

    payout_id: str | None


@router.get("/settlements/{settlement_id}", response_model=SettlementInFull, operation_id="settlement_show", summary="Show a settlement")
def settlement(settlement_id: Annotated[str, id_in_path("set")], call: Annotated[ApiCall, may(READ)]) -> Response:
    """How one paid invoice was divided."""
    with call.reading() as conn:
        one = show_settlement(conn, settlement_id)
        return answer(SettlementInFull(**one._asdict(), payout_id=payout_of_settlement(conn, settlement_id)))
