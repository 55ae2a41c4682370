"""`counterfoil people first`: the two administrators with whom everything else begins. On this machine, with the database's address."""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.problems import InvalidInput
from counterfoil.cli.core.output import TABLE, Output, show_rows
from counterfoil.cli.local.installation import local_database, settings_now
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import SECRET_BYTES

BY = "system:first"


def first(
    name: Annotated[str, typer.Argument(help="Who administers.")],
    other: Annotated[str, typer.Argument(help="And who approves what they do: another person.")],
    output: Output = TABLE,
) -> None:
    """Add the first two administrators, once. Their one-time secrets are shown now and kept nowhere; each logs in with theirs."""
    with local_database(settings_now()) as database, database.transaction() as conn:
        if logins.is_administered(conn):
            limit = "an installation that nobody administers yet; two administrators add the next"
            raise InvalidInput("people", limit)
        rows = []
        for one in (name, other):
            random = entropy(SECRET_BYTES + logins.SALT_BYTES)
            made, once = logins.add_person(conn, make_id("prn"), random, name=one, by=BY, now=now())
            logins.grant_role(conn, make_id("grant"), made.id, "administrator", by=BY, now=now())
            rows.append({"id": made.id, "name": made.name, "role": "administrator", "once": once})
    show_rows(rows, ("id", "name", "role", "once"), output)
