"""`counterfoil events …`"""

from __future__ import annotations

from counterfoil.cli.core.derived import add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.operations.events.events import EVENT_LIST

app = command_group("What happened.")


add_list(
    app,
    "/api/events",
    ("at", "level", "name", "subjectId", "payload", "state"),
    "Events, newest first unless sorted otherwise.",
    "No such events.",
    *of_noun(EVENT_LIST),
)
