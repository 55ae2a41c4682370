"""A part of verify.py, which a package carries as one file: what an inclusion file says of a journal or a payout."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from counterfoil.proofs.packages.verify_base import Package, decoded, is_moment, need, read_json, written_as
from counterfoil.proofs.packages.verify_log import root_of_leaf

# --- An inclusion file --------------------------------------------------------------------------------------------------------------------

INCLUSION_BYTES_MAX, LINES_SAID = 1 << 28, 10
PAPER = "checkpoint"


class Paper(Package):
    """What the file says of the log's keys, and the checkpoint, under the names by which they are looked for in a package."""

    def __init__(self, log: Any, note: str) -> None:
        self.whole = {"keys.json": written_as({"log": log}).encode(), PAPER: note.encode()}
        self.places = dict.fromkeys(self.whole, (0, 0))

    def bytes_of(self, name: str) -> bytes:
        """A file of it."""
        return self.whole[name]


def included_of(told: Any) -> tuple[str, str]:
    """Of what the file is: its kind and its id. Raises Broken."""
    need(isinstance(told, dict) and told.get("format") == "counterfoil-inclusion-1", "The file is of another format.")
    kind, name, entries = told.get("kind"), told.get("id"), told.get("entries")
    whole = kind in ("journal", "payout") and isinstance(name, str) and name.isprintable() and bool(name)
    need(whole and sorted(told) == ["entries", "format", "id", "kind", "log"], "The file does not say of what it is.")
    named = isinstance(entries, list) and entries and all(isinstance(one, dict) for one in entries)
    need(
        bool(named) and all(sorted(one) == ["place", "proof", "record"] for one in entries),
        "The file holds no entries, so it shows nothing.",
    )
    return kind, name


def one_proof(text: str) -> tuple[int, list[bytes], str]:
    """Place, hashes and checkpoint of a proof in its one form (https://c2sp.org/tlog-proof). Raises Broken."""
    said = "A proof is not written as one is (c2sp.org/tlog-proof)."
    head, blank, note = text.partition("\n\n")
    form, _, rest = head.partition("\n")
    first, *hashes = rest.split("\n")
    number = first[6:]
    need(bool(blank) and form == "c2sp.org/tlog-proof@v1" and first[:6] == "index ", said)
    need(number.isascii() and number.isdigit() and str(int(number)) == number, said)
    found = []
    for one in hashes:
        try:
            found.append(base64.b64decode(one, validate=True))
        except ValueError:
            need(False, said)
        need(len(found[-1]) == 32 and base64.b64encode(found[-1]).decode() == one, said)
    return int(number), found, note


def included_proofs(entries: Any) -> tuple[str, dict[int, list[bytes]]]:
    """The checkpoint to which all of them lead, and the hashes of each by its place. Raises Broken."""
    note, leaves, last = "", {}, -1  # type: str, dict[int, list[bytes]], int
    for one in entries:
        place, hashes, each = one_proof(one["proof"])
        need(type(one["place"]) is int and one["place"] == place, "An entry names another place than its proof.")
        need(last < place, "The entries do not lie in the order of the log.")
        need(not note or note == each, "The proofs lead to different checkpoints.")
        note, last, leaves[place] = each, place, hashes
    lines = (note.rpartition("\n\n")[0] + "\n").split("\n")
    said = f"{PAPER} is not written as a checkpoint is."
    need(len(lines) >= 4 and all(lines[:-1]), said)
    size = lines[1]
    need(size.isascii() and size.isdigit() and str(int(size)) == size and int(size) < 1 << 63, said)
    try:
        whole = len(decoded(lines[2], "A root")) == 32
    except Exception:  # noqa: BLE001 - not base64, in whichever way
        whole = False
    need(whole, said)
    return note, leaves


def included_journals(entries: Any, leaves: dict[int, list[bytes]], size: int, root: bytes) -> list[tuple[int, Any]]:
    """Each entry with its place, once it leads to the checkpoint. Raises Broken."""
    found = []
    for at, (place, hashes) in enumerate(leaves.items()):
        raw = entries[at]["record"].encode()
        leads = root_of_leaf(place, size, hashlib.sha256(b"\0" + raw).digest(), hashes) == root
        need(leads, f"Entry {place} does not lead to the checkpoint: it was altered, or is of another place or log.")
        record = read_json(raw, f"Entry {place}")
        need(record["type"] == "journal", f"Entry {place} is no journal.")
        need(is_moment(record["at"]), f"Entry {place} does not say when it was recorded.")
        found.append((place, record))
    return found


def attempt_at(journal: Any) -> Any:
    """At which payout the attempt is for which this journal reserves; None where it says nothing of it."""
    told = re.fullmatch(r"Attempt [1-9][0-9]* at (\S+)", journal["narrative"] or "")
    return told.group(1) if told and journal["key"] == f"PAYOUT_RESERVE:{journal['source_id']}" else None


def included_told(kind: str, name: str, journals: list[tuple[int, Any]]) -> tuple[list[str], list[str]]:
    """What the journals say, each of which is of the thing; and what of that is not checked. Raises Broken."""
    said, attempts, told = [], set(), set()  # type: list[str], set[str], set[str]
    need(kind == "payout" or len(journals) == 1, "The file is of one journal, and holds more.")
    for place, one in journals:
        source = one["source_type"], one["source_id"]
        at = attempt_at(one) if source[0] == "provider_payout" else None
        of_payout = source == ("payout", name) or (source[0] == "provider_payout" and at in (None, name))
        need(one["id"] == name if kind == "journal" else of_payout, f"Entry {place} is not of {name}.")
        if source[0] == "provider_payout":
            attempts.add(source[1])
        if at is not None:
            told.add(source[1])
        said.append(f"Entry {place}: journal {one['id']} ({one['kind']}) of {one['program']}, recorded {one['at']}.")
        said += [
            f"  debit {line['debit']}, credit {line['credit']}: {line['amount']} ({one['asset']}, minor units)."
            for line in one["lines"][:LINES_SAID]
        ]
        if len(one["lines"]) > LINES_SAID:
            said.append(f"  and {len(one['lines']) - LINES_SAID} lines more, in the file.")
    unchecked = ["that people vouch for it: they sign packages of periods, and this rests on the log's own key"]
    if kind == "payout":
        unchecked.append("whether these are all entries of it: only the whole package holds every entry")
        said += [f"{one} is an attempt at {name}: the entry that reserves for it says so." for one in sorted(told)]
        named = ", ".join(sorted(attempts - told))
        unchecked += [f"that {named} are attempts at {name}: the entries name the attempts alone"] * bool(named)
    return said, unchecked
