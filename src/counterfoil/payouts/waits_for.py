"""What a payout waits for that its state does not say: a pause, a file that somebody brings to the bank, or what its reason names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.operations.work.pauses import Pause, pause_on
from counterfoil.operations.work.runner import Queue
from counterfoil.payouts.destinations.machine import NO_DESTINATION, QUARANTINED
from counterfoil.payouts.machines import PROVIDER_PAYOUT, PULLING, RESERVING, SENDING
from counterfoil.payouts.payment_files.files import HeldOrder, held_back
from counterfoil.payouts.payouts.payout_rules import Matter

SET_DESTINATION: Final = "counterfoil destinations set {payee} --program {program}"  # it asks for the account, unseen
# What a payout that waits names as its reason, and what moves it on; {} is what the reason names. Where that is empty, time
# does, or what the reason says is to be done first.
_REASONS: Final = (
    (re.compile(re.escape(NO_DESTINATION)), SET_DESTINATION),
    (re.compile(re.escape(QUARANTINED)), "counterfoil destinations list --payee {payee} --state quarantined"),
    (re.compile("cools off until|contradicts itself"), ""),
    (re.compile(r"needs an approved batch|^it left batch"), "counterfoil batches gather --asset {asset} --program {program}"),
    (re.compile(r"batch (?P<named>bat_\w+)"), "counterfoil batches show {named}"),
    (re.compile(r"dispute (?P<named>dsp_\w+)"), "counterfoil disputes show {named}"),
    (re.compile(r"chargeback (?P<named>cb_\w+)"), "counterfoil chargebacks show {named}"),
)
_AGAIN: Final = "counterfoil payouts rerun {id}"  # such as an account that was frozen: it is asked again, once that is mended


class InFile(NamedTuple):
    """An order that stands in a file of payments, and whether somebody has downloaded that. `held`: because of which order, this one or
    another, its download would be refused."""

    file_id: str
    downloaded: bool
    held: HeldOrder | None = None

    @property
    def command(self) -> str:
        """What moves it on: the file goes to the bank, and what the bank says of it comes back."""
        if self.held is not None:
            return f'counterfoil bank-files cancel {self.file_id} --reason "…"'
        return "counterfoil bank-files import-status FILE" if self.downloaded else f"counterfoil bank-files download {self.file_id}"

    @property
    def why(self) -> str:
        """That it waits for somebody, in words."""
        if self.downloaded:
            return f"It stands in the file {self.file_id}, which was downloaded: what the bank reports of it decides."
        if self.held is not None:
            return (
                f"It stands in the file {self.file_id}, which is not given out any more: its order {self.held.order_id} is held back "
                f"({self.held.why}). Cancel the file, then retry its payouts: what each is still owed goes into the next one."
            )
        return f"It stands in the file {self.file_id}, which nobody has brought to the bank yet."


def files_of(conn: Connection[Any], payout_ids: Sequence[str], now: datetime) -> dict[str, InFile]:
    """In which file the attempt of each of these payouts stands that has one under way there. A pause that holds a file back is told by
    `stopped_by`."""
    rows = conn.execute(
        f"""select pp.payout_id, f.id, f.state <> 'made' from provider_payout pp
            join payment_file_order l on l.provider_payout_id = pp.id join payment_file f on f.id = l.file_id
            where pp.payout_id = any(%s) and pp.state in {listed(PROVIDER_PAYOUT.open)}""".encode(),
        [list(payout_ids)],
    ).fetchall()
    held = {file: held_back(conn, file, now) for file in sorted({row[1] for row in rows if not row[2]})}
    return {row[0]: InFile(row[1], row[2], held.get(row[1])) for row in rows}


def command_for_reason(why: str) -> str:
    """What moves on a payout that waits for this reason, with the names of its facts in braces."""
    for reason, command in _REASONS:
        if found := reason.search(why):
            return command.replace("{named}", found.groupdict().get("named") or "")
    return _AGAIN


def stopped_by(conn: Connection[Any], one: Matter, file: InFile | None) -> Pause | None:
    """The pause of the queue that would move this payout on, if one holds; of a file that nobody has, the one that holds it back."""
    queue = _queue_of(one) if file is None else None if file.downloaded else SENDING
    if queue is None:
        return None
    attempt = one.live or one.disputed
    return pause_on(conn, queue.name, attempt.provider if attempt is not None and queue.lane else "", one.program_id)


def _queue_of(one: Matter) -> Queue | None:
    if one.state == "pending":
        return RESERVING
    if one.live is None:
        return PULLING if one.disputed is not None else None
    return SENDING if one.live.state == "queued" else PULLING if one.live.state in ("sent", "unknown") else None


def resuming(one: Pause) -> str:
    """The command that ends a pause."""
    of = f"{f' --provider {one.provider}' if one.provider else ''}{f' --program {one.program_id}' if one.program_id else ''}"
    return f'counterfoil queue resume {one.queue}{of} --reason "…"'
