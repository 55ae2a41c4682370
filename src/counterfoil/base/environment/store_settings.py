"""The settings of the store of copies: a part of `base.settings.Settings`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class StoreSettings(BaseSettings):
    """Where copies of proofs, checkpoints and backups lie, beyond the reach of who runs this machine, and for how long they are locked."""

    store_url: str = Field(
        "",
        max_length=500,
        pattern=r"^$|^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]{1}(/[A-Za-z0-9._/-]*)?$|^file:///.+$",
        description="Where signed proofs, checkpoints and backups are copied to: `s3://bucket/prefix` or `file:///mnt/share`. Empty: "
        "nowhere. S3 needs the extra `counterfoil[s3]`.",
    )
    store_endpoint: str | None = Field(
        None, pattern=r"^https?://[^/\s@]+/?$", description="Address of what speaks S3's protocol. Absent: AWS itself."
    )
    store_region: str | None = Field(None, pattern=r"^[a-z0-9-]{1,40}$", description="Region of the bucket. Absent: what the machine says.")
    store_access_key: SecretStr | None = Field(
        None, description="With which key the bucket is asked. Absent: the environment, the profile or the role of the machine."
    )
    store_secret_key: SecretStr | None = Field(None, description="The secret half of it.")
    store_kms_key: str | None = Field(
        None,
        max_length=300,
        description="Id, alias or ARN of the KMS key that copies are encrypted with, all but checkpoints. Absent: S3's own key.",
    )
    store_lock: Literal["compliance", "governance", "none"] = Field(
        "compliance",
        description="How copies in S3 are locked: `compliance`, so that nobody can take them away before their time, `governance`, so that "
        "only who has the right to can, or `none`. The bucket must have Object Lock.",
    )
    store_proofs_locked_days: int = Field(
        2_557,
        ge=1,
        le=36_500,
        description="For so many days copies of proofs and checkpoints are locked; seven years. Dumps are for `backup_keep_days`, bases "
        "and the log of writes for `recovery_window_days`.",
    )
