"""Machines of hypothesis that live in one database."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine
from psycopg import Connection


class RolledBackLife(RuleBasedStateMachine):
    """Every life is lived in `books`, and rolled back at its end."""

    books: ClassVar[Connection[Any]]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(self.books.transaction(force_rollback=True))

    def teardown(self) -> None:
        self.stack.close()
