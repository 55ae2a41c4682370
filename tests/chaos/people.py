"""What people do while processes die: each through the API, under a key, and asked again until it is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from counterfoil.base.edge import make_id
from counterfoil.cli.local.drills.payments import PATIENCE_S, KillMissed, Practice, within
from counterfoil.cli.local.local_stack import PROGRAM
from tests.chaos.others import Bank, connected


class Repaid(NamedTuple):
    """What a customer got back; minor units."""

    id: str
    invoice: str
    amount: int


class People(Practice):
    """A world with people in it."""

    bank: Bank | None = None  # that pays by files, where it is one of the providers

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.repaid: list[Repaid] = []

    def say(self, path: str, *, who: str = "operator", key: str | None = None, **body: Any) -> Any:
        """Post, as somebody of this role."""
        headers = {"Authorization": f"Bearer {self.world.keys[who]}"}
        return self.ask("POST", f"/api{path}", key or make_id("try"), headers=headers, json=body)

    def approve(self, proposal: str, payload_sha256: str) -> Any:
        """A second person agrees."""
        return self.say(f"/approvals/{proposal}/approve", who="approver", payloadSha256=payload_sha256, reason="looked at it")

    def by_two(self, path: str, **body: Any) -> None:
        """Two administrators agree, and the first does it."""
        waits = self.say(path, who="administrator", **body)
        self.approve(waits["proposalId"], waits["payloadSha256"])
        self.say(path, who="administrator", **body)

    def pay_to(self, payee: str, token: str) -> None:
        """Two administrators agree where this payee is paid at the simulator."""
        self.by_two("/destinations", programId=PROGRAM, payeeId=payee, provider="simulator", token=token)

    def pause(self, queue: str, provider: str = "") -> None:
        self.say(f"/admin/queue/{queue}/pause", reason="to look at it", provider=provider)

    def resume(self, queue: str, provider: str = "") -> None:
        """By a second person, where the queue sends money."""
        told = self.say(f"/admin/queue/{queue}/resume", reason="looked at", provider=provider)
        if told.get("proposalId"):
            self.approve(told["proposalId"], told["payloadSha256"])

    def refund(self, invoice: str, amount: int) -> Repaid:
        made = self.say("/refunds", invoiceId=invoice, amount=str(amount), reason="an hour without service")
        return Repaid(made["id"], invoice, amount)

    def refund_is_paid(self, one: Repaid) -> None:
        """The customer has the money, from our bank."""
        self.say(f"/refunds/{one.id}/execute", provider="bank", reference=f"bank-{one.id}")

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        with connected(self.world) as conn:
            return conn.execute(query.encode(), given or None).fetchall()

    def until(self, what: str, query: str, *given: Any, wanted: int = 1) -> list[tuple[Any, ...]]:
        """The rows of this query, once there are so many. Raises KillMissed."""
        found: list[tuple[Any, ...]] = []
        with connected(self.world) as conn:

            def there() -> bool:
                found[:] = conn.execute(query.encode(), given or None).fetchall()
                return len(found) >= wanted

            if not within(there, PATIENCE_S):
                raise KillMissed(f"{what}: {len(found)} of {wanted} after {PATIENCE_S} s")
        return found
