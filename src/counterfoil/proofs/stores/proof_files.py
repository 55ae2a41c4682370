"""What of proofs is to lie in the store: every signed package, the checkpoint that left last, and the statements of the log's keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from counterfoil.proofs.log.checkpoints import FOLDER, LATEST
from counterfoil.proofs.packages.exporting import PACKAGES
from counterfoil.proofs.stores.objects import FileToCopy

BELOW: Final = "proofs"


def proof_files(folder: Path, locked: timedelta) -> Iterator[FileToCopy]:
    """A package once it is signed: before, it can be made again from the books. A checkpoint holds all that are smaller; it and how one key
    of the log followed another can be read whatever becomes of keys for encryption.
    """
    for path in sorted((folder / PACKAGES).glob("*.zip")):
        yield FileToCopy(f"{BELOW}/{PACKAGES}/{path.name}", path, path.name.rpartition("-")[0], locked=locked)
    latest = folder / FOLDER / LATEST
    if latest.exists():
        size = int(latest.read_text("utf-8").split("\n")[1])
        place = folder / FOLDER / f"{size:016d}"
        smaller = f"{BELOW}/{FOLDER}/{'_' * len(place.name)}"
        yield FileToCopy(f"{BELOW}/{FOLDER}/{place.name}", place, locked=locked, outlives_keys=True, holds=smaller)
        for one in sorted((folder / FOLDER).glob("key-*")):
            yield FileToCopy(f"{BELOW}/{FOLDER}/{one.name}", one, locked=locked, outlives_keys=True)
