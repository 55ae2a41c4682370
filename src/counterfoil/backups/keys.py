"""The keys that open backups: age identities (https://age-encryption.org/v1). The first encrypts, all of them open.

They are keys of their own, apart from those of the rows: a backup of last year opens although its rows' keys were changed since, and
whoever has nothing but the file, its key and the program `age` reads it without counterfoil.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from counterfoil.base.encryption.key_file import alone_in, put_lines, read_closed
from counterfoil.base.problems import Problem

FILE: Final = "backup.keys"
SETTING: Final = "backup_keys"
ID_BYTES: Final = 4
LIMIT: Final = "an age identity (AGE-SECRET-KEY-1…), as `counterfoil backup new-key` makes one"


class BackupKeyRefused(Problem, kind="invalid"):
    """A key of backups cannot be read; a value is not shown."""


class BackupKeysUnset(Problem, kind="invalid"):
    """No key of backups is set: none is made in clear, which would be worse than none, and none that is encrypted is opened."""

    todo = "Make one (`counterfoil backup new-key`), set it as COUNTERFOIL_BACKUP_KEYS, and keep a copy of it elsewhere."


class BackupKeyMissing(Problem):
    """This backup is encrypted with a key that is not set here."""

    todo = "Put the key with that id back into COUNTERFOIL_BACKUP_KEYS, or into `backup.keys` in the data folder."


class BackupDamaged(Problem):
    """A backup is not as it was written: it was changed, cut short, or has another's contents."""

    todo = "Use another backup, or a copy of this one from elsewhere; do not prune until one was restored."


class PieceSource(Protocol):
    """Where bytes come from, piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes; none at the end."""


class PieceSink(Protocol):
    """Where bytes go."""

    def write(self, piece: bytes, /) -> int:
        """How many were taken: all."""


class BackupKeys:
    """The keys of an installation's backups, never shown."""

    def __init__(self, texts: Sequence[str]) -> None:
        """The first of them encrypts. Raises BackupKeysUnset, BackupKeyRefused."""
        from pyrage import IdentityError, x25519

        if not texts:
            raise BackupKeysUnset(setting=SETTING)
        try:
            self._identities = [x25519.Identity.from_str(text) for text in texts]
        except IdentityError:
            raise BackupKeyRefused(limit=LIMIT) from None
        self.ids: Final = [_id_of(one) for one in self._identities]

    @property
    def current(self) -> str:
        """The id of the key that encrypts."""
        return self.ids[0]

    def encrypt(self, source: PieceSource, sink: PieceSink) -> None:
        """Everything that is read, encrypted and authenticated piece by piece: a file of any size in little memory."""
        from pyrage import encrypt_io

        encrypt_io(source, sink, [self._identities[0].to_public()])

    def decrypt(self, source: PieceSource, sink: PieceSink, *, key_id: str) -> None:
        """The contents. Pieces are written as each was found genuine; that the end is there is known at the end.

        `key_id` is the key that the backup says it was encrypted with. Raises BackupKeyMissing, BackupDamaged.
        """
        from pyrage import DecryptError, decrypt_io

        if key_id not in self.ids:
            raise BackupKeyMissing(key=key_id, known=self.ids)
        pipe = _Pipe(sink)
        try:
            decrypt_io(source, pipe, [self._identities[self.ids.index(key_id)]])
        except (DecryptError, OSError) as error:
            if pipe.broken is not None:
                raise pipe.broken from error
            raise BackupDamaged(because="it does not decrypt", detail=str(error)[:200]) from error


class _Pipe:
    """Tells whether it was the other end that failed, which the library reports as it does a damaged file."""

    def __init__(self, sink: PieceSink) -> None:
        self._sink, self.broken = sink, None

    broken: OSError | None

    def write(self, piece: bytes) -> int:
        try:
            self._sink.write(piece)
        except OSError as error:
            self.broken = error
            raise
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back here."""


def new_backup_key() -> str:
    """A fresh key, as text."""
    from pyrage import x25519

    return str(x25519.Identity.generate())


def parse_backup_keys(text: str) -> BackupKeys:
    """Keys with commas or lines between them; lines that begin with # are passed over, as age has them. Raises as BackupKeys does."""
    return BackupKeys(_texts(text))


def _texts(text: str) -> list[str]:
    lines = [line.strip() for part in text.splitlines() if not part.startswith("#") for line in part.split(",")]
    return [line for line in lines if line]


def kept_backup_keys(folder: Path) -> BackupKeys:
    """Those of a private database, in its folder; where there are none one is made, once, whoever comes first. Raises KeyFileOpen."""
    return BackupKeys(kept_backup_texts(folder))


def kept_backup_texts(folder: Path) -> list[str]:
    """The same, as text: for processes that are given theirs as a setting. Raises KeyFileOpen."""
    path = folder / FILE
    if not path.exists():
        with alone_in(folder):
            if not path.exists():
                put_lines(path, [new_backup_key()])
    return _texts(read_closed(path))


def _id_of(identity: Any) -> str:
    return hashlib.sha256(str(identity.to_public()).encode()).hexdigest()[: 2 * ID_BYTES]
