"""Parameters that several routes take: of which program, from when until when, what a file is called."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query

from counterfoil.api.http.schemas import Instant, ProgramId
from counterfoil.base.problems import InvalidInput

OneProgram = Annotated[ProgramId | None, Query(alias="programId")]
ProgramFilter = Annotated[str | None, Query(alias="programId", max_length=64)]
StartTime = Annotated[Instant, Query(alias="startTime")]
EndTime = Annotated[Instant, Query(alias="endTime", description="Not included.")]
FileName = Annotated[str, Query(alias="fileName", min_length=1, max_length=200)]


def refuse_backwards(start_time: datetime, end_time: datetime) -> None:
    """A range ends after it begins. Raises InvalidInput."""
    if end_time <= start_time:
        raise InvalidInput("endTime", "later than startTime")
