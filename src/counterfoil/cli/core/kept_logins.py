"""The logins of this user: a token for each server, in a file that only they can read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

FILE: Final = "logins.json"


def folder_of(environ: Mapping[str, str]) -> Path:
    """The user's own folder of settings, never the folder that they work in."""
    given = environ.get("XDG_CONFIG_HOME")
    return (Path(given) if given else Path(environ.get("HOME", "~")).expanduser() / ".config") / "counterfoil"


def same_address(one: str, other: str) -> bool:
    """Is it the same server? Scheme, host and port count."""
    try:
        return _origin(one) == _origin(other) != ("", "", None)
    except ValueError:
        return False


def login_at(url: str, environ: Mapping[str, str]) -> str | None:
    """The token of a login at this server, if there is one; the server says whether it is over."""
    found = next((kept for at, kept in _all(environ).items() if same_address(at, url)), {})
    token = found.get("token")
    return str(token) if token else None


def keep_login(url: str, token: str | None, environ: Mapping[str, str]) -> Path:
    """Keep a token for this server, or with None forget it; returns the file."""
    kept = {at: one for at, one in _all(environ).items() if not same_address(at, url)}
    if token is not None:
        kept[url] = {"token": token}
    folder = folder_of(environ)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, fresh = folder / FILE, folder / f"{FILE}.new"
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(kept, indent=2) + "\n")
    fresh.replace(path)
    return path


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def _all(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads((folder_of(environ) / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {str(at): one for at, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}
