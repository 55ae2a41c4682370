"""Signers: keys of people who sign proofs. The private half stays with its person; here is the public one, whose it is, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.database import name_refusals
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.rows import row_by_id
from counterfoil.operations.access.logins import roles_of
from counterfoil.operations.access.principals import PrincipalEnded, find_principal
from counterfoil.proofs.log.checkpoints import origin_of
from counterfoil.proofs.log.key_changes import told_keys
from counterfoil.proofs.log.records import moment
from counterfoil.proofs.packages.layout import KEYS_FORMAT
from counterfoil.proofs.signing.kinds import KINDS, is_key, kind_of

ROLES: Final = ("operator", "approver", "controller", "auditor", "administrator")
LIFE_MAX: Final = timedelta(days=3 * 366)


class SignerKeyTaken(Problem):
    """This key signs already, for this person or for another: each person and role has a key of its own."""

    todo = "Make another key pair for this person and role, and give its public half."


class SignerRoleNotHeld(Problem):
    """A person signs in a role that they hold."""


name_refusals(constraints={"signer_key_is_one_persons": SignerKeyTaken})


class Signer(NamedTuple):
    """A key with which a person signs proofs, in one role."""

    id: str
    principal_id: str
    person: str
    role: str
    public_key: bytes
    created_by: str
    created_at: datetime
    valid_until: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    revoke_reason: str | None

    @property
    def kind(self) -> str:
        """The name of its key's kind."""
        kind = kind_of(self.public_key)
        assert kind is not None
        return kind.name


class SignerHealth(NamedTuple):
    """How a signer stands: `ready`, or why its signature would not count."""

    signer: Signer
    health: str
    last_signed_at: datetime | None


_COLUMNS: Final = "id, principal_id, person, role, public_key, created_by, created_at, valid_until, revoked_at, revoked_by, revoke_reason"


def add_signer(
    conn: Connection[Any],
    signer_id: str,
    *,
    principal_id: str,
    role: str,
    public_key: bytes,
    valid_until: datetime,
    by: str,
    now: datetime,
) -> Signer:
    """A person's key, for one role that they hold.
    Raises InvalidInput, KindMissing, NotFound, PrincipalEnded, SignerRoleNotHeld, SignerKeyTaken.
    """
    if role not in ROLES:
        raise InvalidInput("role", f"one of {', '.join(ROLES)}", got=role[:40])
    if not now < valid_until <= now + LIFE_MAX:
        raise InvalidInput("validUntil", f"later than now, by at most {LIFE_MAX.days} days", got=valid_until.isoformat())
    _refuse_no_key(public_key)
    person = find_principal(conn, principal_id)
    if person.kind != "person":
        raise InvalidInput("principalId", "a person: services do not sign", got=principal_id)
    if person.disabled_at is not None:
        raise PrincipalEnded(id=principal_id, name=person.name)
    if role not in roles_of(conn, principal_id):
        raise SignerRoleNotHeld(person=person.name, role=role, held=sorted(roles_of(conn, principal_id)))
    made = conn.execute(
        """insert into signer (id, principal_id, person, role, public_key, created_by, created_at, valid_until)
           values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict on constraint signer_key_is_one_persons do nothing""",
        [signer_id, principal_id, person.name, role, public_key, by, now, valid_until],
    ).rowcount
    if made == 0:
        taken = conn.execute("select id, person, role from signer where public_key = %s", [public_key]).fetchone()
        assert taken is not None
        raise SignerKeyTaken(signer=taken[0], person=taken[1], role=taken[2])
    return find_signer(conn, signer_id)


def _refuse_no_key(public_key: bytes) -> None:
    if not is_key(public_key):
        sizes = ", ".join(f"{2 * one.key_bytes} for {one.name}" for one in KINDS)
        raise InvalidInput("publicKey", f"a public key in hex, digits and letters a to f: {sizes}")


def revoke_signer(conn: Connection[Any], signer_id: str, *, reason: str, by: str, now: datetime) -> Signer:
    """From now on its signatures do not count; what it signed before still does. Raises NotFound; once more is no harm."""
    if find_signer(conn, signer_id).revoked_at is None:
        conn.execute(
            "update signer set revoked_at = %s, revoked_by = %s, revoke_reason = %s where id = %s and revoked_at is null",
            [now, by, reason, signer_id],
        )
    return find_signer(conn, signer_id)


def find_signer(conn: Connection[Any], signer_id: str) -> Signer:
    """Raises NotFound."""
    return row_by_id(conn, Signer, "signer", f"select {_COLUMNS} from signer where id = %s", signer_id)


def list_signers(conn: Connection[Any]) -> list[Signer]:
    """Every signer, newest first: a key that is left out of a file of keys makes a good proof one of strangers, so none ever is."""
    with conn.cursor(row_factory=class_row(Signer)) as cur:
        return cur.execute(f"select {_COLUMNS} from signer order by created_at desc, id desc").fetchall()


def health_of(conn: Connection[Any], one: Signer, now: datetime) -> str:
    """`ready`, or in a word why a signature of it would not count now."""
    if one.revoked_at is not None:
        return "revoked"
    if now >= one.valid_until:
        return "expired"
    if find_principal(conn, one.principal_id).disabled_at is not None:
        return "person ended"
    return "ready" if one.role in roles_of(conn, one.principal_id) else "role not held"


def signers_health(conn: Connection[Any], now: datetime) -> list[SignerHealth]:
    """Each signer, whether it could sign now, and when it did last."""
    last = dict(conn.execute("select signer_id, max(at) from proof_signature group by 1").fetchall())
    return [SignerHealth(one, health_of(conn, one, now), last.get(one.id)) for one in list_signers(conn)]


def quorum_can_be_met(healths: Sequence[SignerHealth], quorum: int) -> bool:
    """Are there so many ready signers of different people in different roles?"""
    return signatures_at_most(healths) >= quorum


def signatures_at_most(healths: Sequence[SignerHealth]) -> int:
    """How many ready signers there are of different people in different roles. A matching of people to roles, by growing paths."""
    can: dict[str, set[str]] = {}
    for one in healths:
        if one.health == "ready":
            can.setdefault(one.signer.principal_id, set()).add(one.signer.role)
    taken: dict[str, str] = {}

    def seat(person: str, tried: set[str]) -> bool:
        for role in sorted(can[person] - tried):
            tried.add(role)
            if role not in taken or seat(taken[role], tried):
                taken[role] = person
                return True
        return False

    return sum(seat(person, set()) for person in sorted(can))


def trusted_keys(conn: Connection[Any], quorum: int) -> dict[str, Any]:
    """What an auditor trusts from now on: the log's name and keys, everybody's public keys, and how many signatures it takes."""
    return {
        "format": KEYS_FORMAT,
        "origin": origin_of(conn),
        "quorum": quorum,
        "log": told_keys(conn),
        "signers": [
            {
                "id": one.id,
                "key": bytes(one.public_key).hex(),
                "person": one.person,
                "person_id": one.principal_id,
                "role": one.role,
                "valid_from": moment(one.created_at),
                "valid_until": moment(one.valid_until),
                "revoked_at": moment(one.revoked_at) if one.revoked_at else None,
            }
            for one in sorted(list_signers(conn), key=lambda one: one.id)
        ],
    }
