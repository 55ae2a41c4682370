"""The log of writes as it lies in the store: each segment compressed, encrypted, and signed for by the log's key; beside the backups."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from counterfoil.backups.keys import BackupDamaged, BackupKeys
from counterfoil.backups.recovery.segments import PARTIAL, Segment, header_says, segment_named
from counterfoil.backups.store import PIECE, BackupForeign, digest_of_file, refuse_ended, refuse_untold
from counterfoil.base.postgres.launcher import sync_folder
from counterfoil.proofs.log.notes import NoteKey, NoteRefused, open_note

FOLDER: Final = "wal"
FORMAT: Final = "counterfoil-wal/1"
ENDING: Final = ".gz.age"
NOTE: Final = ".note"
MAKING: Final = ".making"
COMPRESSION: Final = 1  # of 1 to 9: a minute's work must not take one


class KeptSegment(NamedTuple):
    """A segment in the store. `told`: what its note says."""

    segment: Segment
    partial: bool
    until: datetime | None
    path: Path
    told: Mapping[str, Any]
    note: str

    @property
    def name(self) -> str:
        """As PostgreSQL calls it."""
        return str(self.told["segment"])

    def refuse_damaged(self) -> None:
        """Raises BackupDamaged unless the file is the one that was signed for. Reads all of it."""
        told = self.told["file"]
        if not self.path.is_file():
            raise BackupDamaged(segment=self.name, because="it is not there")
        if (found := self.path.stat().st_size) != told["bytes"]:
            raise BackupDamaged(segment=self.name, because=f"it has {found} bytes, and had {told['bytes']}")
        if digest_of_file(self.path) != told["sha256"]:
            raise BackupDamaged(segment=self.name, because="it has another SHA-256 than when it was written")

    def refuse_foreign(self, keys: Sequence[NoteKey]) -> None:
        """Raises BackupForeign unless one of these keys has signed for it."""
        try:
            _, signers = open_note(self.note, keys)
        except NoteRefused as refused:
            raise BackupForeign(segment=self.name, because=f"its note: {refused.facts.get('why')}") from refused
        if self.until is not None:
            refuse_ended(signers, self.until, segment=self.name)

    def open_into(self, keys: BackupKeys, path: Path) -> None:
        """Its bytes, as the server wrote them. Raises BackupDamaged, BackupKeyMissing."""
        digest, head = hashlib.sha256(), b""
        with opened(keys, self.path, self.told["file"]["key_id"]) as plain, path.open("wb") as out:
            while piece := plain.read(PIECE):
                head = head or piece[:64]
                digest.update(piece)
                out.write(piece)
        if digest.hexdigest() != self.told["sha256"]:
            raise BackupDamaged(segment=self.name, because="it opens to other bytes than those that were signed for")
        wrong = header_says(head, self.segment, system=self.told["system"], segment_bytes=self.told["segment_bytes"])
        if wrong is not None:
            raise BackupDamaged(segment=self.name, because=wrong)


class WalFolder:
    """Where the log of one server lies in the store of backups."""

    def __init__(self, store: Path, system: str) -> None:
        """Nothing is made before the first segment."""
        self.system, self.folder = system, store / FOLDER / system

    def kept(self) -> list[KeptSegment]:
        """Every segment whose note can be read, in their order; a note that cannot is as good as no segment: a gap, which is told."""
        found = [_read(path) for path in sorted(self.folder.glob(f"*{NOTE}"))] if self.folder.exists() else []
        return [one for one in found if one is not None and one.told["system"] == self.system]

    def put(self, source: Path, told: dict[str, Any], keys: BackupKeys, sign: Any) -> None:
        """Keep a segment: on the disk, read back, and signed for before it has its name. `sign` makes a note of a text."""
        making = self.folder / MAKING
        making.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = told["segment"] + (PARTIAL if told["partial"] else "")
        draft = making / f"{name}{ENDING}"
        packed = making / f"{name}.gz"
        with source.open("rb") as plain, gzip.GzipFile(packed, "wb", COMPRESSION, mtime=0) as out:
            shutil.copyfileobj(plain, out, PIECE)
        with packed.open("rb") as plain, draft.open("wb") as sink:
            keys.encrypt(plain, sink)
            sink.flush()
            os.fsync(sink.fileno())
        packed.unlink()
        file = {"bytes": draft.stat().st_size, "sha256": digest_of_file(draft), "encryption": "age", "key_id": keys.current}
        text = json.dumps({**told, "file": file}, indent=1) + "\n"
        one = _told(draft, sign(text))
        one.open_into(keys, making / "back")
        (making / "back").unlink()
        self._place(draft, name, one.note)

    def _place(self, draft: Path, name: str, note: str) -> None:
        """The segment first, then what says that it is there. One that was partial goes when the whole one is in its place."""
        noted = draft.with_name(f"{name}{NOTE}")
        noted.write_text(note, "utf-8")
        for path in (draft, noted):
            path.chmod(0o400)
        sync_folder(draft.parent)
        draft.replace(self.folder / draft.name)
        noted.replace(self.folder / noted.name)
        sync_folder(self.folder)
        if not name.endswith(PARTIAL):
            self._drop(name + PARTIAL)

    def before(self, timeline: int, number: int) -> list[KeptSegment]:
        """What of this timeline lies before a segment."""
        return [one for one in self.kept() if one.segment.timeline == timeline and one.segment.number < number]

    def drop_before(self, timeline: int, number: int) -> int:
        """Take away what of this timeline lies before a segment: nothing that is kept needs it. How many went."""
        going = self.before(timeline, number)
        for one in going:
            self._drop(one.name + (PARTIAL if one.partial else ""))
        return len(going)

    def _drop(self, name: str) -> None:
        (self.folder / f"{name}{NOTE}").unlink(missing_ok=True)
        (self.folder / f"{name}{ENDING}").unlink(missing_ok=True)


@contextmanager
def opened(keys: BackupKeys, path: Path, key_id: str) -> Iterator[IO[bytes]]:
    """What was compressed and encrypted, as a stream to read. Raises BackupDamaged, BackupKeyMissing, also when it ends too early."""
    reading, writing = os.pipe()
    failed: list[Exception] = []

    def decrypt() -> None:
        try:
            with os.fdopen(writing, "wb") as sink, path.open("rb") as file:
                keys.decrypt(file, sink, key_id=key_id)
        except BrokenPipeError:
            pass  # who reads has stopped, and says why
        except Exception as error:  # noqa: BLE001 - raised where it is read
            failed.append(error)

    thread = threading.Thread(target=decrypt, name="decrypt", daemon=True)
    thread.start()
    try:
        with os.fdopen(reading, "rb") as encrypted, gzip.GzipFile(fileobj=encrypted, mode="rb") as plain:
            yield plain  # type: ignore[misc]
    except (EOFError, gzip.BadGzipFile, zlib.error, BackupDamaged) as error:
        thread.join()
        if failed:  # the reason why what was read is not whole
            raise failed[0] from error
        raise (error if isinstance(error, BackupDamaged) else BackupDamaged(file=path.name, because="it ends too early")) from error
    thread.join()
    if failed:
        raise failed[0]


def _read(noted: Path) -> KeptSegment | None:
    try:
        return _told(noted.with_name(noted.name.removesuffix(NOTE) + ENDING), noted.read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _told(path: Path, note: str) -> KeptSegment:
    told = json.loads(note.rpartition("\n\n")[0])
    segment = segment_named(told["segment"], told["segment_bytes"])
    named = path.name.removesuffix(ENDING).removesuffix(PARTIAL)
    if segment is None or told["format"] != FORMAT or told["segment"] != named:
        raise ValueError(path.name)
    refuse_untold(told["file"])
    until = datetime.fromisoformat(told["until"]) if told["until"] else None
    return KeptSegment(segment, bool(told["partial"]), until, path, told, note)
