"""`counterfoil proof stamp`: ask an authority outside (RFC 3161) to say since when a package is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from counterfoil.base.problems import Problem
from counterfoil.cli.core.output import patience, say
from counterfoil.proofs.packages.layout import ENVELOPE
from counterfoil.proofs.verifying.reading import OpenPackage
from counterfoil.proofs.verifying.stamps import CHECKPOINT, GivenStamp, StampRequest, read_roots

TIMEOUT_S: Final = 20
ANSWER_BYTES_MAX: Final = 64 * 1024


class AuthorityAway(Problem, kind="busy"):
    """The authority for time stamps does not answer as it should."""

    todo = "Look at the address, and ask again; or ask another authority."


def trusted_authorities(path: Path) -> list[Any]:
    """The certificates in this file. Raises BadParameter for a file without any, OSError."""
    try:
        return read_roots(path.read_bytes())
    except ValueError:
        raise typer.BadParameter(f"{path} holds no certificate in PEM", param_hint="--trust") from None


def stamp_package(
    package: Annotated[Path, typer.Argument(help="The package, signed: with a signature more it is to be stamped anew.", exists=True)],
    authority: Annotated[str, typer.Option("--authority", metavar="URL", help="Where the authority takes requests of RFC 3161.")],
    trust: Annotated[Path, typer.Option("--trust", help="Certificates of the authorities that you trust (PEM).", exists=True)],
    out: Annotated[Path | None, typer.Option("--out", help="Where the time stamp goes; beside the package, if absent.")] = None,
    of_log: Annotated[bool, typer.Option("--log", help="Stamp the closing checkpoint of the log instead of the signatures.")] = False,
) -> None:
    """Have a package stamped by an authority outside, so that nobody can say that its signatures were made later.

    The authority sees a SHA-256 alone. Its stamp is verified here, and kept beside the package: `counterfoil proof verify --stamp`.
    """
    if not authority.startswith(("http://", "https://")):
        raise typer.BadParameter("an address that begins with https:// or http://", param_hint="--authority")
    path = out or package.with_suffix(".tsr")
    if path.exists():
        raise typer.BadParameter(f"{path} is there already: a time stamp is never written over", param_hint="--out")
    roots = trusted_authorities(trust)
    opened = OpenPackage(package)
    try:
        asked = StampRequest(opened.whole(CHECKPOINT if of_log else ENVELOPE))
        with patience("The authority is being asked"):
            raw = _answer(authority, asked.as_bytes())
        asked.refuse_other(raw, roots)
        stamp = GivenStamp(raw, roots).read(opened)
    finally:
        opened.close()
    with path.open("xb") as file:
        file.write(raw)
    say(f"{stamp.told()}\n{path}: keep it with the package, and the authority's certificates, too.")


def _answer(authority: str, body: bytes) -> bytes:
    """What the authority says. Raises AuthorityAway."""
    import httpx2

    try:
        with httpx2.stream(
            "POST", authority, content=body, headers={"Content-Type": "application/timestamp-query"}, timeout=TIMEOUT_S
        ) as answer:
            found = b""
            for part in answer.iter_bytes():
                found += part
                if len(found) > ANSWER_BYTES_MAX:
                    raise AuthorityAway(authority=authority, why="its answer is longer than any time stamp")
            kind = answer.headers.get("Content-Type", "").partition(";")[0]
    except httpx2.HTTPError as error:
        raise AuthorityAway(authority=authority, why=type(error).__name__) from error
    if answer.status_code != 200 or kind != "application/timestamp-reply":
        raise AuthorityAway(authority=authority, why=f"it answered {answer.status_code} {kind}")
    return found
