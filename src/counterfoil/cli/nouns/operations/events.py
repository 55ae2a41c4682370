"""`counterfoil events …`"""

from __future__ import annotations

from counterfoil.cli.core.derived import Only, add_list
from counterfoil.cli.core.groups import command_group

app = command_group("What happened.")


add_list(
    app,
    "/api/events",
    ("at", "level", "name", "subjectId", "payload", "state"),
    "Events, newest first.",
    "No such events.",
    Only("--name", "Only of this name, such as payout_failed."),
    Only("--level", "debug, info, warning or critical."),
    Only("--subject", "Only about this thing.", "subjectId"),
)
