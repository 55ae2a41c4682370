"""Files of usage as they come in: how far each is, and when a part of it last came. A long one comes in parts, each recorded by itself."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.problems import InvalidInput
from counterfoil.base.rows import Records
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey, between_moments
from counterfoil.settlement.usage.usage import UsageImport

PREFIX: Final = "uf"
SILENT_AFTER: Final = timedelta(minutes=2)  # a part takes seconds
LINES_MAX: Final = 2**31 - 1
FIRST_RECORD: Final = 2  # the line of it below a header
Standing = Literal["under_way", "silent", "done"]
STANDINGS: Final[tuple[Standing, ...]] = ("under_way", "silent", "done")


class PartOfUsageFile(NamedTuple):
    """Where a part stands in its file: the SHA-256 of the whole, its lines, and the lines of the first and the last record of this part."""

    sha256: bytes
    lines: int
    from_line: int
    until_line: int


class UsageFile(NamedTuple):
    """A file of usage: of its `lines` so many are taken in without a gap, `new` records were recorded, lines with a mistake `rejected`."""

    id: str
    program_id: str
    file_name: str
    sha256: bytes
    lines: int
    lines_done: int
    new: int
    rejected: int
    actor: str
    began_at: datetime
    heard_at: datetime
    ended_at: datetime | None

    def standing(self, now: datetime) -> Standing:
        """Is it under way, all in, or was nothing heard of it for longer than two minutes? The same file again goes on."""
        if self.ended_at is not None:
            return "done"
        return "silent" if self.heard_at < now - SILENT_AFTER else "under_way"


def file_part(sha256: str | None, lines: int | None, from_line: int | None, until_line: int | None) -> PartOfUsageFile | None:
    """What a sender says of the file that its part is of; None of what comes whole. Raises InvalidInput unless all of it is said."""
    if sha256 is None and lines is None and until_line is None:
        return None
    if sha256 is None or lines is None or from_line is None or until_line is None:
        raise InvalidInput("ofFile", "given together with ofLines, fromLine and untilLine")
    if not 1 <= until_line <= lines:
        raise InvalidInput("untilLine", f"from 1 to {lines}, the lines of the file", got=str(until_line))
    return PartOfUsageFile(bytes.fromhex(sha256), lines, from_line, until_line)


def whole_file(body: bytes) -> PartOfUsageFile:
    """Of a file that comes whole: all of it."""
    lines = max(1, body.count(b"\n") + (not body.endswith(b"\n")))
    return PartOfUsageFile(hashlib.sha256(body).digest(), lines, 1, lines)


# As far as there is no gap: what came after one counts once the lines before it are in and it is sent again.
_REACHED: Final = f"""case when %(from)s <= greatest(f.lines_done + 1, {FIRST_RECORD}) then greatest(f.lines_done, %(until)s)
                           else f.lines_done end"""


def note_part(
    conn: Connection[Any],
    program_id: str,
    part: PartOfUsageFile,
    made: UsageImport,
    *,
    file_name: str,
    make_id: MakeId,
    actor: str,
    now: datetime,
) -> None:
    """A part was taken in. Sent again it counts no mistake twice. Raises InvalidInput when the file has other lines than before."""
    begun = part.until_line if part.from_line <= FIRST_RECORD else 0
    row = conn.execute(
        f"""insert into usage_file as f
               (id, program_id, sha256, file_name, lines, lines_done, new, rejected, actor, began_at, heard_at, ended_at)
           values (%(id)s, %(program)s, %(sha256)s, %(name)s, %(lines)s, %(done)s, %(new)s, %(rejected)s, %(actor)s, %(now)s, %(now)s,
                   case when %(done)s = %(lines)s then %(now)s::timestamptz end)
           on conflict on constraint usage_file_is_known_once do update set
               lines_done = {_REACHED}, new = f.new + excluded.new,
               rejected = f.rejected + case when {_REACHED} > f.lines_done then %(rejected)s else 0 end,
               heard_at = greatest(f.heard_at, excluded.heard_at),
               ended_at = coalesce(f.ended_at, case when {_REACHED} = f.lines then excluded.heard_at end)
           where f.lines = excluded.lines
           returning id""".encode(),
        {
            "id": make_id("uf"),
            "program": program_id,
            "sha256": part.sha256,
            "name": file_name,
            "lines": part.lines,
            "done": begun,
            "from": part.from_line,
            "until": part.until_line,
            "new": made.new,
            "rejected": made.rejected,
            "actor": actor,
            "now": now,
        },
    ).fetchone()
    if row is None:
        found = conn.execute("select lines from usage_file where (program_id, sha256) = (%s, %s)", [program_id, part.sha256]).fetchone()
        assert found is not None
        raise InvalidInput("ofLines", f"{found[0]}, as was said of this file before", got=str(part.lines))


FILES: Final = Records(UsageFile, f"select {', '.join(UsageFile._fields)} from usage_file", "usage import")
USAGE_FILE_LIST: Final = PlainList(
    "usage imports",
    PREFIX,
    "usage_file",
    FILES.by_id,
    (
        SortKey("began_at", datetime),
        SortKey("heard_at", datetime),
        SortKey("file_name", str),
    ),
    (
        Narrow(
            "standing",
            f"""case when t.ended_at is not null then 'done'
                     when t.heard_at < %(now)s - interval '{SILENT_AFTER.total_seconds():.0f} seconds' then 'silent'
                     else 'under_way' end = %(standing)s""",
            "Only those under way, those of which nothing was heard for two minutes, or those that are all in.",
            "choice",
            choices=STANDINGS,
        ),
        *between_moments("began_at", "begun"),
    ),
)
