"""`counterfoil usage …`"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import OF_PROGRAM, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, say, say_done, show_one, show_rows
from counterfoil.cli.core.progress import taken_in
from counterfoil.client.client import Client
from counterfoil.settlement.usage.files import USAGE_FILE_LIST

app = command_group("What was used.")
PART_LINES: Final = 5_000
MISTAKES_SHOWN: Final = 20
QUOTED_PARTS: Final = 4  # a quote that is never closed would make one part of all the rest
MISTAKE: Final = ("line", "column", "field", "limit", "got")


class FilePart(NamedTuple):
    """A part of a file that is a file itself: its header, some records, and the line of the first of them in the whole."""

    body: bytes
    from_line: int
    until_line: int


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Usage as CSV, or as NDJSON: one JSON object in each line.")],
    program: Annotated[str, typer.Option("--program", help="Whose usage it is.")] = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Record usage from a file, part by part. A line with a mistake is named by line and field, and the others are recorded: exit code 1.
    The same file again changes nothing, so what was cut off is said again, and goes on."""
    with asked("operate") as client:
        done = _send(client, file, program, dry_run=dry_run)
    if output is Format.JSON:
        say_done(done, output, "")
    else:
        _say(file.name, done, output)
    if output is not Format.TABLE and (untold := done["rejected"] - len(done["mistakes"])):
        typer.echo(f"{untold:,} more mistakes are not named here: mend these, and import the file again.", err=True)
    if done["rejected"]:
        raise typer.Exit(1)


add_list(
    app,
    "/api/usage/imports",
    ("id", "fileName", "standing", "linesDone", "lines", "new", "rejected", "beganAt", "heardAt", "actor"),
    "Files of usage and how far each is taken in, newest first unless sorted otherwise.",
    "No file of usage came in.",
    OF_PROGRAM,
    *of_noun(USAGE_FILE_LIST),
    word="imports",
)


@app.command("import-show")
def import_show(id: Annotated[str, typer.Argument(help="Of the import: uf_….")], output: Output = TABLE) -> None:  # noqa: A002 - as it is called
    """How far a file of usage is, and when a part of it last came. One that is silent goes on when the same file is imported again."""
    with asked("read") as client:
        found = client.get(f"/api/usage/imports/{id}")
    show_one(found, output)


def _say(name: str, done: dict[str, Any], output: Format) -> None:
    known = "was imported before; nothing was added" if done["existed"] else f"{done['new']:,} of {done['records']:,} are new"
    rejected = (
        f"; {counted(done['rejected'], 'line has a mistake and was', 'lines have a mistake and were')} not recorded"
        if done["rejected"]
        else ""
    )
    shown = {key: value for key, value in done.items() if key != "mistakes"}
    if output is Format.CSV and done["mistakes"]:
        show_rows(done["mistakes"], MISTAKE, output)
        return
    say_done(shown, output, f"{name}: {known}{rejected}.")
    if done["mistakes"] and output is Format.TABLE:
        show_rows(done["mistakes"][:MISTAKES_SHOWN], MISTAKE, output)
        if done["rejected"] > MISTAKES_SHOWN:
            say(f"{MISTAKES_SHOWN} of {done['rejected']:,} are shown; --output csv shows more.")


def _send(client: Client, file: Path, program: str, *, dry_run: bool) -> dict[str, Any]:
    total = {"records": 0, "new": 0, "existed": True, "rejected": 0, "mistakes": [], "dryRun": dry_run}
    sent, size, read, (sha256, lines) = 0, file.stat().st_size, 0, _whole(file)
    with taken_in(file.name) as progress:
        for part in parts_of(file):
            of = (sha256, max(lines, part.until_line), part.until_line)
            given: dict[str, Any] = {"file_name": file.name, "from_line": part.from_line, "part_of": of, "dry_run": dry_run}
            try:
                done = client.import_usage(program, part.body, **given)
            except (Exception, KeyboardInterrupt):
                if sent and not dry_run:
                    typer.echo(f"{file.name}: lines up to {sent:,} are recorded; the same command goes on from there.", err=True)
                raise
            sent = part.until_line
            _add(total, done)
            read += len(part.body)
            progress(min(read, size), size)
    return total


def _whole(file: Path) -> tuple[str, int]:
    """The SHA-256 of a file, by which its parts are known to be of one, and how many lines it has."""
    digest, lines = hashlib.sha256(), 0
    with file.open("rb") as stream:
        for line in stream:
            digest.update(line)
            lines += 1
    return digest.hexdigest(), lines


def _add(total: dict[str, Any], done: dict[str, Any]) -> None:
    for name in ("records", "new", "rejected"):
        total[name] += done[name]
    total["existed"] = total["existed"] and done["existed"]
    total["mistakes"] += done["mistakes"]


def parts_of(file: Path, *, lines: int = PART_LINES) -> Iterator[FilePart]:
    """A file in parts of so many lines. A line end within quotes parts nothing; a file of one part is sent as it is."""
    with file.open("rb") as stream:
        first = stream.readline()
        is_json = first.lstrip(b"\xef\xbb\xbf \t").startswith(b"{")
        header = b"" if is_json else first
        begins, at, quoted, found = (1, 1, False, [first]) if is_json else (2, 1, False, [])
        none_yet = True
        for line in stream:
            if len(found) >= lines * (QUOTED_PARTS if quoted else 1):
                yield FilePart(header + b"".join(found), begins, at)
                begins, found, none_yet = at + 1, [], False
            found.append(line)
            at += 1
            quoted ^= not is_json and line.count(b'"') % 2 == 1
        if found or none_yet:
            yield FilePart(header + b"".join(found), begins, at)
