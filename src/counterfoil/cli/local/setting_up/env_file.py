"""The file `.env` of an installation: lines are added to it, and none is ever changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.settings import ENV_FILE


class SettingDiffers(Problem):
    """A setting has another value already; it is changed by hand, where it stands."""


def lacking_lines(wanted: Mapping[str, str]) -> dict[str, str]:
    """Those that neither the environment nor the file holds. Raises SettingDiffers for one that holds another value."""
    in_file = dotenv_values(ENV_FILE, interpolate=False)
    for name, value in wanted.items():
        for place, there in (("the environment", os.environ.get(name)), (ENV_FILE, in_file.get(name))):
            if there is not None and there != value:
                raise SettingDiffers(setting=name, place=place, there=there, wanted=value)
    return {name: value for name, value in wanted.items() if not is_set(name)}


def is_set(name: str) -> bool:
    """Does the environment or the file hold a value for it?"""
    return name in os.environ or dotenv_values(ENV_FILE, interpolate=False).get(name) is not None


def add_lines(lines: Mapping[str, str]) -> None:
    """Add lines at the end, all or none; only its owner reads the file from then on. Raises InvalidInput where it cannot be written."""
    if not lines:
        return
    file = Path(ENV_FILE)
    draft = file.with_name(f"{ENV_FILE}.{os.getpid()}")
    try:
        before = file.read_text("utf-8") if file.exists() else ""
        if before and not before.endswith("\n"):
            before += "\n"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(before + "".join(f"{name}={value}\n" for name, value in lines.items()))
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InvalidInput(ENV_FILE, "a file that can be written here", got=str(Path.cwd()), reason=error.strerror) from error
