"""Where the server is and with which key it is asked: the environment, or the file that the demo leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from counterfoil.cli.core.kept_logins import login_at, same_address
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem

URL: Final = "http://127.0.0.1:8080"
CLIENT_FILE: Final = "client.json"
TIMEOUT_S: Final = 120.0
Need = Literal["read", "audit", "operate", "work", "accept", "approve", "post", "administer"]
# Which of the keys in the file is used for what: the one that can do the least of those that can do it.
ROLES: Final[Mapping[Need, tuple[str, ...]]] = {
    "read": ("viewer", "auditor", "operator", "approver", "controller", "administrator"),
    "audit": ("auditor", "controller", "administrator"),
    "operate": ("operator", "controller"),
    "work": ("operator", "approver", "controller"),  # on breaks
    "accept": ("approver", "controller"),
    "approve": ("approver",),
    "post": ("controller",),
    "administer": ("administrator",),
}


class Server(NamedTuple):
    """An address, and a key or the token of a login; None when there is none."""

    url: str
    key: str | None


def server(need: Need, environ: Mapping[str, str]) -> Server:
    """The server to ask, with a key that may do what is needed.

    A key goes to the address that it was given with, and to no other: that of the environment to the environment's address or the
    default, those of the file to the file's address, a login to the server that it was made at. A file that lies in the folder in
    which somebody works could name any address.
    """
    given_url, given_key = environ.get("COUNTERFOIL_URL"), environ.get("COUNTERFOIL_API_KEY")
    kept = _kept(Path(environ.get("COUNTERFOIL_DATA_FOLDER", ".counterfoil")) / CLIENT_FILE)
    if given_key:
        return Server(given_url or URL, given_key)
    url = given_url or str(kept.get("url", URL))
    keys = kept.get("keys", {}) if same_address(url, str(kept.get("url", ""))) else {}
    found = next((str(keys[role]) for role in ROLES[need] if role in keys), None)
    login = login_at(url, environ)
    return Server(url, (login or found) if need == "approve" else (found or login))


@contextmanager
def asked(need: Need) -> Iterator[Client]:
    """A client for one command. Raises ApiProblem when there is no key at all."""
    url, key = server(need, os.environ)
    if key is None:
        told = {
            "type": "/problems/NotAuthenticated",
            "title": "There is no API key to ask with, and no login.",
            "kind": "unauthenticated",
        }
        raise ApiProblem(told, 401)
    with Client(url, key, timeout_s=TIMEOUT_S) as client:
        yield client


def _kept(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
