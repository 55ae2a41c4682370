"""What proofs, backups and drills declare, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.backups import declared as backups
from counterfoil.backups.declared import BACKUP_NOUN, Backups, WalArchive
from counterfoil.backups.declared import JOBS as BACKUP_JOBS
from counterfoil.drills import drills, job, monitors
from counterfoil.drills.running import DrillMeans, MakeRun
from counterfoil.proofs import declared as proofs

__all__ = ("EVENT_KINDS", "JOBS", "MACHINES", "MONITORS", "NOUNS", "Backups", "DrillMeans", "MakeRun", "WalArchive")
JOBS: Final = (*proofs.JOBS, *BACKUP_JOBS, *job.JOBS)
NOUNS: Final = (*proofs.NOUNS, BACKUP_NOUN, drills.DRILL_NOUN)
MONITORS: Final = (*backups.MONITORS, *monitors.MONITORS)
MACHINES: Final = (*proofs.MACHINES, backups.BACKUP, drills.DRILL)
EVENT_KINDS: Final = (*proofs.EVENT_KINDS, *backups.EVENT_KINDS, *drills.EVENT_KINDS)
