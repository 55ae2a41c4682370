"""Which runbooks there are: those that come with counterfoil, and the user's own files, which go before one of the same name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.base.formats.runbook import Runbook, read_folder
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.integrity.playbooks import PLAYBOOK_FILES

SHIPPED: Final = Path(__file__).parent / "files"


class ListedRunbook(NamedTuple):
    """A runbook, and whether it is the user's own."""

    runbook: Runbook
    own: bool


class Catalogue(NamedTuple):
    """Runbooks by their names, and the files of the user that are wrong, each with what is wrong in it."""

    runbooks: Mapping[str, ListedRunbook]
    refused: tuple[InvalidInput, ...]

    def named(self, name: str, *, kind: str | None = None) -> Runbook:
        """One by its name. Raises NotFound, and what is wrong in the file where a wrong one may be meant."""
        for problem in self.refused:  # also where one that came with counterfoil has the name: it is not what was meant
            if str(problem.facts.get("file", "")).removesuffix(".toml") == name:
                raise problem
        found = self.runbooks.get(name)
        if found is None or (kind is not None and found.runbook.kind != kind):
            raise NotFound(what=kind or "runbook", id=name[:60])
        return found.runbook


def catalogue(checks: Collection[str], own: Path | None = None) -> Catalogue:
    """All of them, read anew. `checks`: the codes that there are; `own`: the folder of the user's files."""
    refused: list[InvalidInput] = []
    playbooks = sorted(read_folder(PLAYBOOK_FILES, checks), key=lambda one: int(one.name[1:]))
    found = {one.name: ListedRunbook(one, False) for one in (*playbooks, *read_folder(SHIPPED, checks))}
    for one in read_folder(own, checks, refused=refused.append) if own is not None else ():
        found[one.name] = ListedRunbook(one, True)
    return Catalogue(found, tuple(refused))
