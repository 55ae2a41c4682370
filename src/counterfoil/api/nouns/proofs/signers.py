"""Signers of proofs: whose keys there are, how each stands, and whether there are enough."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.derived.acts import ActTold, add_act
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Instant, id_in_body, id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Because, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.base.problems import Problem
from counterfoil.operations.access.access import ADMINISTER, READ
from counterfoil.operations.acts import ActCall, ActDone
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.proofs.log.checkpoints import LogNotBegun, keys_of_log, origin_of, seed_of
from counterfoil.proofs.log.key_act import CHANGE_LOG_KEY
from counterfoil.proofs.log.key_changes import KeyChange, key_changes
from counterfoil.proofs.log.notes import NoteKey
from counterfoil.proofs.log.quantum_keys import quantum_keys, try_key
from counterfoil.proofs.personal_data import policy_in_force
from counterfoil.proofs.signing.signers import Signer, add_signer, quorum_can_be_met, revoke_signer, signers_health, trusted_keys

router = routes("Signers")


@shows(Signer)
class SignerView(ViewModel):
    """A person's key, for one role. `health`: ready, or why its signature would not count."""

    public_key: str
    kind: str = Field(description="Ed25519 or ML-DSA-44.", examples=["Ed25519"])
    health: str = Field(examples=["ready"])
    last_signed_at: datetime | None


@shows(KeyChange)
class LogKeyChangeView(ViewModel):
    """The log's key became another. `statement`: a C2SP note that the new key signed and, when it was planned, the one of before."""

    key_id: str
    before_id: str
    cause: str = Field(examples=["planned"], description="planned, stolen or lost.")
    size: int = Field(description="So large the log was: the key of before signs no checkpoint of a larger one.")


class LogKeyChanged(WriteResult):
    """The log signs with another key from now on."""

    id: str
    before_id: str
    cause: str
    size: int = Field(description="So large the log was: the key of before signs no checkpoint of a larger one.")


class LogSignerView(ViewModel):
    """The log's own key. `health`: ready, or why it cannot sign now."""

    origin: str | None = Field(description="What the log calls itself; null before it has begun.")
    public_key: str | None
    note_key: str | None = Field(description="As readers of C2SP notes take it: name, id and key.")
    quantum_note_key: str | None = Field(
        description="The key of ML-DSA-44 that signs checkpoints beside it, as readers of C2SP cosignatures take it; null where none does."
    )
    made_at: datetime | None
    health: str
    changes: list[LogKeyChangeView] = Field(description="How it came to this key, the first change first.")


class SignersView(ViewModel):
    """Every signer and how it stands, newest first; and whether so many can sign as it takes."""

    quorum: int
    can_be_met: bool = Field(description="Are there so many ready signers, of different people in different roles?")
    log: LogSignerView
    personal_data_policy: str | None = Field(description="The policy of personal data that proofs name; null where none was named.")
    signers: list[SignerView]


class TrustedKeysView(ViewModel):
    """What an auditor keeps and trusts: a file of keys, as `proof verify --keys` takes it."""

    keys: dict[str, Any]


class SignerRequest(RequestModel):
    """A person's key: the public half, the role in which they sign with it, and until when."""

    principal_id: str = id_in_body("prn")
    role: Literal["operator", "approver", "controller", "auditor", "administrator"]
    public_key: str = Field(
        pattern="^(?:[0-9a-f]{64}|[0-9a-f]{2624})$",
        description="Ed25519 (32 bytes) or ML-DSA-44 (1,312 bytes), in hex; `counterfoil signers new-key` makes a pair.",
    )
    valid_until: Instant


class SignerChanged(WriteResult):
    """How it is now."""

    id: str
    person: str
    role: str
    revoked_at: datetime | None


