"""The client: a small method for each thing that can be asked of a server. Amounts are strings of minor units, as on the wire."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from counterfoil.client.transport import Json, Transport, part_of_path


class Client:
    """A counterfoil server. Safe to use from several threads; use it as a context manager, or `close` it.

    Every method raises ApiProblem for what the server refused and Unreachable when it does not answer. What writes takes
    `key` (an Idempotency-Key, made when absent) and `dry_run` (do it, tell it, roll it back).
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`url` is the server's, without a path; `api_key` is `cf_…`."""
        self._transport = Transport(url, api_key, timeout_s=timeout_s, sleep=sleep)
        self.get = self._transport.get
        self.post = self._transport.post
        self.download = self._transport.download
        self.fetch = self._transport.fetch

    def __enter__(self) -> Client:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def every(self, path: str, *, rows_max: int | None = None, **params: Any) -> Iterator[Json]:
        """The rows of a list, page after page, at most `rows_max`; None: all of them."""
        cursor, left = None, sys.maxsize if rows_max is None else rows_max
        while left > 0:
            page = self.get(path, limit=min(left, 500), cursor=cursor, **params)
            yield from page["data"]
            left, cursor = left - len(page["data"]), page["nextCursor"]
            if cursor is None:
                return

    # What is owed and paid.

    def import_usage(
        self,
        program_id: str,
        body: bytes,
        *,
        file_name: str,
        from_line: int | None = None,
        part_of: tuple[str, int, int] | None = None,
        key: str | None = None,
        dry_run: bool = False,
    ) -> Json:
        """Record usage from CSV or NDJSON, or a part of such a file whose first record stands in `from_line` of the whole.

        `part_of`: the SHA-256 of the whole in hex, how many lines it has, and the last line of this part; its progress can be seen then.
        """
        given: dict[str, Any] = {"programId": program_id, "fileName": file_name, "fromLine": from_line}
        given |= dict(zip(("ofFile", "ofLines", "untilLine"), part_of or (), strict=False))
        return self.post("/api/usage", content=body, key=key, dry_run=dry_run, **given)

    def issue_invoices(self, program_id: str, *, key: str | None = None, dry_run: bool = False) -> Json:
        """Bill what was used and is on no invoice yet."""
        return self.post("/api/invoices/issue", {"programId": program_id}, key=key, dry_run=dry_run)

    def invoice(self, invoice_id: str) -> Json:
        """One invoice with its lines, payments and steps."""
        return self.get(f"/api/invoices/{invoice_id}")

    def payout(self, payout_id: str) -> Json:
        """One payout with its breakdown, attempts, steps and journals."""
        return self.get(f"/api/payouts/{payout_id}")

    def payout_of(self, *, invoice_id: str | None = None, key: str | None = None) -> Json | None:
        """The payout of an invoice, or with a key, if there is one; in full."""
        found = self.get("/api/payouts", invoiceId=invoice_id, key=key, limit=1)["data"]
        return self.payout(found[0]["id"]) if found else None

    def say(self, plural: str, subject_id: str, verb: str, *, dry_run: bool = False, **body: Any) -> Json:
        """Say a verb of a thing: `say("payouts", "po_…", "retry", reason="…")`. What takes two people answers with a proposal."""
        return self.post(f"/api/{plural}/{subject_id}/{verb}", body, dry_run=dry_run)

    def retry_intent(self, intent_id: str, *, reason: str, dry_run: bool = False) -> Json:
        """Take an intent up again."""
        return self.post(f"/api/intents/{intent_id}/retry", {"reason": reason}, dry_run=dry_run)

    # The ledger.

    def balance(self, program_id: str, account: str, *, asset: str | None = None, **params: Any) -> Json:
        """What an account holds, now or `asOf` a moment by either `clock`."""
        return self.get(f"/api/accounts/{part_of_path(account)}/balance", programId=program_id, asset=asset, **params)

    def statement(self, program_id: str, account: str, *, start: str, end: str, **params: Any) -> Json:
        """The movements of an account in a span, a page at a time."""
        path = f"/api/accounts/{part_of_path(account)}/statement"
        return self.get(path, programId=program_id, startTime=start, endTime=end, **params)

    def explain(self, program_id: str, account: str, *, asset: str | None = None, **params: Any) -> Json:
        """An account recomputed from its postings, with what is missing or double."""
        path = f"/api/accounts/{part_of_path(account)}/explain"
        return self.get(path, programId=program_id, asset=asset, **params)

    def post_journal(self, journal: Json, *, key: str | None = None, dry_run: bool = False) -> Json:
        """Post one journal, all its lines or none."""
        return self.post("/api/finance/journal", journal, key=key, dry_run=dry_run)

    def journal(self, journal_id: str) -> Json:
        """One journal with its lines."""
        return self.get(f"/api/journals/{journal_id}")

    def reverse_journal(self, journal_id: str, *, reason: str, line: int | None = None, dry_run: bool = False) -> Json:
        """Post the opposite of a journal, or of one line of it."""
        body = {"reason": reason, **({"line": line} if line is not None else {})}
        return self.post(f"/api/journals/{journal_id}/reverse", body, dry_run=dry_run)

    def post_movement(self, movement: Json) -> Json:
        """Post one movement; its `id` makes it happen once, so it is safe to send again."""
        return self.post("/api/movements", movement, key=str(movement.get("id")))

    def post_movements(self, bulk: Json, *, dry_run: bool = False) -> Json:
        """Post up to 8,192 movements, with a result for each."""
        return self.post("/api/movements/bulk", bulk, dry_run=dry_run)

    # Operations.

    def run_job(self, name: str) -> Json:
        """One tick of a job."""
        return self.post(f"/api/admin/ops/run/{name}")

    def health(self) -> Json:
        """System health: counters against their limits."""
        return self.get("/api/admin/ops/health")

    def status(self) -> Json:
        """Books, workers, queues and processing times at one moment."""
        return self.get("/api/admin/reconciliation/status")

    def invariants(self) -> Json:
        """Run the integrity checks."""
        return self.get("/api/admin/invariants")

    def alive(self) -> Json:
        """Does the server answer, and its database?"""
        return self.get("/healthz")
