"""Which runbooks there are: those that come with counterfoil, and the user's own files, which go before one of the same name."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.integrity.playbooks import PLAYBOOKS, Playbook
from counterfoil.runbooks.format import Runbook, StepSpec, read_folder

SHIPPED: Final = Path(__file__).parent / "files"
_ITS_OWN: Final = "(%(program)s = '' or program_id in ('', %(program)s)) and (%(subject)s = '' or subject = %(subject)s)"


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
    found = {one.name: ListedRunbook(one, False) for one in (*map(playbook_of, PLAYBOOKS.values()), *read_folder(SHIPPED, checks))}
    for one in read_folder(own, checks, refused=refused.append) if own is not None else ():
        found[one.name] = ListedRunbook(one, True)
    return Catalogue(found, tuple(refused))


def playbook_of(one: Playbook) -> Runbook:
    """What to do about a finding, as a runbook: what was found, each thing to do, and that it is no longer found."""
    mine = f"select id, code, program_id, subject, severity, state, last_seen_at from alert where evidence ->> 'playbook' = '{one.name}'"
    # What was accepted for a time is still there: it is over when it is resolved, and not before.
    live = f"{mine} and state <> 'resolved' and {_ITS_OWN} order by severity, id"
    steps = (
        StepSpec("query", "What was found", sql=live),
        *(StepSpec("note", text, help="Write down what you found, and what you did.") for text in one.steps),
        StepSpec("check", "It is no longer found", help="`counterfoil alerts resolve ID` asks its check again.", sql=live),
    )
    digest = hashlib.sha256(repr(steps).encode()).hexdigest()
    return Runbook(one.name, one.title, "playbook", f"Owner: {one.owner.replace('_', ' ')}.", None, True, steps, digest)
