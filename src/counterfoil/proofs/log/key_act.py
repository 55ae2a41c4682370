"""Changing the log's own key as an act: by page, over HTTP and at the command line it is the same, and takes two administrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from counterfoil.operations.acts import Act, ActCall, ActDone, ByTwo
from counterfoil.operations.verbs import Field
from counterfoil.proofs.log.checkpoints import LogNotBegun, keys_of_log
from counterfoil.proofs.log.key_changes import CAUSES, PLANNED, change_log_key

ANEW: Final = "Give the file of keys anew to everybody who verifies (`counterfoil signers pin`): by themselves they do not come to it."
BY_ITSELF: Final = "Whoever verifies comes to it by themselves."


def _of_this_key(one: ActCall) -> Mapping[str, Any]:
    """People agree on the end of the key that signs now, and of no later one. Raises LogNotBegun."""
    known = keys_of_log(one.conn)
    if not known:
        raise LogNotBegun()
    return {**one.taken, "key_id": known[0].id}


def _change(one: ActCall) -> ActDone:
    made = change_log_key(one.conn, one.make_id("lgk"), cause=one.taken["cause"], folder=one.proof_folder, by=one.by.actor, now=one.now)
    after = BY_ITSELF if made.cause == PLANNED else ANEW
    return ActDone(
        made.key_id, f"The log signs with another key from now on; {made.before_id} ended at {made.size:,} entries. {after}", made=made
    )


CHANGE_LOG_KEY: Final = Act(
    "log_key.change",
    "change-log-key",
    "Change the log's own key",
    "The log signs its checkpoints with another key from now on; those of before stay good. The key of before signs the one that follows, "
    "unless it was stolen or lost: then give the file of keys anew to those who verify.",
    "/signers/log-key",
    _change,
    (Field("cause", "planned: the key of before signs the new one; stolen, or lost: it does not.", "choice", choices=CAUSES),),
    two=ByTwo("log_key", "change", "{key_id}"),
    settle=_of_this_key,
    keyed=True,
    area="signers",
)
