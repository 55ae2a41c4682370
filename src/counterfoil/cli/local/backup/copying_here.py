"""From settings to the store of copies, and what is copied there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from counterfoil.backups.copied_files import backup_files
from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput
from counterfoil.base.settings import Settings
from counterfoil.proofs.stores.copying import Copying, all_files
from counterfoil.proofs.stores.folder import FolderStore
from counterfoil.proofs.stores.objects import ObjectStore
from counterfoil.proofs.stores.proof_files import proof_files
from counterfoil.proofs.stores.s3 import S3Access, S3Store


def store_of(settings: Settings, *, looks: bool = False) -> ObjectStore | None:
    """The store of copies, or None where none is set; `looks`: somebody waits for its answer. Raises S3LibraryMissing, InvalidInput."""
    where = urlsplit(settings.store_url)
    if not where.scheme:
        return None
    if where.scheme == "file":
        return FolderStore(Path(unquote(where.path)))
    key, secret = settings.store_access_key, settings.store_secret_key
    if (key is None) != (secret is None):
        raise InvalidInput("store_access_key", "set together with store_secret_key")
    access = S3Access(
        settings.store_endpoint,
        settings.store_region,
        key.get_secret_value() if key else None,
        secret.get_secret_value() if secret else None,
        looks,
    )
    lock = None if settings.store_lock == "none" else settings.store_lock.upper()
    return S3Store(where.netloc, where.path.strip("/"), access, lock=lock, kms_key=settings.store_kms_key)


def copying_of(settings: Settings, *, proofs: Callable[[], Path], backups: Callable[[], Path]) -> Copying | None:
    """What copies are made with, or None where no store is set."""
    store = store_of(settings)
    if store is None:
        return None
    locked = timedelta(days=settings.store_proofs_locked_days)
    kept, window = timedelta(days=settings.backup_keep_days), timedelta(days=settings.recovery_window_days)
    files = all_files(
        partial(proof_files, proofs(), locked),
        partial(backup_files, backups(), kept=kept, window=window),
    )
    return Copying(store, files, make_id)
