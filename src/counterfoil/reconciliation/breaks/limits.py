"""Up to what a break may be written off, by program and asset."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import AmountOutOfRange

WRITE_OFF_DEFAULT_MAJOR: Final = 10  # units of an asset, until somebody sets a limit


def write_off_limit(conn: Connection[Any], program_id: str, asset: str) -> int:
    """Up to what a break may be written off, in minor units: the newest limit, or ten units of the asset where none was set."""
    row = conn.execute(
        """select coalesce((select minor from write_off_limit where program_id = %(program)s and asset = %(asset)s
                            order by version desc limit 1),
                           (select (%(default)s * 10::numeric ^ scale)::bigint from asset where code = %(asset)s), 0)""",
        {"program": program_id, "asset": asset, "default": WRITE_OFF_DEFAULT_MAJOR},
    ).fetchone()
    return int(row[0]) if row else 0


def set_write_off_limit(conn: Connection[Any], program_id: str, asset: str, *, minor: int, reason: str, actor: str, now: datetime) -> None:
    """From now on write-offs in this asset go up to `minor`; 0 forbids them. Raises InvalidInput, and for unknown ones a refusal."""
    if not 0 <= minor <= 10**18:
        raise AmountOutOfRange("minor", "nothing or more, and at most 10¹⁸ minor units", got=minor, asset=asset)
    conn.execute(
        """insert into write_off_limit (program_id, asset, version, minor, reason, actor, at)
           select %(program)s, %(asset)s, 1 + count(*), %(minor)s, %(reason)s, %(actor)s, %(at)s
           from write_off_limit where program_id = %(program)s and asset = %(asset)s""",
        {"program": program_id, "asset": asset, "minor": minor, "reason": reason, "actor": actor, "at": now},
    )
