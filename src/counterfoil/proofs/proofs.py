"""Proofs of periods: their states, the requests for signatures that wait for a quorum, and who is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.database import name_refusals
from counterfoil.base.machine import Machine, take_step
from counterfoil.base.problems import NotFound, Problem
from counterfoil.base.rows import row_by_id
from counterfoil.operations.access.access import Caller
from counterfoil.proofs.log.checkpoints import origin_of
from counterfoil.proofs.log.records import moment
from counterfoil.proofs.signing.envelope import Signed, statement, to_sign
from counterfoil.proofs.signing.kinds import verifies
from counterfoil.proofs.signing.signers import Signer, find_signer, health_of, signatures_at_most, signers_health

PROOF: Final = Machine(
    name="proof",
    table="proof",
    initial=("waiting",),
    transitions={
        ("waiting", "complete"): "signed",
        ("waiting", "reissue"): "waiting",
        ("signed", "reissue"): "waiting",
    },
    reasoned=frozenset({"reissue"}),
    ended=frozenset({"signed"}),
)


class SignerNotYours(Problem, kind="forbidden"):
    """This key is another person's: everybody signs with their own."""


class SignerNotReady(Problem):
    """A signature of this key would not count: it was revoked, its time is over, or its person or role is."""


class SignatureWrong(Problem, kind="invalid"):
    """This signature is not of what is to be signed, or by another key."""


class AlreadySigned(Problem):
    """This person has signed already, or somebody else in this role: it takes different people in different roles."""

    todo = "The facts name who has signed, in which role, and when. Have another person sign, in another role."


class RequestOver(Problem):
    """Signatures are asked for anew, or there are enough."""


class SignersTooFew(Problem):
    """Too few people could sign it anew, and what was signed would count no more; nothing was changed."""

    todo = (
        "Add a signer for each who is missing (`counterfoil signers add`; `counterfoil signers status` says why a key would not count). "
        "Then ask for signatures anew: a key that is newer than the request signs none of it."
    )


name_refusals(
    constraints={
        "proof_is_signed_once_by_a_person": AlreadySigned,
        "proof_is_signed_once_in_a_role": AlreadySigned,
        "proof_signature_pkey": AlreadySigned,
    }
)


class Proof(NamedTuple):
    """A proof: the period, what of the log it holds, and how its making went. `state`: it waits for signatures, or has them."""

    id: str
    from_at: datetime
    to_at: datetime
    open_size: int
    close_size: int
    entries: int
    verdict: str
    reconciliation: str
    manifest_sha256: str
    previous_id: str | None
    duration_ms: int
    made_by: str
    created_at: datetime
    state: str


class ProofFile(NamedTuple):
    """A file of a proof."""

    name: str
    bytes: int
    sha256: str


class ProofSigner(NamedTuple):
    """Who has signed the request that counts, and who could: `signed`, `missing`, or why a signature of theirs would not count."""

    signer_id: str
    person: str
    role: str
    standing: str
    at: datetime | None


class UnsignedProof(NamedTuple):
    """A proof that waits: since when, and how many of the quorum have signed the request that counts."""

    id: str
    from_at: datetime
    to_at: datetime
    requested_at: datetime
    quorum: int
    signed: int


class Request(NamedTuple):
    """What is asked to be signed."""

    proof_id: str
    number: int
    quorum: int
    statement: bytes
    requested_by: str
    requested_at: datetime


_SELECT: Final = """
    select id, from_at, to_at, open_size, close_size, entries, verdict, reconciliation, encode(manifest_sha256, 'hex') as manifest_sha256,
           previous_id, duration_ms, made_by, created_at, state
    from proof"""


def show_proof(conn: Connection[Any], proof_id: str) -> Proof:
    """One proof. Raises NotFound."""
    return row_by_id(conn, Proof, "proof", f"{_SELECT} where id = %s", proof_id)


def list_proofs(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> list[Proof]:
    """Proofs, the one that was made last first."""
    with conn.cursor(row_factory=class_row(Proof)) as cur:
        return cur.execute(
            f"""{_SELECT}
            where (%(state)s::text is null or state = %(state)s)
              and (%(after)s::text is null
                   or (created_at, id) < (select created_at, id from proof where id = %(after)s))
            order by created_at desc, id desc limit %(rows)s""",
            {"state": state, "after": after, "rows": rows_max},
        ).fetchall()


def proofs_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Proof]:
    """These proofs, in any order."""
    with conn.cursor(row_factory=class_row(Proof)) as cur:
        return cur.execute(f"{_SELECT} where id = any(%s)", [list(ids)]).fetchall()


