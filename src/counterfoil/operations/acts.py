"""Acts: what somebody does that is no verb of a thing with states, such as granting a role or setting a policy.

Declared once, beside what it is about. From an act follow its route, its command, its form, its name in the action log, what two people
agree on, and the reference: whichever way it is asked for, it is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.operations.access.access import ADMINISTER, Caller
from counterfoil.operations.approvals import Paired
from counterfoil.operations.providers import Provider
from counterfoil.operations.verbs import Field
from counterfoil.operations.webhooks_out.addresses import Network


class ActCall(NamedTuple):
    """An act as somebody asks for it. `taken`: its fields by name; `entropy`: so many random bytes; `scopes`: every one that
    a key may have; `providers` and `networks`: those that are set, for an act that is about them; `proof_folder`: where proofs lie, and
    what has left the database; `login_issuer`: the provider that people log in by, empty without one."""

    conn: Connection[Any]
    subject_id: str
    by: Caller
    now: datetime
    make_id: MakeId
    entropy: Callable[[int], bytes]
    reason: str
    taken: Mapping[str, Any]
    scopes: frozenset[str]
    providers: Mapping[str, Provider] = {}
    networks: Sequence[Network] = ()
    proof_folder: Path | None = None
    login_issuer: str = ""


class ActDone(NamedTuple):
    """What came of it: of which thing, what is said, what is told once and kept nowhere, what was made or counted, and what the action log
    keeps in the place of fields that are confidential."""

    subject_id: str
    told: str
    secret: str | None = None
    made: Any = None
    kept: Mapping[str, Any] = {}


class ByTwo(NamedTuple):
    """It takes two people, who agree on each of its fields: the name of the thing and of what is done with it among the proposals, of which
    thing (with its fields in braces), and what whoever approves needs. `agrees`: on what they agree, where that is not every field."""

    machine: str
    verb: str
    about: str
    approved_by: str = ADMINISTER
    agrees: Callable[[ActCall], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Act:
    """Something that is done. `action`: its name in the action log; `name`: as it stands at the command line and in the form's address;
    `path`: below /api, with the ids in braces; `subject`: whom or what it is done with; `settle`: its fields as they are agreed on and
    done, raises InvalidInput; `because`: the reason where none need be given; `keyed`: over HTTP it needs an Idempotency-Key, since what
    it tells is told once; `happened`: what it is among the events of access; `area`: as in a scope; `whole`: it is of the whole
    installation, and whoever sees one program does not do it, on a page or over HTTP; `confidential`: fields that nothing keeps as they
    are typed."""

    action: str
    name: str
    label: str
    effect: str
    path: str
    do: Callable[[ActCall], ActDone]
    takes: tuple[Field, ...] = ()
    subject: Field | None = None
    two: ByTwo | None = None
    settle: Callable[[ActCall], Mapping[str, Any]] | None = None
    because: str = ""
    keyed: bool = False
    happened: str = ""
    area: str = "people"
    permission: str = ADMINISTER
    whole: bool = True
    confidential: frozenset[str] = frozenset()

    @property
    def says(self) -> str:
        """What happens, and how many it takes."""
        return f"{self.effect} It takes two {self.who}." if self.two else self.effect

    @property
    def who(self) -> str:
        """Who approves it, in the plural."""
        return "administrators" if self.two and self.two.approved_by == ADMINISTER else "people"

    @property
    def row(self) -> Field | None:
        """The id that a row of a page fills in, if the act is done with a row of a page."""
        return next((one for one in self.takes if self.in_path(one)), None)

    def in_path(self, one: Field) -> bool:
        """Does it stand in the address?"""
        return f"{{{one.name}}}" in self.path

    def settled(self, call: ActCall) -> ActCall:
        """With the fields as they are agreed on. Raises InvalidInput."""
        return call._replace(taken=self.settle(call)) if self.settle else call


def paired_of(acts: Iterable[Act]) -> tuple[Paired, ...]:
    """Those that take two people, as the approvals know them: whoever proposed one does it, once another has approved it."""
    return tuple(Paired(one.two.machine, one.two.verb, approved_by=one.two.approved_by, label=one.label) for one in acts if one.two)
