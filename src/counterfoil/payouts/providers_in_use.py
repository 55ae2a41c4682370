"""Providers that rows speak of, and whether anybody can ask them: one that is not set lets its payouts wait for ever, without a word."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.operations.work.worker import list_workers
from counterfoil.payouts.machines import PROVIDER_PAYOUT, SEND_JOB

SETTLED_IN: Final = timedelta(seconds=60)  # a worker that has just started has not said yet what it runs
DO: Final = (
    "Set it where the server and every worker run (`simulator` by COUNTERFOIL_PROVIDER_URL, `stripe` by COUNTERFOIL_STRIPE_API_KEY, "
    "`sepa` by COUNTERFOIL_SEPA_DEBTOR_IBAN, `chain` by COUNTERFOIL_CHAIN_URL, each with what belongs to it) and start them anew; or give "
    "its payees a destination at a provider that is set."
)


class ProviderNotSet(NamedTuple):
    """A provider that rows speak of and nobody can ask. `waiting`: attempts and intents that are under way with it, since when.

    `here`: this process knows it, and no worker that runs does.
    """

    name: str
    programs: tuple[str, ...]
    waiting: int
    since: datetime | None
    here: bool
    do: str = DO

    def sentence(self) -> str:
        """What is wrong, in a line."""
        who = "no worker that runs has it" if self.here else "it is not set up here"
        what = (
            "nothing waits for it yet"
            if not self.waiting
            else f"{counted(self.waiting, 'payout or intent waits', 'payouts and intents wait')} for it"
        )
        since = f" since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"provider {self.name} of {', '.join(self.programs)}: {who}; {what}{since}"


def providers_not_set(
    conn: Connection[Any], known: Collection[str], *, now: datetime, program_id: str | None = None
) -> list[ProviderNotSet]:
    """Providers of active destinations, of what is under way, and where money stands, that are none of `known` or of a running worker's.

    By name. `known`: those that this process is set up with.
    """
    rows = conn.execute(
        """select name, array_agg(distinct program_id order by program_id), sum(waiting)::bigint, min(since) from (
               select provider as name, program_id, 0 as waiting, null::timestamptz as since from destination where ended_at is null
               group by provider, program_id
               union all
               select provider, program_id, count(*), min(created_at) from provider_payout where state = any(%(live)s)
               group by provider, program_id
               union all
               select provider, program_id, count(*), min(created_at) from intent where completed_at is null and due_at is not null
               group by provider, program_id
               union all
               select substr(a.name, strpos(a.name, ':') + 1), b.program_id, 0, null from account a join book b on b.id = a.book_id
               where (a.name like 'clearing:%%' or a.name like 'in\\_transit:%%') and a.debits <> a.credits
                     and not is_of_a_peer(b.program_id, a.name)) used
           where %(program)s::text is null or program_id = %(program)s
           group by name order by name""",
        {"live": list(PROVIDER_PAYOUT.open), "program": program_id},
    ).fetchall()
    served = _served(conn, now)
    return [
        ProviderNotSet(name, tuple(programs), int(waiting), since, name in known)
        for name, programs, waiting, since in rows
        if name not in known or (served is not None and "" not in served and name not in served)
    ]


def _served(conn: Connection[Any], now: datetime) -> set[str] | None:
    """The providers that running workers have a lane for, '' where one takes all of them; None when no worker can say."""
    workers = [
        one
        for one in list_workers(conn, since=now - SETTLED_IN)
        if one.health(now) in ("healthy", "failing") and now - one.started_at > SETTLED_IN
    ]
    if not workers:
        return None
    return {job.partition(":")[2] for one in workers for job in one.jobs if job.partition(":")[0] == SEND_JOB}
