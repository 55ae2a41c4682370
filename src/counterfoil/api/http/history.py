"""What was done with a thing: its steps, and what people and keys did by hand."""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.schemas import ActionView, StepView, ViewModel
from counterfoil.audit.actions import actions_of
from counterfoil.base.machine import history_of


class WithHistory(ViewModel):
    """A thing with its history."""

    steps: list[StepView]
    actions: list[ActionView]


class WithVerbs(ViewModel):
    """A thing with what may be done and what was done."""

    allowed: list[str] = Field(description="What may be done now.")
    steps: list[StepView]
    actions: list[ActionView]


def steps_of(conn: Connection[Any], subject_id: str) -> list[StepView]:
    """Its steps, the first one first."""
    return StepView.each(history_of(conn, subject_id))


def history(conn: Connection[Any], subject_id: str) -> dict[str, Any]:
    """The fields `steps` and `actions` of it."""
    return {"steps": steps_of(conn, subject_id), "actions": ActionView.each(actions_of(conn, subject_id))}
