"""Drills: at a point that a drill has armed, this process says where it is and waits there to be killed, or let go, from outside."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Final

from counterfoil.base.failpoints import on_point
from counterfoil.base.postgres.launcher import sync_folder

ARMED: Final = "armed"  # holds the name of the point to wait at
REACHED: Final = "reached"  # made once, by the first that comes by
_LOOK_S: Final = 0.02


def take_part_in_drills(folder: Path, pid: int) -> None:
    """From now on this process stops at the point that the file `armed` in `folder` names."""

    def hook(point: str) -> None:
        if _armed(folder) == point and _announce(folder, point, pid):
            while (folder / REACHED).exists():  # until we are killed, or let go because another was to be
                time.sleep(_LOOK_S)

    on_point(hook)


def _armed(folder: Path) -> str | None:
    try:
        return (folder / ARMED).read_text().strip()
    except OSError:
        return None


def _announce(folder: Path, point: str, pid: int) -> bool:
    """Make the file `reached`, whole and on the disk when it appears; False when another was faster."""
    draft = folder / f".{REACHED}.{pid}.{time.monotonic_ns()}"
    with draft.open("w") as file:
        json.dump({"pid": pid, "point": point}, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, folder / REACHED)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_folder(folder)
    return True
