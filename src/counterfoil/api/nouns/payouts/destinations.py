"""Destinations: where a payee's money goes. The provider's token is shown by its last four characters alone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, ProgramFilter, ProgramId, id_in_path
from counterfoil.api.http.history import WithVerbs, history
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.api.nouns.settlement.invoices import chosen_provider
from counterfoil.base.encryption.keys import required
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import ADMINISTER, READ
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.operations.listing import ListAsked
from counterfoil.operations.providers import capabilities_of
from counterfoil.payouts.destinations.destinations import (
    IN_USE,
    TOKEN_MAX,
    Destination,
    ShownDestination,
    set_destination,
    shown_destination,
)
from counterfoil.payouts.destinations.entry import BankAccountGiven, entered
from counterfoil.payouts.destinations.noun import DESTINATION_NOUN
from counterfoil.payouts.destinations.tokens import fingerprints, hint

router = routes("Destinations")


class BankAccountRequest(RequestModel):
    """A bank account, by its IBAN or in its country's own form. Each part is checked, and the one that is wrong is named."""

    holder: Clean = Field(max_length=200, description="Whose account it is, as the bank knows it.", examples=["Bolt GmbH"])
    iban: Clean | None = Field(None, max_length=50, examples=["DE89370400440532013000"])
    bic: Clean | None = Field(None, max_length=20, description="Where the bank wants to see it.", examples=["COBADEFFXXX"])
    country: Clean | None = Field(None, max_length=10, description="Without an IBAN: the country of the bank.", examples=["GB"])
    bank_code: Clean | None = Field(None, max_length=20, examples=["NWBK"])
    branch_code: Clean | None = Field(None, max_length=20, description="Such as a sort code.", examples=["60-16-13"])
    account_code: Clean | None = Field(None, max_length=40, description="The number of the account.", examples=["31926819"])


class DestinationRequest(RequestModel):
    """Pay this payee there from now on."""

    program_id: ProgramId
    payee_id: Clean = Field(min_length=1, max_length=64, examples=["bolt"])
    provider: Clean | None = Field(None, max_length=40, description="The only one, if absent.")
    token: Clean | None = Field(
        None, min_length=1, max_length=TOKEN_MAX, description="The provider's own name of the account.", examples=["acct_1"]
    )
    bank_account: BankAccountRequest | None = Field(None, description="Or a bank account, where the provider pays to one.")
    chain_address: Clean | None = Field(
        None,
        max_length=60,
        description="Or an address on a chain, where the provider pays to one; with its checksum (EIP-55).",
        examples=["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"],
    )


@shows(ShownDestination)
class DestinationView(ViewModel):
    """Where a payee is paid, or was."""

    token_hint: str = Field(description="The last four characters of the token, or of the bank account's number.")
    state: str = Field(description="active, quarantined (nothing is sent there), or ended (replaced).")
    quarantine_reason: str | None = Field(description="Why a person stopped paying there, while that lasts.")
    actor: str = Field(description="Who set it.")
    ended_at: datetime | None = Field(description="Since when another is in its place.")


class DestinationInFull(WithVerbs, DestinationView):
    """A destination with what may be done and what was done."""


class DestinationSet(WriteResult):
    """It is set; payouts that waited for it are due now."""

    id: str
    program_id: str
    payee_id: str
    provider: str
    token_hint: str = Field(description="The last four characters of the token, or of the bank account's number.")


def _fields(one: Destination) -> dict[str, Any]:
    return {**{name: getattr(one, name) for name in ("id", "program_id", "payee_id", "provider")}, "token_hint": hint(one.token)}


@router.post(
    "/destinations",
    status_code=201,
    response_model=DestinationSet,
    responses=BY_TWO,
    operation_id="destination_set",
    summary="Set a payee's destination",
)
def set_one(body: DestinationRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """Takes two people. Ends the one before. The same again changes nothing. Attempts that are under way keep theirs."""
    provider = chosen_provider(call, body.provider)
    bank = None if body.bank_account is None else BankAccountGiven(**body.bank_account.model_dump())
    can = capabilities_of(call.services.wiring.providers[provider])
    account = entered(token=body.token, bank=bank, chain=body.chain_address, provider=provider, capabilities=can)

    def act(conn: Connection[Any]) -> Done:
        show_program(conn, body.program_id)
        made = set_destination(
            conn,
            call.make_id("dst"),
            program_id=body.program_id,
            payee_id=body.payee_id,
            provider=provider,
            token=account,
            actor=call.actor,
            now=call.now,
        )
        return Done(made.id, DestinationSet(**_fields(made)), 201)

    asked = {**body.model_dump(mode="json", exclude={"token", "bank_account", "chain_address"}), "tokenHint": hint(account)}
    # What two people agree on, and what a key remembers, is told apart by a keyed hash: a plain one of an account's number is soon guessed.
    told = [one.hex() for one in fingerprints(required(call.services.database.keys), account)]
    token = {"fingerprint": told[0], "tokenHint": hint(account)}
    payload = {"programId": body.program_id, "payeeId": body.payee_id, "provider": provider, **token}
    said = ProposedVerb("destination", "set", f"{body.program_id}:{body.payee_id}", payload, body.program_id)
    reason = f"where {body.payee_id} is paid"
    return call.by_two("destination.set", act, said, asked=asked, reason=reason, secret=told)


@router.get("/destinations", response_model=Paged[DestinationView], operation_id="destination_list", summary="List destinations")
def destinations(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(DESTINATION_NOUN)],
    program_id: ProgramFilter = None,
) -> Response:
    """Newest first, unless another order is asked for: those where payees are paid now, and all that are quarantined; with a state, those
    in it."""
    wanted = asked._replace(program_id=program_id, also=() if asked.state else (IN_USE,))
    return answer_listed(call, page, DESTINATION_NOUN, wanted, DestinationView)


@router.get("/destinations/{id}", response_model=DestinationInFull, operation_id="destination_show", summary="Show a destination")
def one(id: Annotated[str, id_in_path("dst")], call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: A002 - the name in the address
    """With what may be done with it, its steps, and what was done by hand."""
    with call.reading() as conn:
        row = shown_destination(conn, id)
        allowed = DESTINATION_NOUN.allowed(conn, id, now=call.now)
        return answer(DestinationInFull(**row._asdict(), allowed=allowed, **history(conn, id)))
