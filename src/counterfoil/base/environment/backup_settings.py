"""The settings of backups and of recovery to a second: a part of `base.settings.Settings`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class BackupSettings(BaseSettings):
    """Where backups lie, with which keys, when they are made, and how long they stay."""

    backup_folder: Path | None = Field(
        None,
        description="Where backups lie, best on a disk or share of another machine. Absent: `backups` in the data folder. Servers and "
        "workers share it.",
    )
    backup_keys: SecretStr | None = Field(
        None,
        description="Keys that backups are encrypted with: age identities (AGE-SECRET-KEY-1…), with commas. The first encrypts, all of "
        "them open. Absent: for the private database, those in `backup.keys` in the data folder, made once.",
    )
    backup_cron: str = Field(
        "30 1 * * *",
        max_length=100,
        description="When (UTC) the database is backed up: five fields of cron. Empty: never by itself.",
    )
    backup_keep_days: int = Field(14, ge=1, le=1_000, description="Of so many days the newest backup is kept.")
    backup_keep_weeks: int = Field(8, ge=0, le=1_000, description="Of so many weeks the newest backup is kept.")
    backup_keep_months: int = Field(24, ge=0, le=1_000, description="Of so many months the newest backup is kept.")
    replication_url: SecretStr | None = Field(
        None,
        description="Where the whole server is copied from, for recovery to a second: a login with REPLICATION. "
        "Absent: the private database itself, or nowhere.",
    )
    base_backup_cron: str = Field(
        "",
        max_length=100,
        description="When (UTC) the whole server is copied: five fields of cron, such as 0 3 * * 0. Then its log of writes is brought to "
        "the store each minute, too, and any second can be recovered. Empty: neither.",
    )
    recovery_window_days: int = Field(14, ge=1, le=1_000, description="For so many days back any second can be recovered.")
