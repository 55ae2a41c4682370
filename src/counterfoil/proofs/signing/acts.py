"""Whose keys sign proofs: adding one, and taking one away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from counterfoil.operations.access.access import ROLES
from counterfoil.operations.acts import Act, ActCall, ActDone, ByTwo, paired_of
from counterfoil.operations.verbs import Field
from counterfoil.proofs.signing.signers import add_signer, revoke_signer

KEY_MAX: Final = 2_624
KEY: Final = "^(?:[0-9a-f]{64}|[0-9a-f]{2624})$"


def _add(one: ActCall) -> ActDone:
    taken = one.taken
    made = add_signer(
        one.conn,
        one.make_id("sgn"),
        principal_id=taken["principal_id"],
        role=taken["role"],
        public_key=bytes.fromhex(taken["public_key"]),
        valid_until=taken["valid_until"],
        by=one.by.actor,
        now=one.now,
    )
    return ActDone(made.id, f"What {made.person} signs with this key counts as {made.role}, until {made.valid_until:%Y-%m-%d}.", made=made)


def _agrees(one: ActCall) -> Mapping[str, Any]:
    taken = one.taken
    until = taken["valid_until"].isoformat().replace("+00:00", "Z")
    return {"principalId": taken["principal_id"], "role": taken["role"], "publicKey": taken["public_key"], "validUntil": until}


def _revoke(one: ActCall) -> ActDone:
    made = revoke_signer(one.conn, one.taken["signer_id"], reason=one.reason, by=one.by.actor, now=one.now)
    return ActDone(made.id, f"What {made.person} signs with it from now on does not count; what was signed before still does.", made=made)


ADD_SIGNER: Final = Act(
    "signer.add",
    "add",
    "Add a key that signs proofs",
    "The person holds the role, and made the pair on their own machine: the private half stays with them.",
    "/signers",
    _add,
    (
        Field("principal_id", "Whose key it is; their id stands on their page.", "id", prefix="prn", example="prn_…"),
        Field("role", "As what they sign.", "choice", choices=tuple(one for one in ROLES if one != "viewer")),
        Field(
            "public_key",
            "Its public half in hex, as the command that made it wrote it.",
            pattern=KEY,
            example="d75a…",
            length_max=KEY_MAX,
        ),
        Field("valid_until", "Until when it signs.", "moment", example="2027-11-20"),
    ),
    two=ByTwo("signer", "add", "{principal_id}", agrees=_agrees),
    keyed=True,
    area="signers",
)
REVOKE_SIGNER: Final = Act(
    "signer.revoke",
    "revoke",
    "Revoke a key that signs proofs",
    "Signatures of requests from now on do not count; what it signed before still does.",
    "/signers/{signer_id}/revoke",
    _revoke,
    (Field("signer_id", "Which key.", "id", prefix="sgn"),),
    area="signers",
)
PAIRED: Final = paired_of((ADD_SIGNER,))
