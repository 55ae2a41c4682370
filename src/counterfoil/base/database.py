"""What the database says, in our words: the name of a constraint or an error code of ours becomes a Problem, once, here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from psycopg import errors

from counterfoil.base.problems import Busy, DatabaseAway, Problem
from counterfoil.base.text import CLEAN


class AppendOnly(Problem):
    """What was recorded is never changed or deleted; correct it with a new record."""


class StepRefused(Problem):
    """The database refuses this step: it is not in the table of transitions, or somebody else took it first."""


class DatabaseRefused(Problem):
    """The database refuses this row."""


class UncleanText(Problem, kind="invalid"):
    """A text holds NUL or half a character, which no record can hold."""


class PlanForgotten(Busy):
    """The connection does not hold a prepared statement as it was prepared; it was given up, so try again.

    Once, after a migration under a running server. Again and again, behind a pooler that swaps connections: set `database_prepares` off.
    """


_BY_CODE: dict[str, type[Problem]] = {"CF001": AppendOnly, "CF002": StepRefused}
_BY_CONSTRAINT: dict[str, type[Problem]] = {"step_is_taken_once": StepRefused, "step_is_allowed": StepRefused}
_BUSY: Final = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.QueryCanceled,
)
_UNCLEAN: Final = (errors.CharacterNotInRepertoire, errors.UntranslatableCharacter)
_FORGOTTEN: Final = (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement)
_REFUSED: Final = (errors.IntegrityError, errors.InsufficientPrivilege, errors.NumericValueOutOfRange)


def name_refusals(*, codes: dict[str, type[Problem]] | None = None, constraints: dict[str, type[Problem]] | None = None) -> None:
    """A part tells which of its error codes and constraints mean which problem; called at import, next to the problem."""
    _BY_CODE.update(codes or {})
    _BY_CONSTRAINT.update(constraints or {})


def forgets_plans(error: errors.Error) -> bool:
    """Does the connection hold other prepared statements than its client believes? It is of no use any more, then."""
    stale = isinstance(error, errors.FeatureNotSupported) and "cached plan" in str(error)
    return stale or isinstance(error, _FORGOTTEN)


def problem_of(error: errors.Error) -> Problem | None:
    """The problem behind a database error, or None when it is a bug of ours."""
    code, constraint = error.sqlstate or "", (error.diag.constraint_name or "")
    known: Callable[..., Problem] | None = _BY_CODE.get(code) or _BY_CONSTRAINT.get(constraint)
    said = (error.diag.message_primary or "").strip()
    if known is not None:
        # The problem says it in words: the name of a constraint, which PostgreSQL tells, is nothing to whoever asked.
        return known() if constraint and f'"{constraint}"' in said else known(detail=said, constraint=constraint or None)
    if forgets_plans(error):
        return PlanForgotten(detail=said, setting="database_prepares")
    if isinstance(error, _UNCLEAN) or (isinstance(error, errors.DataError) and "NUL (0x00)" in str(error)):
        return UncleanText(limit=CLEAN)
    if isinstance(error, _REFUSED):
        return DatabaseRefused(detail=said, constraint=constraint or None)
    if isinstance(error, _BUSY):
        return Busy(what="database", detail=said or type(error).__name__)
    return DatabaseAway(detail=said or type(error).__name__) if isinstance(error, errors.OperationalError) else None
