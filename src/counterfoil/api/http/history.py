"""What was done with a thing: its steps, and what people and keys did by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.schemas import ActionView, StepView, ViewModel
from counterfoil.audit.actions import actions_of
from counterfoil.base.machine import history_of
from counterfoil.base.text import camel
from counterfoil.operations.verbs import PART_ROWS_MAX

SHOWN_MAX: Final = PART_ROWS_MAX
CUT: Final = "Of which lists here only the beginning is shown, since there is more."


class WithHistory(ViewModel):
    """A thing with its history: steps from the first on, actions from the last back."""

    steps: list[StepView]
    actions: list[ActionView]
    cut: list[str] = Field(description=CUT)


class WithVerbs(WithHistory):
    """A thing with what may be done and what was done."""

    allowed: list[str] = Field(description="What may be done now.")


def history(conn: Connection[Any], subject_id: str, **others: Sequence[Any]) -> dict[str, Any]:
    """The fields `steps`, `actions` and `cut` of it. `others`: lists of the same answer by their names, read with one row more than is
    shown."""
    steps, actions = history_of(conn, subject_id, rows_max=SHOWN_MAX + 1), actions_of(conn, subject_id, rows_max=SHOWN_MAX + 1)
    return {
        "steps": StepView.each(steps[:SHOWN_MAX]),
        "actions": ActionView.each(actions[:SHOWN_MAX]),
        "cut": cut_lists(steps=steps, actions=actions, **others),
    }


def cut_lists(**lists: Sequence[Any]) -> list[str]:
    """Which of these, read with one row more than is shown, are not shown whole; as the wire names them."""
    return [camel(name) for name, rows in lists.items() if len(rows) > SHOWN_MAX]
