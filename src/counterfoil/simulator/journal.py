"""The journal on disk: one checked line per entry, appended by one thread that gathers what waits and syncs it once.

A line is the CRC-32 of its text in hex, a space, the text (JSON), a newline. A kill can only leave a last line
without its newline: that is cut when the simulator starts. A whole line that fails its check is damage, and refuses the start.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.simulator.rules.facts import FactEntry, as_json, from_json

FILE_NAME: Final = "journal.log"
EXIT_NO_JOURNAL: Final = 74  # sysexits: an input/output error


class JournalDamaged(Exception):
    """A whole line does not pass its check: this is no torn end, and cutting it would forget money."""


class JournalInUse(Exception):
    """Another simulator writes to this folder."""


class JournalRead(NamedTuple):
    """The intact entries, and how many bytes of the file they fill: what lies behind is a torn line."""

    entries: list[FactEntry]
    intact_bytes: int
    torn_bytes: int


def encode(entry: FactEntry) -> bytes:
    """The entry as its line."""
    text = json.dumps(as_json(entry), separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> FactEntry | None:
    """The entry of a line with its newline, or None when the line is torn or damaged."""
    if len(line) < 10 or line[8:9] != b" " or not line.endswith(b"\n"):
        return None
    text = line[9:-1]
    if line[:8] != b"%08x" % zlib.crc32(text):
        return None
    return from_json(json.loads(text))


def read_entries(folder: Path) -> JournalRead:
    """All entries of the journal in `folder`; a torn end is left out. Safe while a simulator writes. Raises JournalDamaged."""
    path = folder / FILE_NAME
    entries: list[FactEntry] = []
    intact = torn = 0
    if not path.exists():
        return JournalRead(entries, 0, 0)
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                torn = len(line)  # only the last can: what was written before it is whole
                break
            entry = decode(line)
            if entry is None or entry.number != len(entries) + 1:
                raise JournalDamaged(f"{path}: the line at byte {intact} is damaged, not torn")
            entries.append(entry)
            intact += len(line)
    return JournalRead(entries, intact, torn)


class SimulatorJournal:
    """The open end of a journal. Append from the event loop's thread; an answer waits for `durable()`."""

    def __init__(self, folder: Path, *, sync: Callable[[int], None] | None = None) -> None:
        """Lock the folder, cut a torn end, and keep what was read in `entries`. Raises JournalInUse, JournalDamaged."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = _open_locked(folder)
        read = read_entries(folder)
        self.entries, self.cut_bytes = read.entries, read.torn_bytes
        os.ftruncate(self._file, read.intact_bytes)
        os.fsync(self._file)
        self._sync = sync or sync_data
        self._pending: list[bytes] = []
        self._wake = threading.Condition()
        self._closing = False
        self._written = self._appended = self._durable = len(read.entries)
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.syncs = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write_on, name="journal", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to write; `loop` is where waiters are woken."""
        self._loop = loop
        self._thread.start()

    def append(self, entry: FactEntry) -> None:
        """Queue an entry; it is not safe before `durable()` returns."""
        self._appended = entry.number
        line = encode(entry)
        with self._wake:
            self._pending.append(line)
            self._wake.notify()

    async def durable(self) -> None:
        """Return once everything appended so far is on disk."""
        if self._durable >= self._appended:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((self._appended, waiter))
        await waiter

    def close(self) -> None:
        """Write out what waits, then close the file and give the folder free."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._file)

    def _write_on(self) -> None:
        try:
            for batch, last in self._batches():
                write_all(self._file, batch)
                self._sync(self._file)
                self.syncs += 1
                if self._loop is not None and not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._synced, last)
        except OSError as error:
            # Answers are already promised to what is in memory: dying here is the only honest way, a restart reads the disk.
            os.write(2, f"simulator: the journal cannot be written: {error}\n".encode())
            os._exit(EXIT_NO_JOURNAL)

    def _batches(self) -> Iterator[tuple[bytes, int]]:
        while True:
            with self._wake:
                while not self._pending and not self._closing:
                    self._wake.wait()
                lines, self._pending = self._pending, []
            if not lines:
                return
            self._written += len(lines)
            yield b"".join(lines), self._written

    def _synced(self, last: int) -> None:
        self._durable = max(self._durable, last)
        while self._waiters and self._waiters[0][0] <= self._durable:
            waiter = self._waiters.popleft()[1]
            if not waiter.done():
                waiter.set_result(None)


def write_all(file: int, data: bytes) -> None:
    """Write every byte; the system may take fewer at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_data(file: int) -> None:
    """Return when the file's bytes are on the disk itself (on macOS `fsync` alone would leave them in its cache)."""
    if sys.platform == "darwin":
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(file)


def _open_locked(folder: Path) -> int:
    file = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise JournalInUse(str(folder)) from error
    here = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(here)  # the file's name must outlive a crash too
    finally:
        os.close(here)
    return file