def files_of(conn: Connection[Any], proof_id: str) -> list[ProofFile]:
    """The files of a proof, by their names."""
    with conn.cursor(row_factory=class_row(ProofFile)) as cur:
        return cur.execute(
            "select name, bytes, encode(sha256, 'hex') as sha256 from proof_file where proof_id = %s order by name collate \"C\"",
            [proof_id],
        ).fetchall()


def request_of(conn: Connection[Any], proof_id: str) -> Request:
    """The request whose signatures count: the last. Raises NotFound."""
    with conn.cursor(row_factory=class_row(Request)) as cur:
        found = cur.execute(
            """select proof_id, number, quorum, statement, requested_by, requested_at from proof_request
               where proof_id = %s order by number desc limit 1""",
            [proof_id],
        ).fetchone()
    if found is None:
        raise NotFound(what="proof", id=proof_id)
    return found


def ask_for_signatures(conn: Connection[Any], proof_id: str, *, quorum: int, by: str, now: datetime) -> Request:
    """A new request; signatures of the one before count no more."""
    proof = show_proof(conn, proof_id)
    files = {one.name: one.sha256 for one in files_of(conn, proof_id)}
    period = {"from": moment(proof.from_at), "to": moment(proof.to_at)}
    manifest = {"proof_id": proof_id, "origin": origin_of(conn), "period": period}
    row = conn.execute("select coalesce(max(number), 0) + 1 from proof_request where proof_id = %s", [proof_id]).fetchone()
    assert row is not None
    body = statement(files, manifest, number=row[0], requested_at=moment(now))
    conn.execute(
        """insert into proof_request (proof_id, number, quorum, statement, requested_by, requested_at)
           values (%s, %s, %s, %s, %s, %s)""",
        [proof_id, row[0], quorum, body, by, now],
    )
    return request_of(conn, proof_id)


def sign_proof(conn: Connection[Any], proof_id: str, *, number: int, signer_id: str, signature: bytes, by: Caller, now: datetime) -> str:
    """Keep a person's signature; with the last that it takes the proof is signed. The state after it.

    Raises NotFound, RequestOver, SignerNotYours, SignerNotReady, SignatureWrong, KindMissing, AlreadySigned.
    """
    conn.execute("select from proof where id = %s for update", [proof_id])
    proof, request, signer = show_proof(conn, proof_id), request_of(conn, proof_id), find_signer(conn, signer_id)
    if number != request.number or proof.state != "waiting":
        raise RequestOver(id=proof_id, state=proof.state, request=request.number)
    _refuse_signer(conn, signer, by, request, now)
    if not verifies(bytes(signer.public_key), signature, to_sign(bytes(request.statement))):
        raise SignatureWrong(signer=signer_id, request=request.number)
    _refuse_second(conn, signer, request)
    conn.execute(
        """insert into proof_signature (proof_id, number, signer_id, principal_id, role, signature, at)
           values (%s, %s, %s, %s, %s, %s, %s)""",
        [proof_id, number, signer_id, signer.principal_id, signer.role, signature, now],
    )
    if len(signatures_of(conn, request)) < request.quorum:
        return proof.state
    return take_step(conn, PROOF, proof_id, proof.state, "complete", actor=by.actor, at=now)


def proof_of_place(conn: Connection[Any], place: int) -> Proof | None:
    """The proof of a period in which an entry of the log lies: a signed one before others, and the newest."""
    with conn.cursor(row_factory=class_row(Proof)) as cur:
        return cur.execute(
            f"""{_SELECT} where open_size <= %(place)s and %(place)s < close_size
                order by (state = 'signed') desc, created_at desc, id limit 1""",
            {"place": place},
        ).fetchone()


