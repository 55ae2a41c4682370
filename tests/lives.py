"""Machines of hypothesis that live in one database."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis.errors import Flaky, HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
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


class LastingLife(RuleBasedStateMachine):
    """Every life goes on where the one before it ended, so none can be lived again: what first went wrong is kept."""

    went_wrong: ClassVar[Exception | None] = None

    def teardown(self) -> None:
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, HypothesisException) and type(self).went_wrong is None:
            type(self).went_wrong = error


def lived(life: type[LastingLife], how: settings) -> None:
    """Live some lives. What went wrong is told as it was: hypothesis lives that life again, finds another one, and calls it flaky."""
    try:
        run_state_machine_as_test(life, settings=how)  # type: ignore[no-untyped-call]
    except Flaky as flaky:
        raise life.went_wrong or flaky from flaky
