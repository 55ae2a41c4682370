"""The account that a destination holds: encrypted, opened only where money is sent or asked about, and held against what was agreed on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.encryption.confidential import Confidential, opened
from counterfoil.base.encryption.keys import EncryptionKeyMissing, EncryptionKeys, EnvelopeDoesNotOpen, keys_of
from counterfoil.base.problems import check
from counterfoil.operations.providers.accounts import SEPARATOR

CONFIDENTIAL: Final = Confidential("destination", ("id",), ("token",), "destinations of payees", purpose="destination")


def tokens_of(conn: Connection[Any], destination_ids: Sequence[str]) -> dict[str, str]:
    """The provider's tokens of these destinations, by id, whether they are active or not.

    Raises EncryptionKeyMissing, EnvelopeDoesNotOpen, InvariantBroken: nobody is paid at an account that we cannot read, or that is not
    the one that two people agreed on.
    """
    query = "select id, fingerprint, envelope, token from destination where id = any(%s)"
    found = {}
    for destination_id, agreed, envelope, clear in conn.execute(query, [list(destination_ids)]).fetchall():
        found[destination_id] = token = str(*opened(conn, CONFIDENTIAL, [destination_id], envelope, [clear]))
        check(
            CONFIDENTIAL.is_as_agreed(keys_of(conn), [destination_id], [token], agreed),
            "a payee is paid at the account that was agreed on",
            destination=destination_id,
        )
    return found


def readable_tokens(conn: Connection[Any], destination_ids: Sequence[str]) -> dict[str, str]:
    """As `tokens_of`, for what goes on without them: those that do not open are left out."""
    rows = conn.execute(
        "select id, program_id, payee_id, provider, envelope, token from destination where id = any(%s)", [list(destination_ids)]
    ).fetchall()
    return {row[0]: token for row in rows if (token := readable(conn, row)) is not None}


def hint(token: str | None) -> str:
    """The last four characters, of a short token fewer: never more than a third of it. Nothing of one that is not readable."""
    if token is None:
        return ""
    token = token.partition(SEPARATOR)[0]  # of a bank account its number, not its holder's name
    return token[-min(4, len(token) // 3) :] if len(token) >= 3 else ""


def fingerprints(keys: EncryptionKeys, token: str) -> list[bytes]:
    """What a token is known by: by it what was agreed on is held against what is written.

    The first, under the current key, is written down; by the others whoever used another key first is known again.
    """
    return CONFIDENTIAL.fingerprints(keys, [token])


def not_as_agreed(conn: Connection[Any]) -> list[tuple[str, str, str]]:
    """Destinations that hold another account than the one that was agreed on, or of which nobody can tell; their payees, and which it is.

    ENVELOPE_UNOPENED tells those that do not open.
    """
    query = "select id, program_id, payee_id, provider, envelope, token, fingerprint from destination order by id"
    keys, found = keys_of(conn), list[tuple[str, str, str]]()
    for row in conn.execute(query).fetchall():
        if (token := readable(conn, row[:6])) is None:
            continue
        try:
            if not CONFIDENTIAL.is_as_agreed(keys, row[:1], [token], row[6]):
                found.append((row[0], row[2], "another account"))
        except EncryptionKeyMissing as error:
            found.append((row[0], row[2], f"not compared: key {error.facts['key']} is not set here"))
    return found


def same_account(conn: Connection[Any], row: Sequence[Any], token: str) -> bool:
    """Is the account of this destination (a row as `not_as_agreed` reads it) the one of `token`? By its fingerprint, or what it holds."""
    agreed = row[6]
    by_hash = agreed is not None and bytes(agreed) in fingerprints(keys_of(conn), token)
    return by_hash or readable(conn, row[:6]) == token


def readable(conn: Connection[Any], row: Sequence[Any]) -> str | None:
    """One that does not open hides no other, and a payee can be given a new one."""
    try:
        return str(*opened(conn, CONFIDENTIAL, row[:1], row[4], row[5:]))
    except (EncryptionKeyMissing, EnvelopeDoesNotOpen):
        return None
