"""A period that was worked in, its signed package, and the hands that alter it."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterfoil.audit.actions import record_action
from counterfoil.base.edge import make_id, now
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.formats.runbook import Runbook, StepSpec
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.operations.access.access import Caller
from counterfoil.operations.verbs import VerbCall
from counterfoil.proofs.packages import layout
from counterfoil.proofs.packages.container import directory, in_order, local_header, member_of
from counterfoil.proofs.packages.exporting import Exporter, export_proof
from counterfoil.proofs.packages.layout import RUN_BEGINS
from counterfoil.proofs.packages.standalone import verifier_text
from counterfoil.proofs.packages.store import stored
from counterfoil.proofs.proofs import Proof, request_of, sign_proof
from counterfoil.proofs.signing.envelope import Signed, envelope, statement, to_sign
from counterfoil.proofs.signing.signers import add_signer, trusted_keys
from counterfoil.proofs.verifying import entries
from counterfoil.proofs.verifying.quantum import UNREAD
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import verify_package
from counterfoil.reconciliation.runs.continuous import RunPlan, reconcile_all, sources_in_use
from counterfoil.runbooks.answering import Asker
from counterfoil.runbooks.noun import runbook_noun
from counterfoil.runbooks.runs import About, begin
from tests.builders import PROGRAM, Desk, a_program, issue
from tests.people import log_in_as

Files = dict[str, bytes]


@dataclass
class Person:
    """Somebody with a key that signs proofs."""

    caller: Caller
    role: str
    private: Any
    signer_id: str

    @property
    def public(self) -> bytes:
        return bytes(self.private.public_key().public_bytes_raw())

    def signed(self, body: bytes) -> Signed:
        return Signed(self.public, self.private.sign(to_sign(body)))


def a_person(
    conn: Any, name: str, role: str, *, at: datetime, valid_for: timedelta = timedelta(days=300), kind: Any = Ed25519PrivateKey
) -> Person:
    caller, _ = log_in_as(conn, name, role, at=at)
    private = kind.generate()
    made = add_signer(
        conn,
        make_id("sgn"),
        principal_id=caller.principal_id,
        role=role,
        public_key=private.public_key().public_bytes_raw(),
        valid_until=at + valid_for,
        by="test",
        now=at,
    )
    return Person(caller, role, private, made.id)


def a_border() -> datetime:
    """A moment that what was recorded lies before, and what will be, not: the ledger's clock counts whole milliseconds."""
    time.sleep(0.002)
    at = now()
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


