"""What of proofs is to lie in the store: every signed package, and the checkpoint that left last."""

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
    """A package once it is signed: before, it can be made again from the books. A checkpoint holds all that are smaller."""
    for path in sorted((folder / PACKAGES).glob("*.zip")):
        yield FileToCopy(f"{BELOW}/{PACKAGES}/{path.name}", path, path.name.rpartition("-")[0], locked=locked)
    latest = folder / FOLDER / LATEST
    if latest.exists():
        size = int(latest.read_text("utf-8").split("\n")[1])
        place = folder / FOLDER / f"{size:016d}"
        yield FileToCopy(f"{BELOW}/{FOLDER}/{place.name}", place, locked=locked)
