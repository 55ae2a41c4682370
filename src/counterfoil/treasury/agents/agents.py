"""Making an agent, freezing and closing it, and saying what it may spend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import told_amount
from counterfoil.base.machine import Approval, record_birth, steps_taken, take_step
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.ledger.accounts.accounts import close_account, freeze_account, open_accounts, unfreeze_account
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.treasury.agents.model import AGENT, SPANS, Agent, account_name, accounts_of_agent, mandates_of, show_agent

NAME_LENGTH_MAX: Final = 100
LIMITS: Final = ("per_transaction", *(f"per_{span}" for span in SPANS))


class AgentNameTaken(Problem):
    """Another agent of this program is called so."""


class AgentRefuses(Problem):
    """The agent does not allow this now."""


class NewMandate(NamedTuple):
    """What an agent may spend in an asset; see `model.Mandate`."""

    asset: str
    counterparty: str | None
    towards: str
    limits: Mapping[str, int | None]
    expires_at: datetime | None

    def payload(self) -> dict[str, str | None]:
        """What two people agree on."""
        told = {name: None if self.limits.get(name) is None else str(self.limits[name]) for name in LIMITS}
        expires_at = None if self.expires_at is None else self.expires_at.isoformat()
        return {"asset": self.asset, "counterparty": self.counterparty, "towards": self.towards, "expires_at": expires_at, **told}


def create_agent(conn: Connection[Any], agent_id: str, program_id: str, *, name: str, actor: str, now: datetime) -> Agent:
    """An agent with an empty account in every asset of its program, that may spend nothing yet. Raises NotFound, AgentNameTaken."""
    if conn.execute("select 1 from program where id = %s", [program_id]).fetchone() is None:
        raise NotFound(what="program", id=program_id)
    made = conn.execute(
        """insert into agent (id, program_id, name, created_at, created_by, state, state_at) values (%s, %s, %s, %s, %s, 'active', %s)
           on conflict (program_id, name) do nothing""",
        [agent_id, program_id, name, now, actor, now],
    ).rowcount
    if not made:
        row = conn.execute("select id from agent where program_id = %s and name = %s", [program_id, name]).fetchone()
        raise AgentNameTaken(program=program_id, name=name, agent=row[0] if row else None)
    record_birth(conn, AGENT, [agent_id], "active", actor=actor, at=now)
    open_agent_accounts(conn, program_id, agent_id, actor=actor, now=now)
    return show_agent(conn, agent_id)


def open_agent_accounts(conn: Connection[Any], program_id: str, agent_id: str, *, actor: str, now: datetime) -> None:
    """Its accounts in the assets that the program has by now; does nothing for those that are there."""
    for asset in assets_of(conn, program_id):
        open_accounts(conn, program_id, [account_name(agent_id)], asset=asset, actor=actor, now=now)


def assets_of(conn: Connection[Any], program_id: str) -> list[str]:
    """The assets that a program keeps books in."""
    return [row[0] for row in conn.execute("select asset from book where program_id = %s order by asset", [program_id])]


def freeze_agent(conn: Connection[Any], agent_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Nothing new leaves its accounts, by transactions or journals; what it promised goes out. Raises NotFound, TransitionRefused."""
    one = show_agent(conn, agent_id, lock=True)
    state = take_step(conn, AGENT, one.id, one.state, "freeze", actor=actor, at=now, reason=reason)
    _flag_accounts(conn, one, freeze_account, reason, actor, now)
    return _told(conn, one, "agent_frozen", state, {"reason": reason, "by": actor}, now)


def unfreeze_agent(
    conn: Connection[Any], agent_id: str, *, reason: str, actor: str, now: datetime, approval: Approval | None = None
) -> str:
    """It may spend again what its mandates allow. Takes two people. Raises NotFound, TransitionRefused, ApprovalNeeded."""
    one = show_agent(conn, agent_id, lock=True)
    state = take_step(conn, AGENT, one.id, one.state, "unfreeze", actor=actor, at=now, reason=reason, approval=approval)
    _flag_accounts(conn, one, unfreeze_account, reason, actor, now)
    return _told(conn, one, "agent_unfrozen", state, {"reason": reason, "by": actor}, now)


