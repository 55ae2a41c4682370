"""`counterfoil proof verify`: a second implementation of what `verify.py` in a package does, on other libraries. Both say the same.

Everything is computed anew: files, quorum, checkpoints, the tree from the entries, balances from the movements.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from counterfoil.proofs.disclosures.concerning import DISCLOSURE
from counterfoil.proofs.disclosures.verifying import verify_disclosure
from counterfoil.proofs.inclusion.verifying import is_inclusion_file, verify_inclusion
from counterfoil.proofs.log.notes import Checkpoint, NoteRefused
from counterfoil.proofs.packages.layout import ALL, ENVELOPE, FORMAT, MANIFEST, REPORT, proof_id
from counterfoil.proofs.verifying.entries import Account, Entries, Look
from counterfoil.proofs.verifying.reading import UNBUILT, OpenPackage, ProofBroken, holds, is_moment, not_built, unbuilt
from counterfoil.proofs.verifying.signatures import SignaturesSeen, TrustedKeys, checkpoint_of, signatures_of
from counterfoil.proofs.verifying.stamps import UNSTAMPED, GivenStamp

OK: Final = 0
BROKEN: Final = 1
INCOMPLETE: Final = 2
UNKNOWN_KEYS: Final = 3
NOT_VERIFIED: Final = 64
WORDS: Final = ("OK", "BROKEN", "INCOMPLETE", "UNKNOWN KEYS")
OF_BEFORE: Final = "The package of before: "
UNREAD: Final = "the entries of the package of before: verify it by itself, too"


class Judgement(NamedTuple):
    """What came of it: the exit code, and what is to be said, sentence by sentence."""

    code: int
    said: list[str]

    @property
    def word(self) -> str:
        """The verdict in a word."""
        return WORDS[self.code]


def verify_package(
    path: Path, keys: TrustedKeys, *, previous: Path | None = None, stamp: GivenStamp | None = None, processes: int = 1
) -> Judgement:
    """Verify a package, a disclosure or an inclusion file by these keys; with the package of the period before, that this one begins where
    it ended; with a time stamp, since when it is there; by so many processes where it is large. Raises OSError, VerifierEnded."""
    try:
        if is_inclusion_file(path):
            seen = verify_inclusion(path, keys, previous=previous is not None, stamp=stamp is not None)
            return Judgement(UNKNOWN_KEYS, seen.strange) if seen.strange else Judgement(OK, seen.said)
        package = OpenPackage(path)
        try:
            if DISCLOSURE in package.names:
                return _disclosed(package, keys, previous, stamp)
            return _verify(package, keys, previous, stamp, processes)
        finally:
            package.close()
    except ProofBroken as error:
        return Judgement(BROKEN, [error.headline()])
    except UNBUILT as error:
        return Judgement(BROKEN, [not_built(error)])


def _disclosed(package: OpenPackage, keys: TrustedKeys, previous: Path | None, stamp: GivenStamp | None) -> Judgement:
    """What one payee was given out of a package."""
    seen = verify_disclosure(package, keys, previous=previous is not None, stamp=stamp)
    if seen.strange:
        return Judgement(UNKNOWN_KEYS, seen.strange)
    return Judgement(INCOMPLETE if seen.left else OK, seen.said + seen.left)


def _verify(package: OpenPackage, keys: TrustedKeys, previous: Path | None, stamp: GivenStamp | None, processes: int) -> Judgement:
    manifest = manifest_of(package)
    signed = signatures_of(package, manifest, keys)
    ends, strange = list[Checkpoint](), [signed.strange] * bool(signed.strange)
    for end in ("open", "close"):
        try:
            ends.append(checkpoint_of(package, f"checkpoint.{end}", manifest["log"][end], manifest, keys))
        except NoteRefused:
            strange.append(f"checkpoint.{end} is signed by a key of the log that is not among those you gave.")
    if strange:
        return Judgement(UNKNOWN_KEYS, strange)
    entries = Entries()
    entries.read(package, Look(manifest["period"]["from"], manifest["period"]["to"]), *ends, processes=processes)
    _are_counted(manifest, ends, entries)
    _are_balanced(package, manifest, entries)
    followed = entries.runs.held_against(package, manifest)
    try:
        unchecked, before = _follows(manifest, keys, previous)
    except NoteRefused:
        return Judgement(UNKNOWN_KEYS, [f"{OF_BEFORE}checkpoint.close is signed by a key of the log that is not among those you gave."])
    if before.strange:
        return Judgement(UNKNOWN_KEYS, [f"{OF_BEFORE}{before.strange}"])
    stamped = stamp.read(package) if stamp else None
    if stamped:
        stamped.refuse_before(signed.requested_at)
    unchecked += signed.doubts(stamped.moment if stamped and stamped.file == ENVELOPE else "")
    log = keys.of_log(package)
    unchecked += log.doubts(package, "checkpoint.open", "checkpoint.close") + ([] if stamped else [UNSTAMPED])
    period = manifest["period"]
    said = [f"Proof {manifest['proof_id']} of {period['from']} to {period['to']}: {entries.counts.total()} entries."]
    said += log.said
    said += [f"Not checked here: {one}." for one in (*unchecked, *manifest["not_included"])]
    said += [stamped.told()] if stamped else []
    said += [f"No proof can show {one}." for one in manifest["cannot_show"]]
    said += [f"Reconciliation of the period: {manifest['reconciliation']['verdict']}.", followed, _personal(manifest)]
    left = [signed.lacking] * bool(signed.lacking) + [f"{OF_BEFORE}{before.lacking}"] * bool(before.lacking)
    left += [f"INCOMPLETE: {one}" for one in manifest["incomplete_because"]]
    return Judgement(INCOMPLETE if left else OK, said + left)


def _personal(manifest: Mapping[str, Any]) -> str:
    """Under which policy personal data is in it. A package of an older version names none. Raises ProofBroken."""
    told = manifest["personal_data"]
    policy = told["policy"] if isinstance(told, dict) else None
    if policy is None:
        return "No policy of personal data was named for it."
    name, digest, since = policy["name"], policy["sha256"], policy["since"]
    whole = isinstance(name, str) and name.isprintable() and name and (digest is None or re.fullmatch("[0-9a-f]{64}", digest))
    in_time = is_moment(since) and since < manifest["period"]["to"]
    holds(bool(whole) and in_time, "The manifest does not say under which policy personal data is in it.")
    return f"Personal data is in it under the policy {name}, in force since {since}{f' (SHA-256 {digest})' if digest else ''}."


def manifest_of(package: OpenPackage) -> Mapping[str, Any]:
    """The manifest, once every file is the one that it names, and its verdict follows from what it says. Raises ProofBroken."""
    names = set(package.names)
    holds(names >= ALL, f"The package lacks {', '.join(sorted(ALL - names))}.")
    holds(names <= ALL, f"The package holds {', '.join(sorted(names - ALL))}, which belongs to no package.")
    manifest: Mapping[str, Any] = package.json(MANIFEST)
    holds(manifest["format"] == FORMAT, "The manifest is of another format.")
    holds(manifest["proof_id"] == proof_id(manifest), "The id of the proof is not that of its manifest.")
    period = manifest["period"]
    ordered = is_moment(period["from"]) and is_moment(period["to"]) and period["from"] < period["to"]
    holds(ordered, "The manifest does not say from when to when its period lasts.")
    named = {one["path"]: (one["sha256"], one["bytes"]) for one in manifest["files"]}
    there = {name: (package.digest(name), package.size(name)) for name in names - {MANIFEST, ENVELOPE}}
    for name in sorted({*named, *there}):
        holds(named.get(name) == there.get(name), f"{name} is not the file that the manifest names.")
    because = manifest["incomplete_because"]
    holds((manifest["verdict"] == "incomplete") == bool(because), "The verdict is not what the manifest's reasons lead to.")
    checks, unchecked = manifest["checks"], manifest["reconciliation"]["not_checked"]
    open_ends = [*unchecked, *checks["failed"], *checks["not_run"]]
    holds(bool(because) or not open_ends, "The manifest says complete, and names what was not checked.")
    reports = package.json(REPORT)["programs"]
    told = [f"{one['program']}: {why['source']}: {why['why']}" for one in reports for why in one["not_checked"]]
    holds(unchecked == told, "The manifest does not name all that the reconciliation report left unchecked.")
    unreconciled = any(one["verdict"] in ("incomplete", "not reconciled") for one in reports)
    holds(bool(because) or not unreconciled, "A program is not reconciled, or not wholly; the manifest is complete.")
    return manifest


def _are_counted(manifest: Mapping[str, Any], ends: list[Checkpoint], entries: Entries) -> None:
    opening, closing = ends
    edges = (opening.size, closing.size - 1) if opening.size < closing.size else (None, None)
    log = manifest["log"]
    holds((log["first"], log["last"]) == edges, "The manifest names another first or last entry.")
    same = manifest["counts"] == dict(entries.counts) and manifest["late"] == entries.late
    holds(same, "The counts of the manifest are not those of the entries.")


def _are_balanced(package: OpenPackage, manifest: Mapping[str, Any], entries: Entries) -> None:
    """Opening balances and movements are closing balances, and all of it foots. Raises ProofBroken."""
    accounts = {(one["program"], one["asset"], one["account"]): one["normal"] for one in package.json("accounts.json")["accounts"]}
    holds(entries.opened.items() <= accounts.items(), "accounts.json lacks an account that was opened in the period.")
    opening, closing = (_sheet(package, manifest, end, accounts) for end in ("open", "close"))
    holds(not opening or manifest["log"]["open"]["size"] > 0, "There are opening balances before the first entry of the log.")
    for one in sorted({*opening, *closing, *entries.moved}):
        before, moved, after = opening.get(one, (0, 0)), entries.moved.get(one, (0, 0)), closing.get(one, (0, 0))
        whole = (before[0] + moved[0], before[1] + moved[1])
        holds(whole == after, f"Opening balance and movements of {one[2]} are not its closing balance.")
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (_, asset, _), moved in entries.moved.items():
        totals[asset] = [totals[asset][0] + moved[0], totals[asset][1] + moved[1]]
    told = {one["asset"]: [int(one["debits"]), int(one["credits"])] for one in manifest["totals"]}
    holds(told == totals, "The totals of the manifest are not those of the entries.")


def _sheet(package: OpenPackage, manifest: Mapping[str, Any], end: str, accounts: Mapping[Account, str]) -> dict[Account, tuple[int, int]]:
    name = f"trial_balance_{end}.json"
    told = package.json(name)
    holds(package.digest(name) == manifest["trial_balance"][end], f"{name} is not the one that the manifest names.")
    holds(told["size"] == manifest["log"][end]["size"], f"{name} is of another size of the log.")
    rows: dict[Account, tuple[int, int]] = {}
    books: Counter[tuple[str, str]] = Counter()
    for one in told["accounts"]:
        account = (one["program"], one["asset"], one["account"])
        debit, credit = int(one["debits"]), int(one["credits"])
        holds(account not in rows, f"{name} names an account twice.")
        holds(accounts.get(account) == one["normal"], f"{name} names {one['account']}, which accounts.json does not know.")
        balance = debit - credit if one["normal"] == "debit" else credit - debit
        holds(one["balance"] == str(balance), f"The balance of {one['account']} in {name} is not debits and credits.")
        rows[account] = (debit, credit)
        books[account[:2]] += debit - credit
    holds(not any(books.values()), f"{name} does not foot: all debits are not all credits.")
    return rows


def _follows(manifest: Mapping[str, Any], keys: TrustedKeys, previous: Path | None) -> tuple[list[str], SignaturesSeen]:
    """Does the package of before end where this one begins, and who signed it? What was not checked of it, and what came of its signatures.
    Raises ProofBroken, NoteRefused."""
    opening, named = manifest["log"]["open"], manifest["previous"]
    if previous is None:
        unknown = "whether the package of the period before ends where this one begins (--previous)"
        return [unknown] * (opening["size"] != 0), SignaturesSeen()
    with _said_of_before():
        package = OpenPackage(previous)
    try:
        with _said_of_before():
            before = manifest_of(package)
            close, balances = before["log"]["close"], before["trial_balance"]["close"]
        holds(before["origin"] == manifest["origin"], "The package of before is of another log.")
        holds(close == opening, "The package of before ends at another root than this one begins with.")
        same = balances == manifest["trial_balance"]["open"]
        holds(same, "The package of before closes with other balances than this one opens with.")
        if named is not None:
            same = (named["proof_id"], named["manifest_sha256"]) == (before["proof_id"], package.digest(MANIFEST))
            holds(same, "Another package is named as the one of before.")
        with _said_of_before():
            signed = signatures_of(package, before, keys)
            checkpoint_of(package, "checkpoint.close", close, before, keys)
            doubts = [*signed.doubts(), *keys.of_log(package).doubts(package, "checkpoint.close")]
    finally:
        package.close()
    return [UNREAD, *(f"{one} (the package of before)" for one in doubts)], signed


@contextmanager
def _said_of_before() -> Iterator[None]:
    """What is wrong with the package of before is said of it, not of the one that is verified."""
    try:
        yield
    except ProofBroken as error:
        raise ProofBroken(said=f"{OF_BEFORE}{error.headline()}") from None
    except UNBUILT as error:
        raise ProofBroken(said=f"{OF_BEFORE}it is not built as a proof is ({unbuilt(error)}).") from None
