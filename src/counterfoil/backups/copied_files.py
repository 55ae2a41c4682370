"""What of backups is to lie in the store of copies: each dump and base with its manifest, and every segment of the log with its note."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from counterfoil.backups.keys import BackupDamaged
from counterfoil.backups.recovery.archive import ENDING, FOLDER, NOTE
from counterfoil.backups.recovery.segments import PARTIAL
from counterfoil.backups.store import BASE, MANIFEST, BackupFolder
from counterfoil.proofs.stores.objects import FileToCopy

BELOW: Final = "backups"


def backup_files(folder: Path, *, kept: timedelta, window: timedelta) -> Iterator[FileToCopy]:
    """Locked for as long as the policy surely keeps them: dumps for its days, bases and log for the window of recovery.

    The file comes before what is signed of it, so what is signed for is there. A backup whose manifest cannot be read is not copied.
    """
    store = BackupFolder(folder)
    for name in reversed(store.ids()):
        with suppress(BackupDamaged):
            one = store.get(name)
            locked = window if one.kind == BASE else kept
            yield FileToCopy(f"{BELOW}/{one.id}/{one.file.name}", one.file, one.id, one.manifest["file"]["sha256"], locked)
            yield FileToCopy(f"{BELOW}/{one.id}/{MANIFEST}", one.folder / MANIFEST, one.id, locked=locked)
    for noted in sorted((folder / FOLDER).glob(f"*/*{NOTE}")):
        yield from _segment(noted, window)


def _segment(noted: Path, window: timedelta) -> Iterator[FileToCopy]:
    changes = PARTIAL in noted.name
    locked = None if changes else window
    path = noted.with_name(noted.name.removesuffix(NOTE) + ENDING)
    with suppress(OSError, ValueError, KeyError, TypeError):
        digest = json.loads(noted.read_text("utf-8").rpartition("\n\n")[0])["file"]["sha256"]
        for one, sha256 in ((path, digest), (noted, None)):
            yield FileToCopy(f"{BELOW}/{FOLDER}/{noted.parent.name}/{one.name}", one, None, sha256, locked, changes)
