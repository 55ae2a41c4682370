"""Keep a package that was made: its folder goes into the store whole, and is not written again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg import Connection

from counterfoil.proofs.packages.writing import PackageFolder, digest_of


def is_damaged(made: PackageFolder, place: Path) -> bool:
    """Does something else lie there than was made?"""
    return place.exists() and any(digest_of(place / one.name) != one.sha256 for one in made.files.values())


def put(made: PackageFolder, place: Path, *, set_aside: Path | None) -> None:
    """Into the store, if it is not there. What was damaged there is kept aside, and this takes its place."""
    if place.exists():
        if set_aside is None or not is_damaged(made, place):  # somebody else may have made it anew
            return
        set_aside.parent.mkdir(parents=True, exist_ok=True)
        place.rename(set_aside)
    place.parent.mkdir(parents=True, exist_ok=True)
    made.folder.rename(place)


def record_files(conn: Connection[Any], made: PackageFolder, proof_id: str) -> None:
    """What its files are, so that each can be held against what lies in the store."""
    with conn.cursor() as cur:
        cur.executemany(
            "insert into proof_file (proof_id, name, sha256, bytes, crc32) values (%s, %s, %s, %s, %s)",
            [[proof_id, one.name, bytes.fromhex(one.sha256), one.bytes, one.crc32] for _, one in sorted(made.files.items())],
        )
