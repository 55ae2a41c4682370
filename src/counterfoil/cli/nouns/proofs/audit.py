"""`counterfoil audit …`"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import add_list, of_noun
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, Output, say, show_rows, write_file
from counterfoil.cli.nouns.proofs.proof import moment
from counterfoil.operations.access.audit_records import AUDIT_LIST
from counterfoil.proofs.trail_diff import Row, differences, read_rows

app = command_group("Who did what and who was refused; audit trails, and how two differ.")
RECORD_COLUMNS = ("at", "actor", "role", "what", "subject", "outcome", "apiKeyId", "address", "reason", "requestId")
COLUMNS = ("what", "type", "id", "line", "field", "expected", "actual")


add_list(
    app,
    "/api/audit/records",
    RECORD_COLUMNS,
    "Actions, logins and refusals, newest first unless sorted otherwise; for auditors, controllers and administrators.",
    "Nothing.",
    *of_noun(AUDIT_LIST),
    need="audit",
)


class TrailFormat(StrEnum):
    """How a trail is written."""

    CSV = "csv"
    JSON = "json"


@app.command("export")
def export(
    output: Annotated[Path, typer.Option("--output", help="The file that it is written to.")],
    agent_id: Annotated[str | None, typer.Option("--agent-id", help="The agent.")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Or an account, by its name.")] = None,
    program: Annotated[str | None, typer.Option("--program", help="Whose books.")] = None,
    start: Annotated[str | None, typer.Option("--start-time", help="From when on, by when it was recorded.")] = None,
    end: Annotated[str | None, typer.Option("--end-time", help="Until when, not included.")] = None,
    form: Annotated[TrailFormat, typer.Option("--format", help="csv or json.")] = TrailFormat.CSV,
) -> None:
    """Write the trail of an agent or an account to a file: what moved it, and what people did with it."""
    given = {"agentId": agent_id, "account": account, "programId": program}
    span = {"startTime": moment(start) if start else None, "endTime": moment(end) if end else None}
    with asked("audit") as client:
        body = client.download("/api/audit/export", **given, **span, format=form.value)
    write_file(output, body)
    say(f"{output}: {sum(1 for _ in read_trail(output)):,} rows.")


@app.command("diff")
def diff(
    expected: Annotated[Path, typer.Option("--expected", help="The trail as it should be.", exists=True, dir_okay=False)],
    actual: Annotated[Path, typer.Option("--actual", help="The trail as it is.", exists=True, dir_okay=False)],
    output: Output = TABLE,
) -> None:
    """Hold two trails against each other; no server. Ends with 1 when they differ."""
    found = differences(read_trail(expected), read_trail(actual))
    show_rows([one._asdict() for one in found], COLUMNS, output, empty="Both say the same.")
    raise typer.Exit(NOT_GREEN if found else 0)


def read_trail(path: Path) -> Iterator[Row]:
    """The rows of a trail, as JSON or as CSV, one after the other."""
    try:
        yield from read_rows(path)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} holds no audit trail: {error}") from error
