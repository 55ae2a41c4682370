"""Drills: at a point that a drill has armed, this process says where it is and waits there to be killed, or let go, from outside."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from counterfoil.base.edge import make_id
from counterfoil.base.failpoints import on_point
from counterfoil.base.postgres.launcher import sync_folder

ARMED: Final = "armed"  # holds the name of the point to wait at; gone once somebody stands there
REACHED: Final = "reached"  # made by the first that comes by
_LOOK_S: Final = 0.02


def take_part_in_drills(folder: Path, pid: int) -> None:
    """From now on this process stops at the point that the file `armed` in `folder` names."""

    def hook(point: str) -> None:
        if _armed(folder) == point and _disarm(folder, point):
            _announce(folder, point, pid)
            while (folder / REACHED).exists():  # until we are killed, or let go because another was to be
                time.sleep(_LOOK_S)

    on_point(hook)


def _armed(folder: Path) -> str | None:
    try:
        return (folder / ARMED).read_text().strip()
    except OSError:
        return None


def _disarm(folder: Path, point: str) -> bool:
    """Take the arming, which is for one alone: False when another was faster. Who stops at a point without it would be taken for one who
    stands where the drill, which has gone on meanwhile, waits for somebody."""
    mine = folder / f".{ARMED}.{make_id('drill')}"
    try:
        (folder / ARMED).rename(mine)
    except FileNotFoundError:
        return False
    try:
        if mine.read_text().strip() == point:
            return True
        with suppress(FileExistsError):
            os.link(mine, folder / ARMED)  # it was armed anew, for another point, since we looked
        return False
    finally:
        mine.unlink()


def _announce(folder: Path, point: str, pid: int) -> None:
    """Make the file `reached`, whole and on the disk when it appears."""
    draft = folder / f".{REACHED}.{pid}"
    with draft.open("w") as file:
        json.dump({"pid": pid, "point": point}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / REACHED)
    sync_folder(folder)