@router.get("/signers", response_model=SignersView, operation_id="signer_list", summary="Show the signers and whether there are enough")
def signers(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Each with its health. The log's own key is tried: something is signed with it, and the signature verified."""
    quorum = call.services.wiring.proof_quorum
    with call.reading() as conn:
        healths = signers_health(conn, call.now)
        shown = [
            SignerView(
                **{**one.signer._asdict(), "public_key": bytes(one.signer.public_key).hex(), "kind": one.signer.kind},
                health=one.health,
                last_signed_at=one.last_signed_at,
            )
            for one in healths
        ]
        log, policy = log_signer(conn), policy_in_force(conn)
    enough = quorum_can_be_met(healths, quorum)
    named = policy.name if policy else None
    return answer(SignersView(quorum=quorum, can_be_met=enough, log=log, personal_data_policy=named, signers=shown))


def log_signer(conn: Connection[Any]) -> LogSignerView:
    """The log's own key, once it was tried."""
    try:
        origin, keys = origin_of(conn), keys_of_log(conn)
    except LogNotBegun:
        origin, keys = None, []
    if origin is None or not keys:
        none: Any = dict.fromkeys(("public_key", "note_key", "quantum_note_key", "made_at"))
        return LogSignerView(origin=origin, **none, health="not begun", changes=[])
    key, changes = NoteKey(origin, bytes(keys[0].public_key)), LogKeyChangeView.each(key_changes(conn))
    quantum = quantum_keys(conn).get(keys[0].id)
    try:
        try_key(origin, seed_of(conn, keys[0].id), key.public, quantum)
        health = "ready"
    except Problem as problem:
        health = problem.headline()
    return LogSignerView(
        origin=origin,
        public_key=key.public.hex(),
        note_key=key.written(),
        quantum_note_key=NoteKey(origin, quantum.public_key).written() if quantum else None,
        made_at=keys[0].made_at,
        health=health,
        changes=changes,
    )


@router.get("/signers/keys", response_model=TrustedKeysView, operation_id="signer_keys_export", summary="Export the keys to be trusted")
def keys(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Public keys with their owners and times. Whoever verifies compares them with the people themselves before trusting them."""
    with call.reading() as conn:
        return answer(TrustedKeysView(keys=trusted_keys(conn, call.services.wiring.proof_quorum)))


@router.post("/signers", status_code=201, response_model=SignerChanged, responses=BY_TWO, operation_id="signer_add", summary="Add a signer")
def add(body: SignerRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """Takes two administrators. The person holds the role; the private half of the key stays with them."""

    def act(conn: Connection[Any]) -> Done:
        made = add_signer(
            conn,
            call.make_id("sgn"),
            principal_id=body.principal_id,
            role=body.role,
            public_key=bytes.fromhex(body.public_key),
            valid_until=body.valid_until,
            by=call.actor,
            now=call.now,
        )
        return Done(made.id, _changed(made), 201)

    said = ProposedVerb("signer", "add", body.principal_id, body.model_dump(mode="json", by_alias=True))
    return call.by_two("signer.add", act, said, asked=body, reason=f"a key that signs proofs as {body.role}")


def _key_changed(_: ActCall, done: ActDone) -> LogKeyChanged:
    made: KeyChange = done.made
    return LogKeyChanged(id=made.key_id, before_id=made.before_id, cause=made.cause, size=made.size)


add_act(router, CHANGE_LOG_KEY, ActTold(LogKeyChanged, _key_changed, 201))


@router.post("/signers/{signer_id}/revoke", response_model=SignerChanged, operation_id="signer_revoke", summary="Revoke a signer")
def revoke(signer_id: Annotated[str, id_in_path("sgn")], body: Because, call: Annotated[ApiCall, may(ADMINISTER)]) -> Response:
    """Signatures of requests from now on do not count; what it signed before still does."""

    def act(conn: Connection[Any]) -> Done:
        return Done(signer_id, _changed(revoke_signer(conn, signer_id, reason=body.reason, by=call.actor, now=call.now)))

    return call.write("signer.revoke", act, asked=body, reason=body.reason)


def _changed(one: Signer) -> SignerChanged:
    return SignerChanged(id=one.id, person=one.person, role=one.role, revoked_at=one.revoked_at)
