"""Playbooks: what to do about a finding, by the name that each check gives. None of them repairs money by itself.

Each is a file of typed steps beside this module, `files/P1.toml` to `files/P20.toml`: alerts, the documentation, the command line and the
page read the same file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.base.formats.runbook import OWNERS, Runbook, read_folder
from counterfoil.base.problems import InvariantBroken

PLAYBOOK_FILES: Final = Path(__file__).parent / "files"


class Playbook(NamedTuple):
    """What to do, in order, and whose it is."""

    name: str
    title: str
    owner: str
    steps: tuple[str, ...]


class _Playbooks(Mapping[str, Playbook]):
    """All of them by their names; the files are read when the first is asked for."""

    def __getitem__(self, name: str) -> Playbook:
        return _read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_read())

    def __len__(self) -> int:
        return len(_read())


@cache
def _read() -> dict[str, Playbook]:
    found = [_playbook(one) for one in read_folder(PLAYBOOK_FILES)]
    return {one.name: one for one in sorted(found, key=lambda one: int(one.name[1:]))}


def _playbook(one: Runbook) -> Playbook:
    if one.owner is None:
        raise InvariantBroken(f"playbook {one.name} has an owner: one of {', '.join(OWNERS)}")
    said = [f"{step.title} (`{step.command}`)." if step.command else f"{step.title}." for step in one.steps]
    return Playbook(one.name, one.title, one.owner, tuple(said))


PLAYBOOKS: Final[Mapping[str, Playbook]] = _Playbooks()
