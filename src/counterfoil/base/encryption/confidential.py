"""Which columns are confidential, declared beside their noun; and their envelopes: written with the row, opened where it is read.

A table has one column `envelope` for all that is confidential in it (see `make_confidential` in the migrations). The columns of before
that held it in clear stay empty; rows that were written then are encrypted by `counterfoil encryption rotate`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.keys import EncryptionKeyMissing, EncryptionKeys, EnvelopeDoesNotOpen, Place, key_of, keys_of

ENVELOPE: Final = "envelope"
Row = Sequence[Any]


class Confidential(NamedTuple):
    """What is confidential in a table. `raw`: its one field is bytes, kept as they are; else the fields are kept as JSON.

    `erased` are columns that are emptied with the fields, because they would tell of them. With a `purpose` the column `fingerprint`
    holds a keyed hash of the fields, made for it: by that, what was agreed on is held against what is written.
    """

    relation: str
    key: tuple[str, ...]  # the primary key's columns
    fields: tuple[str, ...]
    what: str  # its rows, as a person calls them
    raw: bool = False
    erased: tuple[str, ...] = ()
    purpose: str = ""

    @property
    def clear(self) -> tuple[str, ...]:
        """The columns that are empty once a row is encrypted."""
        return (*self.fields, *self.erased)

    def place(self, *row: Any) -> Place:
        """Where the envelope of the row with this primary key lies."""
        return Place(self.relation, ENVELOPE, tuple(_text(value) for value in row))

    def packed(self, values: Sequence[Any]) -> bytes:
        """What goes into an envelope: the fields, in their order."""
        if self.raw:
            return bytes(values[0])
        told = {name: value for name, value in zip(self.fields, values, strict=True) if value is not None}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()

    def unpacked(self, plain: bytes) -> tuple[Any, ...]:
        """The fields, in their order."""
        if self.raw:
            return (plain,)
        told: dict[str, Any] = json.loads(plain)
        return tuple(told.get(name) for name in self.fields)

    def encrypted(self, keys: EncryptionKeys, row: Row, values: Sequence[Any]) -> bytes:
        """The envelope of a row, by its primary key and its fields."""
        return keys.encrypt(self.packed(values), self.place(*row))

    def opened(self, keys: EncryptionKeys, row: Row, envelope: bytes | None, clear: Sequence[Any]) -> tuple[Any, ...]:
        """A row's fields: out of its envelope, or as they lie in clear when it was written before there were envelopes.

        Raises EncryptionKeyMissing, EnvelopeDoesNotOpen.
        """
        if envelope is None:
            return tuple(clear)
        return self.unpacked(keys.decrypt(bytes(envelope), self.place(*row)))

    def fingerprints(self, keys: EncryptionKeys, values: Sequence[Any]) -> list[bytes]:
        """Of these fields, under each key that is set; the first is under the current one, and is what is written."""
        return keys.fingerprints(self._told(values), self.purpose)

    def is_as_agreed(self, keys: EncryptionKeys, row: Row, values: Sequence[Any], fingerprint: bytes | None) -> bool:
        """Is the row's fingerprint of these fields? One of before there were fingerprints, or of a key that was said to be lost, passes.

        Raises EncryptionKeyMissing when its key is not here, so that nobody can tell.
        """
        if fingerprint is None or key_of(bytes(fingerprint)) in keys.lost:
            return True
        found = keys.is_fingerprint_of(self._told(values), self.purpose, bytes(fingerprint))
        if found is None:
            place = self.place(*row)
            raise EncryptionKeyMissing(key=key_of(bytes(fingerprint)).hex(), relation=place.relation, row=" ".join(place.row))
        return found

    @staticmethod
    def _told(values: Sequence[Any]) -> bytes:
        return "\0".join(str(value) for value in values).encode()

    def opened_unless_lost(self, keys: EncryptionKeys, row: Row, envelope: bytes | None, clear: Sequence[Any]) -> tuple[Any, ...]:
        """As `opened`; nothing in each field where the key was said to be lost, for what can go on without them."""
        if envelope is not None and key_of(bytes(envelope)) in keys.lost:
            return (None,) * len(self.fields)
        return self.opened(keys, row, envelope, clear)


def encrypt(conn: Connection[Any], what: Confidential, row: Row, values: Sequence[Any]) -> bytes:
    """The envelope of a row that is about to be written on this connection."""
    return what.encrypted(keys_of(conn), row, values)


def opened(conn: Connection[Any], what: Confidential, row: Row, envelope: bytes | None, clear: Sequence[Any]) -> tuple[Any, ...]:
    """The fields of a row that was read on this connection."""
    return what.opened(keys_of(conn), row, envelope, clear)


def unreadable(error: EncryptionKeyMissing | EnvelopeDoesNotOpen) -> str:
    """What is shown in place of a text whose key is not there, or whose envelope does not open with it."""
    key = error.facts.get("key")
    if isinstance(error, EnvelopeDoesNotOpen):
        return f"does not open with key {key}: it was changed past every rule, or moved here from another row"
    return f"encrypted with key {key}, which is not set here"


def by_relation(declared: Sequence[Confidential]) -> Mapping[str, Confidential]:
    """Found by their table."""
    return {one.relation: one for one in declared}


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes | memoryview) else str(value)
