"""`counterfoil proof disclose`: what one payee may see of a package, to be verified without the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.output import patience, say
from counterfoil.proofs.disclosures.making import disclose


def disclose_package(
    package: Annotated[Path, typer.Argument(help="The package, signed.", exists=True)],
    payee: Annotated[str, typer.Option("--payee", metavar="ID", help="Whose entries: the id of a payee or an affiliate.")],
    program: Annotated[str | None, typer.Option("--program", metavar="ID", help="Their program, where there are several.")] = None,
    previous: Annotated[
        list[Path] | None,
        typer.Option("--previous", help="The package of before, for payouts that began in it. Several: the oldest first.", exists=True),
    ] = None,
    with_others: Annotated[
        bool, typer.Option("--with-others", help="Entries in which other payees are named, too; without it they are left out and counted.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Where it goes; beside the package, if absent.")] = None,
) -> None:
    """Give a payee what concerns them, and nothing else of a package: `proof verify` holds it against the same signatures.

    It holds journals on the payee's accounts, and those of their payouts. What people did, and why, is not in it.
    """
    path = out or package.with_name(f"{package.stem}-{re.sub(r'[^A-Za-z0-9._-]', '_', payee)}.zip")
    if path.exists():
        raise typer.BadParameter(f"{path} is there already: a disclosure is never written over", param_hint="--out")
    with patience("The package is being read"):
        made = disclose([*(previous or []), package], payee, program, path, with_others=with_others)
    said = f"{path}: {counted(made.entries, 'entry concerns', 'entries concern')} {payee}"
    said += f", and {made.of_before} of before show whose payouts ended in the period." if made.of_before else "."
    if made.left_out:
        said += f"\n{made.left_out} more name other payees, too, and were left out (--with-others): it says so, and that it is incomplete."
    say(f"{said}\nIt is verified with the keys of the package: counterfoil proof verify {path} --keys KEYS.json")
