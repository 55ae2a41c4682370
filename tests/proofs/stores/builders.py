"""One copy that lies in a folder, and what somebody then does to it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from counterfoil.base.edge import Database, make_id
from counterfoil.operations.work.clocks import database_now
from counterfoil.operations.work.runner import Runner
from counterfoil.proofs.stores.copies import list_copies
from counterfoil.proofs.stores.copying import Copying, copy_round
from counterfoil.proofs.stores.folder import FolderStore
from counterfoil.proofs.stores.proof_files import proof_files


def copied(database: Database, folder: Path, *, proof_id: str = "prf_01") -> Any:
    """What copies are made with; one package lies in the share, and its original in the folder of proofs."""
    (folder / "share").mkdir()
    (folder / "proofs" / "packages").mkdir(parents=True)
    (folder / "proofs" / "packages" / f"{proof_id}-0123456789abcdef.zip").write_bytes(b"signed")
    copying = Copying(FolderStore(folder / "share"), lambda: proof_files(folder / "proofs", timedelta(days=30)), make_id)
    copy_round(copying, runner_of(database))
    return copying


def runner_of(database: Database) -> Runner:
    return Runner(database, database_now, "t", lease=timedelta(minutes=1), rows_max=10, call_limit=timedelta(seconds=1))


def spoilt(database: Database, copying: Any) -> str:
    """The copy was written over, and the job has seen it. Its id."""
    with database.transaction() as conn:
        [one] = list_copies(conn, rows_max=2, after=None, state=None)
        conn.execute("update store_copy set looked_at = looked_at - interval '2 days'")
    place = copying.store.folder / one.path
    place.chmod(0o600)
    place.write_bytes(b"forged")
    copy_round(copying, runner_of(database))
    return str(one.id)
