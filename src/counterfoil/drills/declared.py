"""What backups and drills declare, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.backups import declared as backups
from counterfoil.backups.declared import BACKUP_NOUN, Backups, WalArchive
from counterfoil.backups.declared import JOBS as BACKUP_JOBS
from counterfoil.drills import drills, job, monitors
from counterfoil.drills.running import DrillMeans, MakeRun

__all__ = ("EVENT_KINDS", "JOBS", "MACHINES", "MONITORS", "NOUNS", "Backups", "DrillMeans", "MakeRun", "WalArchive")
JOBS: Final = (*BACKUP_JOBS, *job.JOBS)
NOUNS: Final = (BACKUP_NOUN, drills.DRILL_NOUN)
MONITORS: Final = (*backups.MONITORS, *monitors.MONITORS)
MACHINES: Final = (backups.BACKUP, drills.DRILL)
EVENT_KINDS: Final = (*backups.EVENT_KINDS, *drills.EVENT_KINDS)
