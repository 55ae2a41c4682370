"""`counterfoil proof inclusion`: that a journal or a payout is in the log, as a file that verifies alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import say, write_file


def fetch_inclusion(
    subject_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a payout, po_…, or of a journal.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where it goes; ID.inclusion.json, if absent.")] = None,
) -> None:
    """Fetch the file that shows that a journal, or all that was posted for a payout, is in the log.

    `proof verify` verifies it with a file of keys, and so does `verify.py` of a package; no server, no network.
    """
    with asked("read") as client:
        body = client.download(f"/api/{_place(subject_id)}/{subject_id}/inclusion")
    path = out or Path(f"{subject_id}.inclusion.json")
    write_file(path, body)
    entries = counted(len(json.loads(body)["entries"]), "entry", "entries")
    say(f"{path}: {entries} of the log, {len(body):,} bytes. Verify it: counterfoil proof verify {path} --keys KEYS.json")


def _place(subject_id: str) -> str:
    from counterfoil.payouts.payouts.noun import PAYOUT_NOUN  # not before it is needed: other commands of proofs do without

    if subject_id.startswith(f"{PAYOUT_NOUN.prefix}_"):
        return PAYOUT_NOUN.plural
    try:
        UUID(subject_id)
    except ValueError:
        raise typer.BadParameter("neither the id of a payout, po_…, nor of a journal, a UUID", param_hint="ID") from None
    return "journals"