def unsigned_proofs(conn: Connection[Any], *, rows_max: int) -> tuple[int, list[UnsignedProof]]:
    """How many proofs wait for signatures, and those that have waited longest."""
    row = conn.execute("select count(*) from proof where state = 'waiting'").fetchone()
    with conn.cursor(row_factory=class_row(UnsignedProof)) as cur:
        rows = cur.execute(
            """select p.id, p.from_at, p.to_at, r.requested_at, r.quorum,
                      (select count(*) from proof_signature s where (s.proof_id, s.number) = (p.id, r.number))::integer as signed
               from proof p
               cross join lateral (select number, quorum, requested_at from proof_request
                                   where proof_id = p.id order by number desc limit 1) r
               where p.state = 'waiting' order by r.requested_at, p.id limit %s""",
            [rows_max],
        ).fetchall()
    return (row[0] if row else 0), rows


def _refuse_second(conn: Connection[Any], signer: Signer, request: Request) -> None:
    row = conn.execute(
        """select s.signer_id, o.person, s.role, s.at from proof_signature s join signer o on o.id = s.signer_id
           where s.proof_id = %s and s.number = %s and (s.principal_id = %s or s.role = %s) order by s.principal_id <> %s limit 1""",
        [request.proof_id, request.number, signer.principal_id, signer.role, signer.principal_id],
    ).fetchone()
    if row is not None:
        raise AlreadySigned(signer=row[0], person=row[1], role=row[2], signed_at=row[3].isoformat(timespec="seconds"))


def _refuse_signer(conn: Connection[Any], signer: Signer, by: Caller, request: Request, now: datetime) -> None:
    if signer.principal_id != by.principal_id:
        raise SignerNotYours(signer=signer.id, person=signer.person)
    health = health_of(conn, signer, now)
    # A verifier holds the key's time against the time of the request, which is the one that is signed.
    if health != "ready" or signer.created_at > request.requested_at:
        why = health if health != "ready" else "the key is newer than the request: reissue it"
        raise SignerNotReady(signer=signer.id, why=why)


def signatures_of(conn: Connection[Any], request: Request) -> list[Signed]:
    """The signatures that a request has."""
    rows = conn.execute(
        """select s.public_key, p.signature from proof_signature p join signer s on s.id = p.signer_id
           where p.proof_id = %s and p.number = %s order by p.at, p.signer_id""",
        [request.proof_id, request.number],
    ).fetchall()
    return [Signed(bytes(key), bytes(signature)) for key, signature in rows]


def signers_of(conn: Connection[Any], proof_id: str) -> list[ProofSigner]:
    """Who has signed, who is missing, and whose signature would not count."""
    request = request_of(conn, proof_id)
    rows = conn.execute("select signer_id, at from proof_signature where proof_id = %s and number = %s", [proof_id, request.number])
    signed = dict(rows.fetchall())
    found = []
    for one in signers_health(conn, request.requested_at):
        health = "newer than the request" if one.signer.created_at > request.requested_at else one.health
        standing = "signed" if one.signer.id in signed else "missing" if health == "ready" else health
        found.append(ProofSigner(one.signer.id, one.signer.person, one.signer.role, standing, signed.get(one.signer.id)))
    return sorted(found, key=lambda one: (one.standing != "signed", one.standing != "missing", one.person))


class Reissued(NamedTuple):
    """The state after it, and whose signatures of the request before count no more."""

    state: str
    void: list[str]


def reissue(conn: Connection[Any], proof_id: str, *, reason: str, by: str, now: datetime) -> Reissued:
    """Ask for all signatures anew: after a key was lost, or when nobody of a request can sign any more. Raises NotFound, SignersTooFew."""
    conn.execute("select from proof where id = %s for update", [proof_id])
    proof, quorum = show_proof(conn, proof_id), request_of(conn, proof_id).quorum
    ready = [one for one in signers_health(conn, now) if one.health == "ready"]
    if (could := signatures_at_most(ready)) < quorum:
        able = sorted({f"{one.signer.person} as {one.signer.role}" for one in ready})
        raise SignersTooFew(id=proof_id, quorum=quorum, could=could, ready=able)
    void = [one.person for one in signers_of(conn, proof_id) if one.standing == "signed"]
    ask_for_signatures(conn, proof_id, quorum=quorum, by=by, now=now)
    return Reissued(take_step(conn, PROOF, proof_id, proof.state, "reissue", actor=by, at=now, reason=reason), void)
