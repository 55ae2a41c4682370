"""The result of a drill as a note that the log's key signs: of one that went to its end, was killed, or was withdrawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.proofs.log.checkpoints import keys_of_log, make_log_key, origin_of, seed_of
from counterfoil.proofs.log.job import origin_name
from counterfoil.proofs.log.notes import sign_note
from counterfoil.proofs.log.sequencing import begin_log

FORMAT: Final = "counterfoil-drill/1"


@dataclass(frozen=True)
class DrillResult:
    """What is signed of a drill. `began` is None where nobody took it up; `because`: why it was withdrawn, and by whom."""

    id: str
    drill: str
    by: str
    began: datetime | None
    outcome: str
    measures: dict[str, Any]
    checks: Sequence[tuple[str, str, str]]  # what, outcome, told
    because: dict[str, str] | None = None

    def signed(self, conn: Connection[Any], make_id: MakeId, *, now: datetime) -> str:
        """As a note. The log begins with it where nothing was written yet."""
        told = {
            "format": FORMAT,
            "id": self.id,
            "drill": self.drill,
            "by": self.by,
            "began": self.began.isoformat() if self.began else None,
            "ended": now.isoformat(),
            "outcome": self.outcome,
            **({"withdrawn": self.because} if self.because else {}),
            **self.measures,
            "checks": [{"what": what, "outcome": outcome, "told": said} for what, outcome, said in self.checks],
        }
        begin_log(conn, origin_name(make_id), now)
        known = keys_of_log(conn)
        key = known[0] if known else make_log_key(conn, make_id("lgk"), now=now)
        return sign_note(json.dumps(told, indent=1, ensure_ascii=False) + "\n", origin_of(conn), seed_of(conn, key.id))
