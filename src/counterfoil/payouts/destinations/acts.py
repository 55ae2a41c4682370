"""Saying where a payee is paid: two people agree on the account, of which nothing but its last characters is told or kept in clear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from counterfoil.base.encryption.keys import keys_of
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import APPROVE
from counterfoil.operations.acts import Act, ActCall, ActDone, ByTwo, paired_of
from counterfoil.operations.providers import capabilities_of
from counterfoil.operations.verbs import Field
from counterfoil.payouts.destinations.destinations import TOKEN_MAX, set_destination
from counterfoil.payouts.destinations.entry import BankAccountGiven, entered
from counterfoil.payouts.destinations.tokens import fingerprints, hint

BANK: Final = BankAccountGiven._fields


def _settle(one: ActCall) -> Mapping[str, Any]:
    """Which account it is, however it was given. Raises InvalidInput."""
    taken, provider = one.taken, one.taken["provider"]
    if provider not in one.providers:
        raise InvalidInput("provider", f"one of {', '.join(sorted(one.providers))}", got=provider[:40])
    bank = {name: taken[name] for name in BANK if taken[name]}
    if bank and "holder" not in bank:
        raise InvalidInput("holder", "whose account it is, as the bank knows it")
    account = entered(
        token=taken["token"],
        bank=BankAccountGiven(**bank) if bank else None,
        chain=taken["chain_address"],
        provider=provider,
        capabilities=capabilities_of(one.providers[provider]),
    )
    return {name: taken[name] for name in ("program_id", "payee_id", "provider")} | {"account": account}


def _set(one: ActCall) -> ActDone:
    program, payee, provider, account = one.taken.values()
    show_program(one.conn, program)
    made = set_destination(
        one.conn,
        one.make_id("dst"),
        program_id=program,
        payee_id=payee,
        provider=provider,
        token=account,
        actor=one.by.actor,
        now=one.now,
    )
    told = f"{payee} is paid by {provider} to the account that ends in {hint(account)} from now on; payouts that waited for it are due."
    return ActDone(made.id, told, made=made, kept={"token_hint": hint(account)})


def agreed_on(one: ActCall) -> dict[str, str]:
    """What two people agree on. The account is told apart by a keyed hash: a plain one of an account's number is soon guessed."""
    program, payee, provider, account = one.taken.values()
    known_by = fingerprints(keys_of(one.conn), account)[0].hex()
    return {"programId": program, "payeeId": payee, "provider": provider, "fingerprint": known_by, "tokenHint": hint(account)}


def _account(name: str, help_: str, example: str, length_max: int) -> Field:
    return Field(name, help_, required=False, example=example, length_max=length_max)


ACCOUNT: Final = (
    _account("token", "The provider's own name of the account, where it has one.", "acct_1", TOKEN_MAX),
    _account("holder", "Of a bank account: whose it is, as the bank knows it.", "Bolt GmbH", 200),
    _account("iban", "Its IBAN.", "DE89370400440532013000", 50),
    _account("bic", "Where the bank wants to see it.", "COBADEFFXXX", 20),
    _account("country", "Without an IBAN: the country of the bank.", "GB", 10),
    _account("bank_code", "With the country, where its banks have one.", "NWBK", 20),
    _account("branch_code", "Such as a sort code.", "60-16-13", 20),
    _account("account_code", "Without an IBAN: the number of the account.", "31926819", 40),
    _account("chain_address", "Or an address on a chain, with its checksum.", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", 60),
)
SET_DESTINATION: Final = Act(
    "destination.set",
    "set",
    "Set where a payee is paid",
    "Give the account in one way: the provider's name of it, a bank account, or an address on a chain. It takes the place of the one "
    "before; attempts that are under way keep theirs.",
    "/destinations",
    _set,
    (
        Field("program_id", "Of this program.", "program"),
        Field("payee_id", "Who is paid there.", example="bolt", length_max=64),
        Field("provider", "Who pays it out.", length_max=40),
        *ACCOUNT,
    ),
    two=ByTwo("destination", "set", "{program_id}:{payee_id}", APPROVE, agreed_on),
    settle=_settle,
    area="destinations",
    whole=False,
    confidential=frozenset(one.name for one in ACCOUNT),
)
PAIRED: Final = paired_of((SET_DESTINATION,))
