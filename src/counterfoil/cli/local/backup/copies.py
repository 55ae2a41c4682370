"""`counterfoil copies …`: what lies in the store of copies, and back from there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.backups.copied_files import BELOW as BACKUPS
from counterfoil.backups.store import FILES, MANIFEST, read_backup
from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.base.settings import Settings
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Output, patience, say, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.cli.local.backup.copying_here import store_of
from counterfoil.cli.local.installation import backup_folder, proof_folder, settings_now
from counterfoil.proofs.packages.writing import digest_of
from counterfoil.proofs.stores.copies import COPY_NOUN
from counterfoil.proofs.stores.objects import CopyRefused, ObjectStore, StoredObject, fetch_verified
from counterfoil.proofs.stores.proof_files import BELOW as PROOFS

app = noun_app(COPY_NOUN)
COLUMNS = ("path", "bytes", "lockedUntil", "others", "sha256")
STORED_SHOWN_MAX = 10_000  # more are said to be more
Beginning = Annotated[
    str, typer.Argument(metavar="BEGINNING", help="How their names begin: backups/bkp_…, backups/wal/, proofs/packages/.")
]


@app.command("stored")
def stored(beginning: Beginning = "", output: Output = TABLE) -> None:
    """What lies in the store, asked there: needs no database. `others`: versions that were put over it since."""
    store = store_of(settings_now())
    if store is None:
        show_rows([], COLUMNS, output, empty="No store of copies is set: COUNTERFOIL_STORE_URL says where one is.")
        return
    rows: list[dict[str, Any]] = []
    with patience("The store is asked"):
        for one in store.find(beginning):
            if len(rows) == STORED_SHOWN_MAX:
                typer.echo(f"There is more: these are the first {STORED_SHOWN_MAX:,}.", err=True)
                break
            until = one.locked_until.isoformat() if one.locked_until else None
            rows.append({"path": one.key, "bytes": one.bytes, "lockedUntil": until, "others": one.others, "sha256": one.sha256})
    show_rows(rows, COLUMNS, output, empty=f"Nothing of that lies in {store.address}.")


@app.command("fetch")
def fetch(
    beginning: Beginning,
    to: Annotated[Path | None, typer.Option("--to", help="A folder; without it, the place that they were copied from.")] = None,
) -> None:
    """Bring files back from the store, each verified by its SHA-256; needs no database. What lies in its place already stays as it is.

    Ends with 1 when one was refused, and says why. Of a backup its signature is looked at by `backup verify` and `backup restore`.
    """
    settings = settings_now()
    store = _store(settings)
    came, refused = list[Path](), list[str]()
    with patience("The files come"):
        for one in store.find(beginning):
            try:
                came.append(_fetched(store, one, _place(settings, one.key, to)))
            except CopyRefused as problem:
                refused.append(problem.sentence())
    if not came and not refused:
        raise NotFound(what="copy", path=f"{store.address}/{beginning}")
    refused += _damaged(came)
    if came:
        said = f"{counted(len(came), 'file is', 'files are')} here; each has the SHA-256 that it had when it was copied."
        say("\n".join([*map(str, came), said]))
    if refused:
        say("\n".join(["Refused:", *refused]))
        raise typer.Exit(NOT_GREEN)


def _fetched(store: ObjectStore, one: StoredObject, to: Path) -> Path:
    if one.sha256 is None:
        raise CopyRefused(key=one.key, because="nobody said what it must be: it was not copied by us")
    if to.exists():
        if digest_of(to) == one.sha256:
            return to
        raise CopyRefused(key=one.key, because=f"another file lies at {to}: move it away first")
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fetch_verified(store, one, one.sha256, one.bytes, to)
    return to


def _damaged(came: list[Path]) -> list[str]:
    """Of each backup of which both files came: is the file the one that its manifest signs for?"""
    said = []
    for folder in sorted({path.parent for path in came if path.name == MANIFEST}):
        if any((folder / name) in came for name in FILES.values()):
            try:
                read_backup(folder).refuse_damaged()
            except Problem as problem:
                said.append(problem.sentence())
    return said


def _place(settings: Settings, key: str, to: Path | None) -> Path:
    first, _, rest = key.partition("/")
    roots = {BACKUPS: backup_folder(settings), PROOFS: proof_folder(settings)}
    root, name = (to, key) if to is not None else (roots.get(first), rest)
    if root is None or not (root / name).resolve().is_relative_to(root.resolve()):
        raise CopyRefused(key=key[:200], because="it is none of ours; name a folder with --to")
    return root / name


def _store(settings: Settings) -> ObjectStore:
    store = store_of(settings)
    if store is None:
        raise InvalidInput("store_url", "a store of copies")
    return store
