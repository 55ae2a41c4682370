"""What backups and drills declare, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.backups import declared as backups
from counterfoil.backups.declared import BACKUP_NOUN, JOBS, MONITORS, Backups
from counterfoil.drills import drills

__all__ = ("BACKUP_NOUN", "EVENT_KINDS", "JOBS", "MACHINES", "MONITORS", "Backups")
MACHINES: Final = (backups.BACKUP, drills.DRILL)
EVENT_KINDS: Final = (*backups.EVENT_KINDS, *drills.EVENT_KINDS)
