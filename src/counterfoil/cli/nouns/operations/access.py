"""`counterfoil access …`"""

from __future__ import annotations

from counterfoil.cli.core.derived import Only, add_list
from counterfoil.cli.core.groups import command_group

app = command_group("Who came in, who failed to, and who was refused.")
COLUMNS = ("at", "kind", "name", "apiKeyId", "address", "method", "path", "needs", "requestId")


add_list(
    app,
    "/api/access",
    COLUMNS,
    "Logins, failed logins and refusals, newest first; for auditors, controllers and administrators.",
    "Nothing.",
    Only("--kind", "login, login_failed, login_limited, logout, key_refused, refused, or a change of how somebody logs in."),
    need="audit",
)