class House:
    """Books with a desk, a store for proofs, and two people who sign."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk, self.folder = desk, folder
        self.start = now() - timedelta(seconds=1)
        with desk.database.transaction() as conn:
            self.ann = a_person(conn, "ann", "controller", at=self.start)
            self.otto = a_person(conn, "otto", "auditor", at=self.start)

    @property
    def exporter(self) -> Exporter:
        return replace(self.desk.wiring, proof_folder=self.folder, clock=now).exporter()

    def worked(self, prefix: str, *prices: str) -> None:
        """Invoices that were paid, settled, and paid out."""
        desk = self.desk
        desk.clock.now = now()
        for invoice, price in zip(issue(desk.database, *prices, prefix=prefix), prices, strict=True):
            desk.pay(invoice, int(price.replace(".", "")))
        for _ in range(2):
            desk.deliver()
            desk.work()
            desk.settle_time()

    def reconciled(self) -> None:
        """Everything in use is held against our books, for today."""
        wiring = replace(self.desk.wiring, clock=now)
        with self.desk.database.transaction() as conn:
            sources = sources_in_use(conn, list(wiring.pairings().values()), PROGRAM)
        day = now().date()
        reconcile_all(wiring.means(), RunPlan(PROGRAM, sources, "range", (day, day), "test", None), make_id)

    def followed(self, title: str = "Looked at") -> str:
        """A checklist of one note is begun."""
        steps = (StepSpec("note", title),)
        book = Runbook("short", "A short checklist", "checklist", "", None, None, ordered=True, steps=steps, sha256="5a" * 32)
        with self.desk.database.transaction() as conn:
            run = begin(conn, Asker({}, {}, {}), book, About(), by="ann", make_id=make_id, now=now())
            self._said(conn, RUN_BEGINS, run.id, "ann")
        return run.id

    def ended(self, run_id: str, how: str) -> None:
        """It is signed, once its note is there; or closed unpassed."""
        noun = runbook_noun([], {}, lambda: ())
        with self.desk.database.transaction() as conn:
            for verb in ("tick", "sign") if how == "sign" else ("close",):
                [do] = [one.do for one in noun.verbs if one.name == verb]
                assert do is not None
                do(VerbCall(conn, run_id, self.otto.caller, now(), make_id, "not today", {"step": "1", "note": "It is well."}))
            self._said(conn, f"runbook_run.{how}", run_id, self.otto.caller.actor)

    def _said(self, conn: Any, verb: str, run_id: str, actor: str) -> None:
        told: dict[str, Any] = {"role": "operator", "reason": None, "request_id": "req_x", "payload": {}, "at": now()}
        record_action(conn, make_id("act"), actor=actor, verb=verb, subject_id=run_id, **told)

    def exported(self, start: datetime, end: datetime) -> Proof:
        return export_proof(self.exporter, start, end, by="test")[0]

    def sign(self, proof_id: str, *people: Person) -> str:
        state = ""
        for one in people:
            with self.desk.database.transaction() as conn:
                request = request_of(conn, proof_id)
                signature = one.signed(bytes(request.statement)).signature
                state = sign_proof(
                    conn, proof_id, number=request.number, signer_id=one.signer_id, signature=signature, by=one.caller, now=now()
                )
        return state

    def two_periods(self, prefix: str, price: str) -> tuple[Proof, Proof]:
        """A proof from the beginning until now, which is signed, and one of what is done then, which is not yet."""
        middle = a_border()
        first = self.exported(self.start, middle)
        self.sign(first.id, self.ann, self.otto)
        self.worked(prefix, price)
        for how in ("sign", "close"):
            self.ended(self.followed(), how)
        self.followed()
        self.reconciled()
        return first, self.exported(middle, now())

    def package(self, proof_id: str) -> bytes:
        with self.desk.database.transaction() as conn:
            return b"".join(stored(conn, self.folder, proof_id).parts())

    def keys(self) -> dict[str, Any]:
        with self.desk.database.transaction() as conn:
            return trusted_keys(conn, 2)


def a_house(desk: Desk, folder: Path) -> House:
    """A program that has earned and paid, reconciled with its provider."""
    a_program(desk.database)
    house = House(desk, folder)
    house.worked("a", "100.00", "40.00")
    house.reconciled()
    with desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["bad_debt", "platform:own_funds"], asset="EUR", actor="test", now=now())
    return house


def unpacked(package: bytes) -> Files:
    """The files of a package, read by somebody else's program."""
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(package)) as found:
        return {name: found.read(name) for name in found.namelist()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """A container in the one form, of any files."""
    members = in_order([member_of(name, body) for name, body in files.items()])
    return b"".join(local_header(one) + files[one.name] for one in members) + directory(members)


def renamed(files: Files, change: Callable[[dict[str, Any]], None] = lambda _: None) -> Files:
    """With a manifest that names the files as they are now, and is named as it should be."""
    manifest = json.loads(files[layout.MANIFEST])
    named = sorted(set(files) - {layout.MANIFEST, layout.ENVELOPE})
    manifest["files"] = [{"path": one, "sha256": hashlib.sha256(files[one]).hexdigest(), "bytes": len(files[one])} for one in named]
    for when in ("open", "close"):
        manifest["trial_balance"][when] = hashlib.sha256(files[f"trial_balance_{when}.json"]).hexdigest()
    change(manifest)
    manifest["proof_id"] = layout.proof_id(manifest)
    return {**files, layout.MANIFEST: canonical_json(manifest).encode()}


def signed_anew(files: Files, people: Sequence[Person], *, at: str | None = None) -> Files:
    """Signed by these people, as if they had agreed to it."""
    manifest = json.loads(files[layout.MANIFEST])
    told = json.loads(base64.b64decode(json.loads(files[layout.ENVELOPE])["payload"]))["predicate"]
    digests = {name: hashlib.sha256(body).hexdigest() for name, body in files.items() if name != layout.ENVELOPE}
    body = statement(digests, manifest, number=told["request"], requested_at=at or told["requested_at"])
    return {**files, layout.ENVELOPE: envelope(body, [one.signed(body) for one in people])}


def standalone(folder: Path) -> ModuleType:
    """verify.py as it lies in a package, imported from there."""
    path = folder / "verify_standalone.py"
    path.write_text(verifier_text())
    spec = importlib.util.spec_from_file_location("verify_standalone", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def in_blocks_of(size: int) -> Iterator[None]:
    """Entries are looked at in blocks of so many bytes; of one byte: each by itself."""
    before = entries.BLOCK_BYTES
    entries.BLOCK_BYTES = size
    try:
        yield
    finally:
        entries.BLOCK_BYTES = before


class Verifiers:
    """Both verifiers: what one says, the other must say."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.module = folder, standalone(folder)

    def __call__(self, package: bytes, keys: Mapping[str, Any], previous: bytes | None = None) -> tuple[int, list[str]]:
        path = self.folder / "package.zip"
        path.write_bytes(package)
        before = None
        if previous is not None:
            before = self.folder / "previous.zip"
            before.write_bytes(previous)
        ours = verify_package(path, TrustedKeys.read(keys), previous=before)
        with in_blocks_of(1):
            assert verify_package(path, TrustedKeys.read(keys), previous=before) == ours, "the same, wherever a block ends"
        theirs = self.module.judged(str(path), dict(keys), str(before) if before else "")
        read = [one for one in theirs[1] if not (one.startswith("Not checked here: the signature of ML-DSA-44 of ") and UNREAD in one)]
        assert (ours.code, ours.said) == (theirs[0], read)
        return ours.code, ours.said