def close_agent(conn: Connection[Any], agent_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Nothing is posted to its accounts any more. Raises NotFound, TransitionRefused, AgentRefuses while money or a promise is left."""
    one = show_agent(conn, agent_id, lock=True)
    state = take_step(conn, AGENT, one.id, one.state, "close", actor=actor, at=now, reason=reason)
    if why := refuse_close(conn, one.id):
        raise AgentRefuses(agent=one.id, verb="close", why=why)
    _flag_accounts(conn, one, close_account, reason, actor, now)
    return _told(conn, one, "agent_closed", state, {"reason": reason, "by": actor}, now)


def refuse_close(conn: Connection[Any], agent_id: str) -> str | None:
    """Why it cannot be closed now: money on an account, or a promise in either direction; None when nothing is left."""
    for each in accounts_of_agent(conn, agent_id):
        if each.balance:
            return f"its account in {each.asset} holds {told_amount(conn, each.balance, each.asset)}"
        if _promises(conn, agent_id, each.asset):
            return f"something on its way to or from its account in {each.asset} is promised"
    return None


def _promises(conn: Connection[Any], agent_id: str, asset: str) -> bool:
    row = conn.execute(
        """select exists (select from open_hold o where a.id in (o.debit, o.credit))
           from agent g join book b on b.program_id = g.program_id and b.asset = %s
           join account a on a.book_id = b.id and a.name = 'treasury:agent:' || g.id
           where g.id = %s""",
        [asset, agent_id],
    ).fetchone()
    return row is not None and bool(row[0])


def _flag_accounts(conn: Connection[Any], one: Agent, flag: Any, reason: str, actor: str, now: datetime) -> None:
    open_agent_accounts(conn, one.program_id, one.id, actor=actor, now=now)
    for each in accounts_of_agent(conn, one.id):
        flag(conn, one.program_id, each.account, asset=each.asset, reason=reason, actor=actor, now=now)


def _told(conn: Connection[Any], one: Agent, event: str, state: str, told: dict[str, Any], now: datetime) -> str:
    once = f"step-{steps_taken(conn, AGENT, one.id)}"
    emit(conn, [NewEvent(event, one.program_id, one.id, {"name": one.name, **told}, once=once)], at=now)
    return state


def refuse_mandate(conn: Connection[Any], agent_id: str, new: NewMandate, *, now: datetime) -> Agent:
    """What the database would refuse of a mandate, named by its field; the agent, locked. Raises NotFound, AgentRefuses, InvalidInput."""
    one = show_agent(conn, agent_id, lock=True)
    if one.state in AGENT.final:
        raise AgentRefuses(agent=one.id, verb="grant", why=f"it is {one.state}")
    assets = assets_of(conn, one.program_id)
    if new.asset not in assets:
        raise InvalidInput("asset", f"one of {', '.join(assets)}", got=new.asset[:12])
    if new.counterparty is not None:
        other = conn.execute("select program_id from agent where id = %s", [new.counterparty]).fetchone()
        if new.counterparty == one.id or other != (one.program_id,):
            raise InvalidInput("counterparty", "another agent of its program", got=new.counterparty[:40])
        if new.towards != "anyone":
            raise InvalidInput("towards", "absent beside a counterparty", got=new.towards)
    if new.expires_at is not None and new.expires_at <= now:
        raise InvalidInput("expires_at", "later than now", got=new.expires_at.isoformat())
    return one


def grant_mandate(
    conn: Connection[Any], mandate_id: str, agent_id: str, new: NewMandate, *, reason: str, actor: str, now: datetime
) -> None:
    """Say what it may spend from now on; the mandate before it for the same asset and counterparty ends. Two people agree on exactly this,
    or the database refuses it. Raises what `refuse_mandate` raises."""
    one = refuse_mandate(conn, agent_id, new, now=now)
    number = _insert(conn, mandate_id, one, new, False, reason, actor, now)
    told = {"name": one.name, "reason": reason, "by": actor, **new.payload()}
    emit(conn, [NewEvent("agent_mandate_granted", one.program_id, one.id, told, once=f"mandate-{number}")], at=now)


def revoke_mandate(
    conn: Connection[Any], mandate_id: str, agent_id: str, *, asset: str, counterparty: str | None, reason: str, actor: str, now: datetime
) -> str:
    """It spends nothing more by this mandate; what it promised before goes out. Raises NotFound, InvalidInput when there is none."""
    one = show_agent(conn, agent_id, lock=True)
    if not any((each.asset, each.counterparty_id) == (asset, counterparty) for each in mandates_of(conn, one.id)):
        known = [f"{each.asset}{' towards ' + each.counterparty_id if each.counterparty_id else ''}" for each in mandates_of(conn, one.id)]
        raise InvalidInput("asset", f"of a mandate that it has: {', '.join(known) or 'it has none'}", got=asset[:12])
    number = _insert(conn, mandate_id, one, NewMandate(asset, counterparty, "anyone", {}, None), True, reason, actor, now)
    told = {"name": one.name, "asset": asset, "counterparty": counterparty, "reason": reason, "by": actor}
    emit(conn, [NewEvent("agent_mandate_revoked", one.program_id, one.id, told, once=f"mandate-{number}")], at=now)
    return one.state


def _insert(
    conn: Connection[Any], mandate_id: str, one: Agent, new: NewMandate, revoked: bool, reason: str, actor: str, now: datetime
) -> int:
    row = conn.execute(
        """insert into agent_mandate (id, agent_id, program_id, number, asset, counterparty_id, towards, per_transaction, per_hour, per_day,
                                      per_week, per_month, expires_at, revoked, actor, reason, at)
           select %(id)s, %(agent)s, %(program)s, 1 + count(*), %(asset)s, %(counterparty)s, %(towards)s, %(per_transaction)s, %(per_hour)s,
                  %(per_day)s, %(per_week)s, %(per_month)s, %(expires_at)s, %(revoked)s, %(actor)s, %(reason)s, %(at)s
           from agent_mandate where agent_id = %(agent)s returning number""",
        {
            "id": mandate_id,
            "agent": one.id,
            "program": one.program_id,
            "asset": new.asset,
            "counterparty": new.counterparty,
            "towards": new.towards,
            **{name: new.limits.get(name) for name in LIMITS},
            "expires_at": new.expires_at,
            "revoked": revoked,
            "actor": actor,
            "reason": reason,
            "at": now,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])
