"""What backups declare, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.backups import backups, job, monitors
from counterfoil.backups.backups import BACKUP, BACKUP_NOUN
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.backups.recovery import job as recovery
from counterfoil.backups.recovery.receiving import WalArchive

__all__ = ("BACKUP", "BACKUP_NOUN", "EVENT_KINDS", "JOBS", "MONITORS", "Backups", "KeepPolicy", "WalArchive")
JOBS: Final = (*job.JOBS, *recovery.JOBS)
EVENT_KINDS: Final = backups.EVENT_KINDS
MONITORS: Final = monitors.MONITORS
