"""Making a proof, fetching what lies in it, and signing it; everything else of proofs is derived from their noun."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Path
from fastapi.responses import Response, StreamingResponse
from psycopg import Connection
from pydantic import Field

from counterfoil.api.derived.acts import ActTold, add_act
from counterfoil.api.http.bodies import attachment, file_answer
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, Instant, id_in_body, id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, RequestModel, ViewModel, WriteResult, answer, found_again, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import AUDIT, READ
from counterfoil.operations.acts import ActCall, ActDone
from counterfoil.proofs.disclosures.stored import (
    PREVIOUS_MAX,
    DisclosureAsked,
    disclose_stored,
    disclosure_name,
    disclosure_told,
    packages_for,
)
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.proofs.packages.store import keep_signed, stored
from counterfoil.proofs.personal_data import NAME_POLICY, PersonalDataPolicy
from counterfoil.proofs.proofs import Proof, request_of, sign_proof
from counterfoil.proofs.same_period import others_of_period
from counterfoil.proofs.signing.envelope import PAYLOAD_TYPE

router = routes("Proofs")
ProofId = Annotated[str, id_in_path("prf")]
ZIP: Final = "application/zip"
_TYPES: Final = {"json": "application/json", "jsonl": "application/jsonl", "md": "text/markdown; charset=utf-8"}


class ProofExportRequest(RequestModel):
    """The period of a proof: what was entered from one moment to another, not included."""

    start: Instant = Field(alias="from", examples=["2026-10-01T00:00:00Z"])
    end: Instant = Field(alias="to", examples=["2026-11-01T00:00:00Z"])


class DisclosureRequest(Because):
    """For whom, and why; `previous`: for payouts that began in periods before."""

    payee_id: Clean = Field(min_length=1, max_length=180, description="Whose entries: the id of a payee or an affiliate.")
    program_id: Clean | None = Field(None, max_length=64, description="Their program, where there are several.")
    previous: list[Annotated[str, id_in_body("prf")]] = Field(
        [], max_length=PREVIOUS_MAX, description="The proofs of the periods before, the oldest first: each ends where the next begins."
    )
    with_others: bool = Field(False, description="Entries in which other payees are named, too; without it they are left out and counted.")


@shows(Proof)
class ProofMade(WriteResult):
    """The proof of the period. `existed`: the same facts had been proven before, and it is the same proof. `differsFrom`: another proof of
    the same period, the newest there is, and `differsIn` the files that are not the same in both."""

    existed: bool = False
    differs_from: str | None = None
    differs_in: str | None = None


class SigningRequestView(ViewModel):
    """What is to be signed: `payload` by its type, as DSSE encodes both."""

    proof_id: str
    number: int = Field(description="Which request of this proof it is; only signatures of the last count.")
    quorum: int = Field(description="So many people sign it, in different roles.")
    payload_type: str
    payload: str = Field(description="The in-toto statement over every file, in base64.")
    requested_by: str
    requested_at: datetime


class SignatureRequest(RequestModel):
    """A signature by the caller's own key."""

    number: int = Field(ge=1, le=10_000, description="Of the request that is signed.")
    signer_id: str = id_in_body("sgn")
    signature: Clean = Field(min_length=88, max_length=3228, description="Base64 of 64 bytes (Ed25519) or 2,420 (ML-DSA-44).")


class ProofSigned(WriteResult):
    """The signature is kept. `state` is `signed` once there are as many as it takes."""

    id: str
    state: str


class PolicyNamed(WriteResult):
    """The policy of personal data that proofs name from now on. `version` counts those that were named here."""

    version: int
    name: str
    sha256: str | None
    recorded_at: datetime


def _policy_named(_: ActCall, done: ActDone) -> PolicyNamed:
    made: PersonalDataPolicy = done.made
    digest = bytes(made.sha256).hex() if made.sha256 else None
    return PolicyNamed(version=made.version, name=made.name, sha256=digest, recorded_at=made.recorded_at)


add_act(router, NAME_POLICY, ActTold(PolicyNamed, _policy_named, 201))


@router.post(
    "/proofs",
    status_code=201,
    response_model=ProofMade,
    responses=found_again(ProofMade),
    operation_id="proof_export",
    summary="Make the proof of a period",
)
def export(body: ProofExportRequest, call: Annotated[ApiCall, may(AUDIT, key=True)]) -> Response:
    """It waits for its signatures then. The same facts are the same proof, to the byte. How far a long one is: `GET /api/proof-exports`."""
    if call.dry_run:
        raise InvalidInput("dryRun", "absent: a proof is made from what is there, and changes nothing of it")

    def act() -> Done:
        proof, new = export_proof(call.services.wiring.exporter(), body.start, body.end, by=call.actor)
        with call.reading() as conn:
            other = next(iter(others_of_period(conn, proof.id, rows_max=1)), None)
        beside = {"differs_from": other.id, "differs_in": other.differs_in} if other else {}
        shown = ProofMade.model_validate({**proof._asdict(), "existed": not new, **beside})
        return Done(proof.id, shown, 201 if new else 200)

    return call.write_outside("proof.export", act, asked=body)


