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
        self.woken = threading.Lock()  # held until it is done, or its turn
        self.woken.acquire()


class Together(Generic[Given, Result]):
    """Calls of many threads, gathered. The threads that ask do the work themselves, one at a time, for all who wait by then.

    Each waits for itself alone: of sixty that wait, those wake whose set is done, and the one whose turn it is then.

    When a set fails, each of its members is done by itself, by the thread that asked for it: one that is at fault, or waits for a lock,
    costs the others no more than the set's own time.
    """

    def __init__(self, do: Callable[[Sequence[Given]], Sequence[Result | Exception]]) -> None:
        """`do` says of each of a set what came of it, in their order; what is an exception is raised where it was asked."""
        self._do = do
        self._changing = threading.Lock()
        self._waiting: list[_Asked[Given, Result]] = []
        self._running = False

    def __call__(self, given: Given) -> Result:
        """What came of it. Raises what came of it, and what `do` raises for it alone."""
        mine: _Asked[Given, Result] = _Asked(given)
        with self._changing:
            self._waiting.append(mine)
            waits, self._running = self._running, True
        if waits:
            mine.woken.acquire()
        if not mine.done:
            self._run(mine)
        if mine.alone:
            (mine.result,) = self._do([given])
        if isinstance(mine.result, Exception):
            raise mine.result
        return cast("Result", mine.result)

    def _run(self, mine: _Asked[Given, Result]) -> None:
        with self._changing:
            asked, self._waiting = self._waiting, []
        results: Sequence[Result | Exception] | None = None
        try:
            results = self._do([one.given for one in asked])
        except Exception as error:  # noqa: BLE001 - it is raised again, to whom it concerns
            if len(asked) == 1:
                results = [error]
            else:
                _log.warning("set failed, doing its items singly", items=len(asked), error=f"{type(error).__name__}: {error}"[:TEXT_MAX])
        finally:
            for place, one in enumerate(asked):
                one.result = None if results is None else results[place]
                one.done, one.alone = True, results is None
            with self._changing:
                turn = self._waiting[0] if self._waiting else None
                self._running = turn is not None
            for one in (*asked, *([turn] if turn is not None else [])):
                if one is not mine:
                    one.woken.release()
