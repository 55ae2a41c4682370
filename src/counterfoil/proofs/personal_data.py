"""What personal data lies in a proof, and under which policy of the house: the policy is named by an act, and every proof says which."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.acts import Act, ActCall, ActDone
from counterfoil.operations.verbs import Field
from counterfoil.proofs.log.records import moment

NAME_MAX: Final = 200
NAMING: Final = 4_271_118  # the advisory lock of whoever names one
WHAT: Final = (
    "Names of people and keys that acted, reasons, notes and narratives as they were written, ids of payees in names of accounts. What was "
    "sent along with an act or agreed on by two people is in by its SHA-256 alone; destinations, bank lines and webhooks are not in."
)


class PersonalDataPolicy(NamedTuple):
    """The house's own document, by its name and its SHA-256, if that was given, in force from a moment on."""

    version: int
    name: str
    sha256: bytes | None
    reason: str
    actor: str
    recorded_at: datetime


def policy_in_force(conn: Connection[Any], at: datetime | None = None) -> PersonalDataPolicy | None:
    """The last that was named before a moment; without one, the last of all."""
    with conn.cursor(row_factory=class_row(PersonalDataPolicy)) as cur:
        return cur.execute(
            """select version, name, sha256, reason, actor, recorded_at from personal_data_policy
               where %(at)s::timestamptz is null or recorded_at < %(at)s order by version desc limit 1""",
            {"at": at},
        ).fetchone()


def name_policy(conn: Connection[Any], name: str, sha256: bytes | None, *, reason: str, actor: str, now: datetime) -> PersonalDataPolicy:
    """From now on proofs of periods that end later name this one; nothing is changed when it is the one in force."""
    conn.execute("select pg_advisory_xact_lock(%s)", [NAMING])
    last = policy_in_force(conn)
    if last is not None and (last.name, last.sha256) == (name, sha256):
        return last
    made = PersonalDataPolicy(last.version + 1 if last else 1, name, sha256, reason, actor, now)
    conn.execute(
        "insert into personal_data_policy (version, name, sha256, reason, actor, recorded_at) values (%s, %s, %s, %s, %s, %s)", made
    )
    return made


def told_policy(conn: Connection[Any], at: datetime) -> dict[str, Any]:
    """What a manifest says of personal data: what is in, and under which policy, null where none was named by then."""
    one = policy_in_force(conn, at)
    named = None
    if one is not None:
        digest = bytes(one.sha256).hex() if one.sha256 is not None else None
        named = {"name": one.name, "version": one.version, "sha256": digest, "since": moment(one.recorded_at)}
    return {"what": WHAT, "policy": named}


def said_of(name: str, version: int, since: datetime) -> str:
    """What naming one comes to, true also of one that was in force already."""
    return f"Proofs of periods that end after {since:%Y-%m-%d %H:%M:%S} UTC name the policy {name} (version {version} here)."


def _name(one: ActCall) -> ActDone:
    digest = one.taken.get("sha256")
    raw = bytes.fromhex(digest) if digest else None
    made = name_policy(one.conn, one.taken["name"], raw, reason=one.reason, actor=one.by.actor, now=one.now)
    told = said_of(made.name, made.version, made.recorded_at.astimezone(UTC))
    return ActDone(f"personal-data-policy:{made.version}", told, made=made)


NAME_POLICY: Final = Act(
    "proof.name_policy",
    "name-policy",
    "Name the policy of personal data",
    "Each proof says which policy of the house its personal data is under: the one that was in force when its period ended. Proofs that "
    "were made stay as they are.",
    "/proofs/personal-data-policy",
    _name,
    (
        Field("name", "What the document is called, with its version or where it lies.", length_max=NAME_MAX, example="Privacy 2026-1"),
        Field(
            "sha256",
            "The document's SHA-256 in hex, so that nobody can put another in its place.",
            required=False,
            pattern="^[0-9a-f]{64}$",
            length_max=64,
            example="9f86d081…",
        ),
    ),
    area="proofs",
)
