"""What backups declare, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.backups import backups, job, monitors
from counterfoil.backups.backups import BACKUP, BACKUP_NOUN
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy

__all__ = ("BACKUP", "BACKUP_NOUN", "EVENT_KINDS", "JOBS", "MONITORS", "Backups", "KeepPolicy")
JOBS: Final = job.JOBS
EVENT_KINDS: Final = backups.EVENT_KINDS
MONITORS: Final = monitors.MONITORS
