"""An installation that tells a partner: two administrators, a clock to move, and an endpoint of each kind that a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil.base.edge import Database, entropy, make_id
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations import approvals
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.verbs import VerbCall, say
from counterfoil.operations.webhooks_out import endpoints
from counterfoil.operations.webhooks_out.addresses import networks_of
from counterfoil.operations.webhooks_out.model import Endpoint, WebhookDelivery, list_deliveries, show_endpoint
from counterfoil.operations.webhooks_out.noun import ENDPOINT_NOUN
from counterfoil.operations.webhooks_out.sending import send_due
from counterfoil.operations.webhooks_out.signing import ENTROPY_BYTES, SigningPair, new_pair
from counterfoil.operations.work.jobs import JobContext
from counterfoil.operations.work.runner import Runner, Tally
from counterfoil.wiring import PAIRED
from tests.builders import a_context
from tests.operations.webhooks_out.partner import Partner, partner
from tests.people import log_in_as

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOCAL = networks_of("127.0.0.0/8")


class Bureau:
    """What a test does with endpoints, in one word each."""

    def __init__(self, database: Database) -> None:
        self.database, self.now = database, NOW
        self.networks = LOCAL
        self.pairs: dict[str, SigningPair] = {}
        with database.transaction() as conn:
            for program in ("main", "other"):
                open_program(conn, program, name=program.title(), assets=[Asset("EUR", 2)], now=NOW)
            self.mira, self.noah = (log_in_as(conn, name, "administrator", at=NOW)[0] for name in ("mira", "noah"))

    def context(self, owner: str = "worker", **more: Any) -> JobContext:
        """What the job works with."""
        runner = Runner(self.database, lambda _: self.now, owner, **more)
        return a_context(runner, lambda: self.now, webhook_networks=self.networks)

    def send(self, owner: str = "worker", **more: Any) -> Tally:
        """One whole run."""
        return send_due(self.context(owner, **more), to_the_end=True)

    def draft(self, url: str, **more: Any) -> str:
        """An endpoint to which nothing goes yet."""
        asked: dict[str, Any] = {"program_id": None, "events": [], "min_level": "info", "owner_email": "hooks@partner.example", "about": ""}
        pair = new_pair(entropy(ENTROPY_BYTES))
        with self.database.transaction() as conn:
            made = endpoints.create_endpoint(
                conn,
                make_id("whe"),
                pair,
                url=url,
                networks=self.networks,
                make_id=make_id,
                actor="person:mira",
                now=self.now,
                **(asked | more),
            )
        self.pairs[made.id] = pair
        return made.id

    def enable(self, endpoint: str) -> None:
        """By two administrators."""
        with self.database.transaction() as conn:
            one = say(ENDPOINT_NOUN, ENDPOINT_NOUN.verb("enable"), VerbCall(conn, endpoint, self.mira, self.now, make_id, "a partner"))
            assert isinstance(one, approvals.Proposal)
            agreed = {"payload_sha256": one.payload_sha256, "reason": "seen", "by": self.noah, "now": self.now}
            approvals.approve_and_do(conn, one.id, PAIRED, **agreed)

    def endpoint(self, url: str, **more: Any) -> str:
        """One that is told."""
        made = self.draft(url, **more)
        self.enable(made)
        return made

    def tell(self, *subjects: str, name: str = "payout_failed", program: str = "main") -> None:
        """Something happens, of each of these."""
        with self.database.transaction() as conn:
            emit(conn, [NewEvent(name, program, one, {"reason": "closed"}) for one in subjects], at=self.now)

    def say(self, endpoint: str, verb: str, **taken: Any) -> Any:
        """A person does it."""
        with self.database.transaction() as conn:
            call = VerbCall(conn, endpoint, self.mira, self.now, make_id, "because", taken)
            return say(ENDPOINT_NOUN, ENDPOINT_NOUN.verb(verb), call)

    def deliveries(self, endpoint_id: str | None = None) -> list[WebhookDelivery]:
        """What is to be told, the first one first."""
        with self.database.transaction() as conn:
            found = list_deliveries(conn, rows_max=1_000)[::-1]
        return [one for one in found if endpoint_id in (None, one.endpoint_id)]

    def states(self, **more: Any) -> list[str]:
        """Of the deliveries."""
        return [one.state for one in self.deliveries(**more)]

    def show(self, endpoint: str) -> Endpoint:
        """As it stands."""
        with self.database.transaction() as conn:
            return show_endpoint(conn, endpoint)

    def later(self, **span: int) -> None:
        """So much time passes."""
        self.now += timedelta(**span)


@pytest.fixture
def bureau(database: Database) -> Bureau:
    """See Bureau."""
    return Bureau(database)


@pytest.fixture
def shop() -> Iterator[Partner]:
    """A partner that listens."""
    with partner() as found:
        yield found


@pytest.fixture
def bank() -> Iterator[Partner]:
    """Another one."""
    with partner() as found:
        yield found
