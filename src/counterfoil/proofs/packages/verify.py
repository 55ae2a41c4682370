"""The last of the parts of verify.py, which a package carries as one file: what a proof says, and whether all of it holds."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from counterfoil.proofs.packages.verify_base import (
    ALL_OF_IT,
    BROKEN,
    DISCLOSED,
    FILES,
    INCOMPLETE,
    ML_DSA_44,
    NOT_VERIFIED,
    OK,
    REST_OF_IT,
    UNBUILT,
    UNKNOWN_KEYS,
    UNLISTED,
    UNREAD_KIND,
    UNSTAMPED,
    Broken,
    Package,
    UnknownKeys,
    decoded,
    is_moment,
    need,
    personal,
    read_json,
    signed_by,
    unbuilt,
    written_as,
)
from counterfoil.proofs.packages.verify_disclosed import disclosed_entries, whose
from counterfoil.proofs.packages.verify_included import (
    INCLUSION_BYTES_MAX,
    PAPER,
    Paper,
    included_journals,
    included_of,
    included_proofs,
    included_told,
)
from counterfoil.proofs.packages.verify_keys import LogKeys, key_mark, note_lines, read_keys
from counterfoil.proofs.packages.verify_log import Walk

# --- Who signed -------------------------------------------------------------------------------------------------------------------------


def check_signatures(package: Package, manifest: Any, keys: Any) -> tuple[str, list[str]]:
    """The quorum, by keys that the caller trusts: what is lacking of it, if anything, and what no signature shows.
    Raises Broken, UnknownKeys."""
    envelope = package.json_of("manifest.dsse.json")
    body = decoded(envelope["payload"], "The signed statement")
    need(envelope["payloadType"] == "application/vnd.in-toto+json", "The envelope is of another type.")
    statement = read_json(body, "The signed statement")
    need(statement["_type"] == "https://in-toto.io/Statement/v1", "The signed statement is of another type.")
    need(statement["predicateType"] == "urn:counterfoil:proof:1", "The signed statement is about something else.")
    listed = {one["name"]: one["digest"] for one in statement["subject"]}
    files = {name: {"sha256": package.digest(name)} for name in package.places if name in FILES and name != "manifest.dsse.json"}
    same = listed.keys() == FILES - {"manifest.dsse.json"} and files.items() <= listed.items()  # a disclosure holds some of them
    need(len(listed) == len(statement["subject"]) and same, "The signed statement is about other files than these.")
    about = statement["predicate"]
    told = {"proof_id": manifest["proof_id"], "origin": manifest["origin"], "period": manifest["period"]}
    need({name: about.get(name) for name in told} == told, "The signed statement is about another proof.")
    at = about["requested_at"]
    need(is_moment(at), "The signed statement does not say when it was asked for.")
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
    trusted = {hashlib.sha256(bytes.fromhex(one["key"])).hexdigest(): one for one in keys["signers"]}
    counted, unread, strangers = [], [], 0
    for one in envelope["signatures"]:
        key = trusted.get(one["keyid"])
        if key is None:
            strangers += 1
            continue
        signature = decoded(one["sig"], "A signature")
        public = bytes.fromhex(key["key"])
        if [len(public), len(signature)] == ML_DSA_44:
            unread.append(f"the signature of {key['person']}: {UNREAD_KIND}")
        else:
            need(signed_by(public, signature, message), f"The signature of {key['person']} is not of this statement.")
        need(key["valid_from"] <= at < key["valid_until"], f"The key of {key['person']} was not valid when this was signed.")
        need(key["revoked_at"] is None or at < key["revoked_at"], f"The key of {key['person']} was revoked before this was signed.")
        counted.append(key)
    for field, what, owner in (("key", "key", "person"), ("person_id", "person", "person"), ("role", "role", "role")):
        for place, one in enumerate(counted):
            others = [each[field] for each in counted[:place]]
            need(one[field] not in others, f"Two signatures are of one {what} ({one[owner]}): each must be of another.")
    if strangers:
        raise UnknownKeys(f"{strangers} of its signatures are by keys that are not among those you gave.")
    read, far = len(counted) - len(unread), ", as far as can be checked here" if unread else ""
    back = "who has a stolen key can date a request back"
    doubts = [f"whether {one['person']} signed before their key was revoked: {back}" for one in counted if one["revoked_at"]]
    lacking = f"It is signed by {read} of the {keys['quorum']} people that it takes{far}." if read < keys["quorum"] else ""
    return lacking, unread + doubts


def check_checkpoint(package: Package, name: str, told: Any, manifest: Any, keys: Any) -> tuple[int, bytes]:
    """Size and root of a checkpoint that a trusted key of the log signed. Raises Broken, UnknownKeys."""
    note = package.bytes_of(name).decode("utf-8")
    head, blank, _ = note.rpartition("\n\n")
    lines = (head + "\n").split("\n")
    signed = note_lines(note, lines[0])
    need(bool(blank and signed) and len(lines) == 4, f"{name} is not written as a checkpoint is.")
    origin, size, root = lines[:3]
    need(origin == manifest["origin"] == keys["origin"], f"{name} is of another log.")
    need([size, root] == [str(told["size"]), told["root"]], f"{name} has another size or root than the manifest says.")
    raw, log = signed[0], LogKeys(package, keys)
    for public in log.known:
        if raw[:4] == key_mark(origin, public):
            need(signed_by(public, raw[4:], (head + "\n").encode()), f"The signature of {name} is not of it.")
            need(int(size) <= log.ends.get(public, int(size)), f"{name} is signed by a key of the log that had ended by then.")
            log.second(name, note, public)
            return int(size), base64.b64decode(root, validate=True)
    raise UnknownKeys(f"{name} is signed by a key of the log that is not among those you gave.")


# --- What the books and the manifest say --------------------------------------------------------------------------------------------------


def check_balances(package: Package, manifest: Any, walk: Walk) -> None:
    """Opening balances and movements are the closing balances, and both foot. Raises Broken."""
    accounts = {(one["program"], one["asset"], one["account"]): one["normal"] for one in package.json_of("accounts.json")["accounts"]}
    need(walk.opened.items() <= accounts.items(), "accounts.json lacks an account that was opened in the period.")
    sheets = []
    for when in ("open", "close"):
        name = f"trial_balance_{when}.json"
        sheet = package.json_of(name)
        need(package.digest(name) == manifest["trial_balance"][when], f"{name} is not the one that the manifest names.")
        need(sheet["size"] == manifest["log"][when]["size"], f"{name} is of another size of the log.")
        rows = {(one["program"], one["asset"], one["account"]): [int(one["debits"]), int(one["credits"])] for one in sheet["accounts"]}
        need(len(rows) == len(sheet["accounts"]), f"{name} names an account twice.")
        footed: dict[tuple[str, str], int] = {}
        for one in sheet["accounts"]:
            key = (one["program"], one["asset"], one["account"])
            need(accounts.get(key) == one["normal"], f"{name} names {one['account']}, which accounts.json does not know.")
            balance = (rows[key][0] - rows[key][1]) * (1 if one["normal"] == "debit" else -1)
            need(one["balance"] == str(balance), f"The balance of {one['account']} in {name} is not debits and credits.")
            footed[key[:2]] = footed.get(key[:2], 0) + rows[key][0] - rows[key][1]
        need(not any(footed.values()), f"{name} does not foot: all debits are not all credits.")
        sheets.append(rows)
    need(not sheets[0] or manifest["log"]["open"]["size"] > 0, "There are opening balances before the first entry of the log.")
    for key in sorted({*sheets[0], *sheets[1], *walk.moved}):
        before, moved, after = (rows.get(key, [0, 0]) for rows in (sheets[0], walk.moved, sheets[1]))
        whole = [before[0] + moved[0], before[1] + moved[1]]
        need(whole == after, f"Opening balance and movements of {key[2]} are not its closing balance.")
    totals: dict[str, list[int]] = {}
    for (_, asset, _), sums in walk.moved.items():
        found = totals.setdefault(asset, [0, 0])
        found[0], found[1] = found[0] + sums[0], found[1] + sums[1]
    told = {one["asset"]: [int(one["debits"]), int(one["credits"])] for one in manifest["totals"]}
    need(told == totals, "The totals of the manifest are not those of the entries.")


def check_manifest(package: Package) -> Any:
    """The manifest, once every file is the one that it names. Raises Broken."""
    package.holds_only(FILES, "package")
    manifest = package.json_of("manifest.json")
    need(manifest["format"] == "counterfoil-proof-1", "The manifest is of another format.")
    bare = {name: value for name, value in manifest.items() if name != "proof_id"}
    number = int.from_bytes(hashlib.sha256(written_as(bare).encode()).digest(), "big") >> 126
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    name = "prf_" + "".join(letters[number >> 5 * place & 31] for place in range(25, -1, -1))
    need(manifest["proof_id"] == name, "The id of the proof is not that of its manifest.")
    begins, ends = manifest["period"]["from"], manifest["period"]["to"]
    need(is_moment(begins) and is_moment(ends) and begins < ends, "The manifest does not say from when to when its period lasts.")
    named = {one["path"]: [one["sha256"], one["bytes"]] for one in manifest["files"]}
    there = {name: [package.digest(name), place[1]] for name, place in package.places.items() if name not in UNLISTED}
    for path in sorted({*named, *there}):
        need(named.get(path) == there.get(path), f"{path} is not the file that the manifest names.")
    because = manifest["incomplete_because"]
    open_ends = [*manifest["reconciliation"]["not_checked"], *manifest["checks"]["failed"], *manifest["checks"]["not_run"]]
    need((manifest["verdict"] == "incomplete") == bool(because), "The verdict is not what the manifest's reasons lead to.")
    need(bool(because) or not open_ends, "The manifest says complete, and names what was not checked.")
    reports = package.json_of("reconciliation_report.json")["programs"]
    told = [f"{one['program']}: {why['source']}: {why['why']}" for one in reports for why in one["not_checked"]]
    need(manifest["reconciliation"]["not_checked"] == told, "The manifest does not name all that the reconciliation report left unchecked.")
    need(
        bool(because) or all(one["verdict"] not in ("incomplete", "not reconciled") for one in reports),
        "A program is not reconciled, or not wholly; the manifest is complete.",
    )
    return manifest


@contextmanager
def said_of_before() -> Iterator[None]:
    """What is wrong with the package of before is said of it, not of the one that is verified."""
    try:
        yield
    except (Broken, UnknownKeys) as error:
        raise type(error)(f"The package of before: {error}") from None
    except UNBUILT as error:
        raise Broken(f"The package of before: it is not built as a proof is ({unbuilt(error)}).") from None


def check_previous(manifest: Any, path: str, keys: Any) -> tuple[list[str], str]:
    """Does the package of before end where this one begins, and who signed it? What was not checked of it, and what its signatures lack.
    Raises Broken, UnknownKeys."""
    named, opening = manifest["previous"], manifest["log"]["open"]
    if not path:
        unknown = "whether the package of the period before ends where this one begins (--previous)"
        return [unknown] * (opening["size"] != 0), ""
    with said_of_before():
        package = Package(path)
        before = check_manifest(package)
        close, balances = before["log"]["close"], before["trial_balance"]["close"]
    need(before["origin"] == manifest["origin"], "The package of before is of another log.")
    need(close == opening, "The package of before ends at another root than this one begins with.")
    need(balances == manifest["trial_balance"]["open"], "The package of before closes with other balances than this one opens with.")
    if named is not None:
        same = [named["proof_id"], named["manifest_sha256"]] == [before["proof_id"], package.digest("manifest.json")]
        need(same, "Another package is named as the one of before.")
    with said_of_before():
        lacking, doubts = check_signatures(package, before, keys)
        check_checkpoint(package, "checkpoint.close", close, before, keys)
        doubts += LogKeys(package, keys).doubts(package, ["checkpoint.close"])
    unread = "the entries of the package of before: verify it by itself, too"
    return [unread, *(f"{one} (the package of before)" for one in doubts)], f"The package of before: {lacking}" if lacking else ""


def verify(path: str, keys: Any, previous: str) -> tuple[int, list[str]]:
    """The exit code, and what is to be said."""
    with open(path, "rb") as file:
        if file.read(1) == b"{":
            return verify_inclusion(b"{" + file.read(INCLUSION_BYTES_MAX), keys, previous)
    package = Package(path)
    if "disclosure.json" in package.places:
        return verify_disclosure(package, keys, previous)
    manifest = check_manifest(package)
    strange: list[str] = []
    lacking, doubts = "", []  # type: str, list[str]
    try:
        lacking, doubts = check_signatures(package, manifest, keys)
    except UnknownKeys as error:
        strange.append(str(error))
    ends = []
    for when in ("open", "close"):
        try:
            ends.append(check_checkpoint(package, f"checkpoint.{when}", manifest["log"][when], manifest, keys))
        except UnknownKeys as error:
            strange.append(str(error))
    if strange:
        return UNKNOWN_KEYS, strange
    walk = Walk(package, manifest)
    walk.go(*ends[0], *ends[1])
    first, last = (ends[0][0], ends[1][0] - 1) if ends[0][0] < ends[1][0] else (None, None)
    need([manifest["log"]["first"], manifest["log"]["last"]] == [first, last], "The manifest names another first or last entry.")
    need([manifest["counts"], manifest["late"]] == [walk.counts, walk.late], "The counts of the manifest are not those of the entries.")
    check_balances(package, manifest, walk)
    followed = walk.runs.check(package, manifest)
    try:
        unchecked, lacking_before = check_previous(manifest, previous, keys)
    except UnknownKeys as error:
        return UNKNOWN_KEYS, [str(error)]
    said = [
        f"Proof {manifest['proof_id']} of {manifest['period']['from']} to {manifest['period']['to']}: {sum(walk.counts.values())} entries."
    ]
    log = LogKeys(package, keys)
    said += log.said
    doubts += log.doubts(package, ["checkpoint.open", "checkpoint.close"])
    doubts.append(UNSTAMPED)
    said += [f"Not checked here: {one}." for one in (*unchecked, *doubts, *manifest["not_included"])]
    said += [f"No proof can show {one}." for one in manifest["cannot_show"]]
    said += [f"Reconciliation of the period: {manifest['reconciliation']['verdict']}.", followed, personal(manifest)]
    open_ends = [one for one in (lacking, lacking_before) if one] + [f"INCOMPLETE: {one}" for one in manifest["incomplete_because"]]
    return (INCOMPLETE if open_ends else OK), said + open_ends


# --- A disclosure as a whole -------------------------------------------------------------------------------------------------------------


def verify_disclosure(package: Package, keys: Any, previous: str) -> tuple[int, list[str]]:
    """As `verify`, of what one payee was given out of a package."""
    package.holds_only(DISCLOSED, "disclosure")
    about = package.json_of("disclosure.json")
    payee, program, left_out = about["payee"], about["program"], about["left_out"]
    texts = all(isinstance(one, str) and one.isprintable() and one for one in (payee, program))
    need(about["format"] == "counterfoil-disclosure-1", "disclosure.json is of another format.")
    need(texts and type(left_out) is int and left_out >= 0 and len(about) == 4, "disclosure.json does not say whose entries these are.")
    body = decoded(package.json_of("manifest.dsse.json")["payload"], "The signed statement")
    signed = read_json(body, "The signed statement")["predicate"]
    strange, lacking, doubts = [], "", []  # type: list[str], str, list[str]
    try:
        lacking, doubts = check_signatures(package, signed, keys)
    except UnknownKeys as error:
        strange.append(str(error))
    begins, until = signed["period"]["from"], signed["period"]["to"]
    need(is_moment(begins) and is_moment(until) and begins < until, "The signed statement does not say from when to when its period lasts.")
    ends = []
    for when in ("open", "close"):
        lines = package.bytes_of(f"checkpoint.{when}").decode().split("\n")
        try:
            ends.append(check_checkpoint(package, f"checkpoint.{when}", {"size": int(lines[1]), "root": lines[2]}, signed, keys))
        except UnknownKeys as error:
            strange.append(str(error))
    if strange:
        return UNKNOWN_KEYS, strange
    entries, opening = disclosed_entries(package, ends, until), ends[0][0]
    moved = whose(entries, opening, payee, program)
    count = sum(index >= opening for index, _ in entries)
    whole = f"of the {ends[1][0] - opening} entries of proof {signed['proof_id']}, {begins} to {until}"
    said = [f"Disclosure for {payee} in {program}: {count} {whole}."]
    if count < len(entries):
        said.append(f"{len(entries) - count} of before the period: they show whose payouts ended in it.")
    for (name, asset), sums in sorted(moved.items()):
        said.append(f"Moved by them on {name}: debits {sums[0]}, credits {sums[1]} ({asset}, minor units).")
    unchecked = [ALL_OF_IT, REST_OF_IT] + ["the package of before: a disclosure does not rest on it"] * bool(previous)
    doubts += LogKeys(package, keys).doubts(package, ["checkpoint.open", "checkpoint.close"])
    said += [f"Not checked here: {one}." for one in (*unchecked, *doubts, UNSTAMPED)]
    open_ends = [lacking] * bool(lacking)
    open_ends += [f"INCOMPLETE: {left_out} entries concern others, too, and whoever made this left them out."] * bool(left_out)
    return (INCOMPLETE if open_ends else OK), said + open_ends


# --- An inclusion file as a whole --------------------------------------------------------------------------------------------------------


def verify_inclusion(body: bytes, keys: Any, previous: str) -> tuple[int, list[str]]:
    """As `verify`, of what shows that a journal or a payout is in the log."""
    need(len(body) <= INCLUSION_BYTES_MAX, "The file is too long to be an inclusion file.")
    told = read_json(body, "The file")
    kind, name = included_of(told)
    note, leaves = included_proofs(told["entries"])
    paper, lines = Paper(told["log"], note), note.split("\n")
    try:
        size, root = check_checkpoint(paper, PAPER, {"size": int(lines[1]), "root": lines[2]}, {"origin": lines[0]}, keys)
    except UnknownKeys as error:
        return UNKNOWN_KEYS, [str(error)]
    journals = included_journals(told["entries"], leaves, size, root)
    said, unchecked = included_told(kind, name, journals)
    log = LogKeys(paper, keys)
    unchecked += ["the package of before: an inclusion file does not rest on it"] * bool(previous)
    unchecked += [*log.doubts(paper, [PAPER]), UNSTAMPED]
    head = f"Inclusion of {kind} {name}: {len(leaves)} of the {size} entries of the log {lines[0]}."
    return OK, [head, *said, *log.said, *(f"Not checked here: {one}." for one in unchecked)]


# --- The command line ---------------------------------------------------------------------------------------------------------------------


def judged(path: str, keys: Any, previous: str) -> tuple[int, list[str]]:
    """As `verify`; whatever cannot be read is broken."""
    try:
        return verify(path, keys, previous)
    except Broken as error:
        return BROKEN, [str(error)]
    except UNBUILT as error:
        return BROKEN, [f"It is not built as a proof is ({unbuilt(error)})."]


class Words(argparse.ArgumentParser):
    """A call that is not understood says nothing of the package, so it has an exit code of its own."""

    def error(self, message: str) -> Any:
        """Say what was wrong with the call."""
        self.exit(NOT_VERIFIED, f"{self.format_usage()}{self.prog}: {message}\n")


def main() -> int:
    """The command line."""
    parser = Words(description="Verify a proof package. Ends with 0 whole, 1 broken, 2 incomplete, 3 unknown keys, 64 not verified.")
    parser.add_argument("package")
    parser.add_argument("--keys", required=True, help="the keys that you trust, from somewhere else than the package")
    parser.add_argument("--previous", default="", help="the package of the period before")
    given = parser.parse_args()
    try:
        with open(given.keys, encoding="utf-8") as file:
            keys = json.load(file)
        read_keys(keys)
        code, said = judged(given.package, keys, given.previous)
    except OSError as error:
        parser.error(f"{error.filename or given.package} cannot be read: {error.strerror}")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        code, said = UNKNOWN_KEYS, [f"{given.keys} is no file of keys ({type(error).__name__}: {error})."]
    words = ("OK", "BROKEN", "INCOMPLETE", "UNKNOWN KEYS")
    sys.stdout.write("\n".join([words[code], *said]) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
