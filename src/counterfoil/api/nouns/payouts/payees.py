"""A payee's card."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import Minor
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer, shows
from counterfoil.api.nouns.payouts.destinations import DestinationView
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import READ
from counterfoil.payouts.payees.card import CardAccount, CardLine, PayeeCard, card_of

router = routes("Payees")


@shows(CardLine)
class CardLineView(ViewModel):
    """One sentence, and the fact behind it."""

    effect: str = Field(description="paused, smaller or late.")
    fact: str = Field(description="The kind of fact, such as destination_quarantined.")
    fact_id: str = Field(description="The row or the account that says so.")


@shows(CardAccount)
class CardAccountView(ViewModel):
    """An account of the payee; `GET /accounts/{name}/statement` shows every movement on it."""

    balance: Minor = Field(description="What the payee is owed, owes, or is held back of it.")


@shows(PayeeCard)
class PayeeCardView(ViewModel):
    """Why a payee's payouts are paused, smaller or late."""

    destination: DestinationView | None = Field(description="Where it is paid now, if anywhere.")
    lines: list[CardLineView] = Field(description="No line: no reason is on record why a payout of it would wait.")
    accounts: list[CardAccountView]


@router.get("/payees/{payee_id}/card", response_model=PayeeCardView, operation_id="payee_card_show", summary="Show a payee's card")
def card(
    payee_id: Annotated[str, Path(min_length=1, max_length=64, examples=["bolt"])],
    call: Annotated[ApiCall, may(READ)],
    program_id: Annotated[str | None, Query(alias="programId", max_length=64)] = None,
) -> Response:
    """Each sentence is from a fact that is there at this moment, and names it; at most 20 of a kind."""
    program = program_id or call.services.wiring.program_id
    with call.reading() as conn:
        show_program(conn, program)
        one = card_of(conn, program, payee_id, now=call.now)
    shown = one._asdict() | {
        "destination": DestinationView(**one.destination._asdict()) if one.destination else None,
        "lines": CardLineView.each(one.lines),
        "accounts": CardAccountView.each(one.accounts),
    }
    return answer(PayeeCardView(**shown))
