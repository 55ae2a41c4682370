"""What a person may do with a webhook or an event that failed five times: over HTTP and on the page of webhooks the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from counterfoil.operations.events.events import requeue_event
from counterfoil.operations.webhooks.inbound import ignore_webhook, requeue_webhook


class ParkedAct(NamedTuple):
    """What is done with something parked: its name in the action log, that of its button, what happens, and what does it."""

    kind: Literal["webhook", "event"]
    action: str
    label: str
    effect: str
    move: Callable[..., str]


_AGAIN: Final = "It is tried again as soon as a worker is free, up to five times. Mend its cause first."
REQUEUE_WEBHOOK: Final = ParkedAct("webhook", "webhook_in.requeue", "Apply it again", _AGAIN, requeue_webhook)
IGNORE_WEBHOOK: Final = ParkedAct(
    "webhook", "webhook_in.ignore", "Leave it for good", "It stays stored and is never applied.", ignore_webhook
)
REQUEUE_EVENT: Final = ParkedAct("event", "event.requeue", "Handle it again", _AGAIN, requeue_event)
PARKED_ACTS: Final[Mapping[str, ParkedAct]] = {
    "requeue-webhook": REQUEUE_WEBHOOK,
    "ignore-webhook": IGNORE_WEBHOOK,
    "requeue-event": REQUEUE_EVENT,
}
