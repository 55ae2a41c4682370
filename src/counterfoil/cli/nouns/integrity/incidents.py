"""`counterfoil incidents …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import give_text
from counterfoil.cli.core.verbs import noun_app
from counterfoil.integrity.incidents.noun import INCIDENT_NOUN

app = noun_app(INCIDENT_NOUN)


@app.command("post-mortem")
def post_mortem(
    incident_id: Annotated[str, typer.Argument(metavar="ID", help="The incident's id, inc_….")],
    file: Annotated[Path | None, typer.Option("--file", help="Where to write it; printed if absent.")] = None,
) -> None:
    """The post-mortem as Markdown: what was found, who did what when, and what people wrote (`incidents write`)."""
    with asked("read") as client:
        body = client.download(f"/api/incidents/{incident_id}/post-mortem")
    give_text(body, file)