@router.get(
    "/proofs/{proof_id}/files/{name}",
    operation_id="proof_file_show",
    summary="Show a file of a proof",
    responses=file_answer("application/octet-stream"),
    response_class=Response,
)
def file_(
    proof_id: ProofId,
    name: Annotated[str, Path(max_length=80, examples=["reconciliation_report.json"])],
    call: Annotated[ApiCall, may(AUDIT)],
) -> Response:
    """In its exact bytes, such as `reconciliation_report.json`. Refused when the store does not hold it any more as it was written."""
    with call.reading() as conn:
        package = stored(conn, call.services.wiring.proof_folder, proof_id)
    parts = package.file(name)
    package.refuse_damaged(name)
    return StreamingResponse(parts, media_type=_TYPES.get(name.rpartition(".")[2], "text/plain; charset=utf-8"))


@router.get(
    "/proofs/{proof_id}/package",
    operation_id="proof_package_export",
    summary="Fetch the package of a proof",
    responses=file_answer(ZIP),
    response_class=Response,
)
def package_(proof_id: ProofId, call: Annotated[ApiCall, may(AUDIT)]) -> Response:
    """The container with every file and the signatures that there are by now: what an auditor verifies, without us."""
    with call.reading() as conn:
        package = stored(conn, call.services.wiring.proof_folder, proof_id)
    package.refuse_damaged()
    headers = {"Content-Disposition": f'attachment; filename="{proof_id}.zip"'}
    return StreamingResponse(package.parts(), media_type=ZIP, headers=headers)


@router.post(
    "/proofs/{proof_id}/disclosures",
    operation_id="proof_disclose",
    summary="Give a payee what concerns them",
    responses=file_answer(ZIP),
    response_class=Response,
)
def disclosure(proof_id: ProofId, body: DisclosureRequest, call: Annotated[ApiCall, may(AUDIT)]) -> Response:
    """Their journals of the period and nothing else of the proof, as a file that verifies alone, with the same keys. The action log
    keeps who gave out what to whom, and why. A proof that is not signed yet is refused, and so is one that is too large for a request."""
    if call.dry_run:
        raise InvalidInput("dryRun", "absent: whoever has the file may keep it")
    asked = DisclosureAsked(proof_id, body.payee_id, body.program_id, tuple(body.previous), body.with_others)
    with call.reading() as conn:
        packages = packages_for(conn, call.services.wiring.proof_folder, asked)
    made, given = disclose_stored(packages, asked)

    def act(_: Connection[Any]) -> Done:
        return Done(proof_id, WriteResult())

    call.write("proof.disclose", act, asked=disclosure_told(asked, made, given), reason=body.reason, remembered=False)
    return attachment(given, ZIP, disclosure_name(asked))


@router.get(
    "/proofs/{proof_id}/request", response_model=SigningRequestView, operation_id="proof_request_show", summary="Show what is to be signed"
)
def request(proof_id: ProofId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """The request whose signatures count: the last."""
    with call.reading() as conn:
        one = request_of(conn, proof_id)
    return answer(
        SigningRequestView(
            proof_id=one.proof_id,
            number=one.number,
            quorum=one.quorum,
            payload_type=PAYLOAD_TYPE,
            payload=base64.b64encode(bytes(one.statement)).decode(),
            requested_by=one.requested_by,
            requested_at=one.requested_at,
        )
    )


@router.post(
    "/proofs/{proof_id}/signatures", status_code=201, response_model=ProofSigned, operation_id="proof_sign", summary="Sign a proof"
)
def sign(proof_id: ProofId, body: SignatureRequest, call: Annotated[ApiCall, may(READ, key=True)]) -> Response:
    """By the caller's own key, whose private half never comes here. Each signature is of another person, in another role."""
    try:
        signature = base64.b64decode(body.signature, validate=True)
    except ValueError:
        raise InvalidInput("signature", "base64 of 64 bytes (Ed25519) or of 2,420 (ML-DSA-44)") from None

    def act(conn: Connection[Any]) -> Done:
        state = sign_proof(
            conn,
            proof_id,
            number=body.number,
            signer_id=body.signer_id,
            signature=signature,
            by=call.caller,
            now=call.now,
        )
        return Done(proof_id, ProofSigned(id=proof_id, state=state), 201)

    folder = call.services.wiring.proof_folder
    if folder is not None:
        with call.reading() as conn:
            package = stored(conn, folder, proof_id)
        package.refuse_damaged()  # nobody signs what nobody can read any more
    made = call.write("proof.sign", act, asked=body)
    if folder is not None and not call.dry_run:
        with call.reading() as conn:
            signed = stored(conn, folder, proof_id)
        if b'"state":"signed"' in bytes(made.body):
            keep_signed(signed)
    return made
