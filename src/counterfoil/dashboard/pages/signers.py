"""The page of signers: who could sign a proof now, which periods are proven, whether one goes on where another ended, who is missing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import valid_id
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.proofs.log.checkpoints import keys_of_log
from counterfoil.proofs.log.key_changes import key_changes
from counterfoil.proofs.log.quantum_keys import quantum_keys
from counterfoil.proofs.personal_data import PersonalDataPolicy, policy_in_force
from counterfoil.proofs.proofs import signers_of
from counterfoil.proofs.signing.signers import SignerHealth, quorum_can_be_met, signers_health

SHOWN_MAX: Final = 20
SOON: Final = timedelta(days=30)  # a key that ends within is said before it does


class SignerRow(NamedTuple):
    """A key that signs proofs, and how it stands in words."""

    id: str
    person: str
    role: str
    grade: Grade
    word: str
    valid_until: datetime
    last_signed_at: datetime | None
    key: str  # its first characters, as people compare them


class ChainRow(NamedTuple):
    """A proof in the chain of periods. `follows`: the proof that ends where this one begins; `at_start`: there is nothing before it."""

    id: str
    from_at: datetime
    to_at: datetime
    at_start: bool
    follows: str | None
    verdict: str
    reconciliation: str
    state: str
    signatures: int
    quorum: int


class PeriodRow(NamedTuple):
    """A period as the page shows it; `missing`: people who could sign it and have not."""

    proof: ChainRow
    chain: Grade
    signed: Grade
    missing: tuple[str, ...]


class LogKeyRow(NamedTuple):
    """A key of the log: its first characters, since when, and how it ended, if it did: why, and at how many entries."""

    id: str
    key: str
    made_at: datetime
    ended: str | None
    size: int | None
    quantum: int | None  # from this size of the log on it signs with ML-DSA-44, too


class SignersAnswer(NamedTuple):
    """What the page shows; `signers` is None for who sees one program only: a proof is of the whole installation. `total`: of signers in
    all; `after`: the one that the next page begins behind; `policy`: of personal data, that proofs name."""

    signers: tuple[SignerRow, ...] | None
    total: int
    after: str | None
    quorum: int
    enough: bool
    periods: tuple[PeriodRow, ...]
    more: bool
    log_keys: tuple[LogKeyRow, ...]
    policy: PersonalDataPolicy | None
    measured_at: datetime


def signers_answer(ask: SectionContext) -> SignersAnswer:
    """The signers, twenty on a page, and the newest periods. Raises InvalidInput."""
    now, quorum = ask.clock(), ask.extra.wiring.proof_quorum
    if ask.only:
        return SignersAnswer(None, 0, None, quorum, False, (), False, (), None, now)
    healths = signers_health(ask.conn, now)
    ids = [one.signer.id for one in healths]
    after = valid_id(ask.params["after"], "sgn", "after") if ask.params.get("after") else None
    begin = ids.index(after) + 1 if after in ids else 0 if after is None else len(ids)
    shown = healths[begin : begin + SHOWN_MAX]
    chain = _chain(ask.conn)
    return SignersAnswer(
        tuple(_signer(one, now) for one in shown),
        len(healths),
        shown[-1].signer.id if begin + SHOWN_MAX < len(healths) else None,
        quorum,
        quorum_can_be_met(healths, quorum),
        tuple(_period(ask.conn, one) for one in chain[:SHOWN_MAX]),
        len(chain) > SHOWN_MAX,
        _log_keys(ask.conn),
        policy_in_force(ask.conn),
        now,
    )


def _log_keys(conn: Connection[Any]) -> tuple[LogKeyRow, ...]:
    """The newest first."""
    ends, beside = {one.before_id: one for one in key_changes(conn)}, quantum_keys(conn)
    return tuple(
        LogKeyRow(
            one.id,
            bytes(one.public_key).hex()[:16],
            one.made_at,
            end.cause if end else None,
            end.size if end else None,
            beside[one.id].size if one.id in beside else None,
        )
        for one in keys_of_log(conn)
        for end in (ends.get(one.id),)
    )


def _signer(one: SignerHealth, now: datetime) -> SignerRow:
    signer, word = one.signer, one.health
    grade: Grade = "right" if word == "ready" else "unknown" if word in ("revoked", "expired") else "attention"
    if word == "ready" and signer.valid_until < now + SOON:
        grade, word = "attention", "ready, and ends soon"
    key = bytes(signer.public_key).hex()[:16]
    return SignerRow(signer.id, signer.person, signer.role, grade, word, signer.valid_until, one.last_signed_at, key)


def _chain(conn: Connection[Any]) -> list[ChainRow]:
    with conn.cursor(row_factory=class_row(ChainRow)) as cur:
        return cur.execute(
            """select p.id, p.from_at, p.to_at, p.open_size = 0 as at_start, b.id as follows, p.verdict, p.reconciliation, p.state,
                      r.quorum,
                      (select count(*) from proof_signature s where (s.proof_id, s.number) = (p.id, r.number))::integer as signatures
               from proof p
               cross join lateral (select number, quorum from proof_request where proof_id = p.id order by number desc limit 1) r
               left join lateral (select id from proof where to_at = p.from_at and close_size = p.open_size
                                  order by (state = 'signed') desc, created_at desc, id limit 1) b on true
               order by p.to_at desc, p.from_at desc, p.created_at desc, p.id limit %s""",
            [SHOWN_MAX + 1],
        ).fetchall()


def _period(conn: Connection[Any], one: ChainRow) -> PeriodRow:
    waits = one.state == "waiting"
    missing = tuple(each.person for each in signers_of(conn, one.id) if each.standing == "missing") if waits else ()
    return PeriodRow(one, "right" if one.follows or one.at_start else "attention", "attention" if waits else "right", missing)
