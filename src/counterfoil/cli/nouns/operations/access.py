"""`counterfoil access …`"""

from __future__ import annotations

from counterfoil.cli.core.derived import add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.operations.access.audit_records import ACCESS_LIST

app = command_group("Who came in, who failed to, and who was refused.")
COLUMNS = ("at", "kind", "name", "apiKeyId", "address", "method", "path", "needs", "requestId")


add_list(
    app,
    "/api/access",
    COLUMNS,
    "Logins, failed logins and refusals, newest first unless sorted otherwise; for auditors, controllers and administrators.",
    "Nothing.",
    *of_noun(ACCESS_LIST),
    need="audit",
)
