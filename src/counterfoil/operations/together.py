"""What several threads ask for at the same moment is done in one go: one transaction and one commit for all of them.

Nobody waits for company: who comes while nothing runs goes at once, alone, and who comes while something runs goes next, with all who
came meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar, cast

import structlog

TEXT_MAX: Final = 500
_log = structlog.get_logger("counterfoil.work")
Given = TypeVar("Given")
Result = TypeVar("Result")


class _Asked(Generic[Given, Result]):
    """What one thread asked for, and what became of it."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.result: Result | Exception | None = None
        self.done = False
        self.alone = False  # its set failed: it is asked for by itself


class Together(Generic[Given, Result]):
    """Calls of many threads, gathered. The threads that ask do the work themselves, one at a time, for all who wait by then.

    When a set fails, each of its members is done by itself, by the thread that asked for it: one that is at fault, or waits for a lock,
    costs the others no more than the set's own time.
    """

    def __init__(self, do: Callable[[Sequence[Given]], Sequence[Result | Exception]]) -> None:
        """`do` says of each of a set what came of it, in their order; what is an exception is raised where it was asked."""
        self._do = do
        self._changed = threading.Condition()
        self._waiting: list[_Asked[Given, Result]] = []
        self._running = False

    def __call__(self, given: Given) -> Result:
        """What came of it. Raises what came of it, and what `do` raises for it alone."""
        mine: _Asked[Given, Result] = _Asked(given)
        with self._changed:
            self._waiting.append(mine)
            while self._running and not mine.done:
                self._changed.wait()
            if not mine.done:
                self._running, asked, self._waiting = True, self._waiting, []
        if not mine.done:
            self._run(asked)
        if mine.alone:
            (mine.result,) = self._do([given])
        if isinstance(mine.result, Exception):
            raise mine.result
        return cast("Result", mine.result)

    def _run(self, asked: Sequence[_Asked[Given, Result]]) -> None:
        results: Sequence[Result | Exception] | None = None
        try:
            results = self._do([one.given for one in asked])
        except Exception as error:  # noqa: BLE001 - it is raised again, to whom it concerns
            if len(asked) == 1:
                results = [error]
            else:
                _log.warning("set failed, doing its items singly", items=len(asked), error=f"{type(error).__name__}: {error}"[:TEXT_MAX])
        finally:
            with self._changed:
                for place, one in enumerate(asked):
                    one.done, one.alone = True, results is None
                    one.result = None if results is None else results[place]
                self._running = False
                self._changed.notify_all()
