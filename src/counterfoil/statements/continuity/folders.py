"""A folder of statements: every file read, every statement shown to carry, every account shown to follow on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from counterfoil.base.problems import NotFound, Problem, TooLarge
from counterfoil.statements.continuity.following import SequenceGap, follow_on
from counterfoil.statements.reading import read
from counterfoil.statements.shape import SourceBroken, SourceRead, StatementInfo

FILES_MAX: Final = 10_000


@dataclass(frozen=True)
class FolderRead:
    """What a folder holds: files in order of name, those refused with their reasons, and where statements do not follow on."""

    reads: list[SourceRead]
    refused: list[SourceBroken]
    gaps: list[SequenceGap]
    duplicates: list[tuple[str, str]]

    @property
    def statements(self) -> list[StatementInfo]:
        """All statements, in order of file and line."""
        return [info for one in self.reads for info in one.statements]

    @property
    def rejected(self) -> int:
        """How many rows could not be understood."""
        return sum(len(one.rejected) for one in self.reads)

    @property
    def is_whole(self) -> bool:
        """Nothing refused, rejected, missing, doubled or contradicting itself, and something there at all."""
        wrong = self.refused or self.gaps or self.rejected or self.duplicates
        return bool(self.statements) and not wrong and all(info.carries is not False for info in self.statements)

    @property
    def is_shown(self) -> bool:
        """Whole, and every statement gives both balances and carries from one to the other."""
        return self.is_whole and all(info.carries for info in self.statements)


def load_folder(path: Path, *, format: str | None = None, asset: str | None = None) -> FolderRead:  # noqa: A002
    """Read every file of a folder (not of folders inside it; hidden files are left out). Raises NotFound, TooLarge.

    A file with the same bytes as another is not read twice: it is a duplicate, named with the file it repeats.
    """
    if not path.is_dir():
        raise NotFound(folder=str(path))
    files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    if len(files) > FILES_MAX:
        raise TooLarge(folder=str(path), files=len(files), files_max=FILES_MAX)
    reads: list[SourceRead] = []
    refused: list[SourceBroken] = []
    duplicates: list[tuple[str, str]] = []
    by_hash: dict[str, str] = {}
    for file in files:
        try:
            one = read(file, format=format, asset=asset)
        except SourceBroken as fault:
            refused.append(fault)
            continue
        except Problem as fault:
            refused.append(SourceBroken(file.name, None, None, fault.sentence()))
            continue
        if one.sha256 in by_hash:
            duplicates.append((file.name, by_hash[one.sha256]))
            continue
        by_hash[one.sha256] = file.name
        reads.append(one)
    return FolderRead(reads, refused, follow_on(reads), duplicates)
