"""For those who write migrations: `record` the schema, or print the `rows` of a state machine as SQL.

python -m counterfoil.base.migrations record
python -m counterfoil.base.migrations rows counterfoil.payouts.machines:PAYOUT
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from typing import Final

import psycopg

from counterfoil.base.machine import Machine
from counterfoil.base.migrations.describe import describe
from counterfoil.base.migrations.runner import FOLDER, migrate
from counterfoil.base.postgres.launcher import PrivatePostgres

RECORD: Final = FOLDER / "schema.sql"


def record() -> None:
    """Migrate an empty database and write down what it holds."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-schema-") as folder, PrivatePostgres(folder) as server:
        migrate(server.url)
        with psycopg.connect(server.url) as conn:
            RECORD.write_text(describe(conn), "utf-8")


def rows(named: str) -> str:
    """The insert that puts the machine `module:NAME` into the table of transitions."""
    module, _, name = named.partition(":")
    machine = getattr(importlib.import_module(module), name)
    if not isinstance(machine, Machine):
        raise SystemExit(f"{named} is no Machine")
    lines = ",\n".join(
        "    (" + ", ".join(str(value).lower() if isinstance(value, bool) else f"'{value}'" for value in row) + ")"
        for row in machine.rows()
    )
    return f"insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values\n{lines};\n"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record"]:
            record()
        case ["rows", named]:
            sys.stdout.write(rows(named))
        case _:
            raise SystemExit(__doc__)
