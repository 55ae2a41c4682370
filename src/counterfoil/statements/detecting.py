"""Which format a file has: told by its content, never by its name alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from counterfoil.statements.shape import SourceBroken
from counterfoil.statements.tables.workbook_limits import what_zip
from counterfoil.statements.text import BOMS

HEAD_BYTES: Final = 65_536
FORMATS: Final = (
    "mt940",
    "mt942",
    "camt.052",
    "camt.053",
    "camt.054",
    "bai2",
    "ofx",
    "qif",
    "xlsx",
    "stripe",
    "stripe-summary",
    "paypal",
    "paypal-settlement",
    "adyen",
    "wise",
    "wise-history",
    "revolut",
    "revolut-business",
    "simulator",
    "parquet",
    "ndjson",
    "json",
    "csv",
)
OTHERS: Final[Mapping[bytes, str]] = {
    b"\xd0\xcf\x11\xe0": "a workbook of the old kind (.xls), or one with a password; save it as .xlsx or CSV",
    b"%PDF": "a PDF, which cannot be read; ask the bank for MT940, camt.053 or CSV",
    b"\x1f\x8b": "a gzip archive; unpack it first",
}
_CAMT: Final = re.compile(r"camt\.(05[234])\.|<(?:\w+:)?BkToCstmr(Stmt|AcctRpt|DbtCdtNtfctn)")
_CAMT_ROOTS: Final = {"Stmt": "camt.053", "AcctRpt": "camt.052", "DbtCdtNtfctn": "camt.054"}
_SWIFT: Final = re.compile(r"^(?:\{4:)?:(?:20|25|28C?|60[FM]|61|62[FM]|86|NS):", re.MULTILINE)
_MT942: Final = re.compile(r"^:(?:34F|90[CD]):|\{2:[IO]942", re.MULTILINE)
_HOLDS_A_LIST: Final = re.compile(r'"\s*:\s*\[\s*\{')
_QIF: Final = re.compile(r"!(?:Type|Account|Option|Clear)\b", re.IGNORECASE)
_PAYPAL_SECTIONS: Final = re.compile(r'"?RH"?[,\t].*\r?\n"?FH"?[,\t].*\r?\n"?SH"?[,\t]')
_BAI: Final = re.compile(r"\s*01,[^\r\n]{0,200},")
_OFX: Final = re.compile(r"\s*(?:OFXHEADER\s*:|<\?xml[^>]*\?>\s*<\?OFX\b|(?:<\?xml[^>]*\?>\s*)?<OFX\s*>)", re.IGNORECASE)


def detect(path: Path) -> str:
    """The format's name (one of FORMATS). Raises SourceBroken when the content is of none of them."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise SourceBroken(path.name, 1, None, "the file is empty")
    if told := _other_program(path, head):
        raise SourceBroken(path.name, 1, None, f"this is {told}")
    found = _by_magic(head) or _by_text(_as_text(head), path.suffix.lower())
    if found is None:
        raise SourceBroken(path.name, 1, None, "this is none of the formats that can be read: " + ", ".join(FORMATS))
    return found


def _other_program(path: Path, head: bytes) -> str | None:
    """What this file is, where it is none of ours and a person may not know it."""
    if head.startswith(b"PK\x03\x04"):
        return what_zip(path)
    return next((told for mark, told in OTHERS.items() if head.startswith(mark)), None)


def _by_magic(head: bytes) -> str | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    return None


def _as_text(head: bytes) -> str:
    for mark, name in BOMS:
        if head.startswith(mark):
            return head.decode(name, errors="replace")
    if head[:64].count(0) * 3 >= len(head[:64]) > 1:
        return head.decode("utf-16-le" if head[1:64:2].count(0) > head[0:64:2].count(0) else "utf-16-be", errors="replace")
    return head.decode("utf-8", errors="replace")


def _by_text(text: str, suffix: str) -> str | None:
    stripped = text.lstrip("\ufeff\x01\x00 \r\n\t")
    if _OFX.match(stripped):
        return "ofx"
    if stripped.startswith("<"):
        found = _CAMT.search(text)
        return None if not found else f"camt.{found[1]}" if found[1] else _CAMT_ROOTS[found[2]]
    if _QIF.match(stripped):
        return "qif"
    if _SWIFT.search(text[:4096]) or stripped.startswith("{1:F"):
        return "mt942" if _MT942.search(text) else "mt940"
    if _BAI.match(stripped):
        return "bai2"
    if stripped.startswith("[") and suffix not in {".csv", ".tsv"}:
        return "json"
    if stripped.startswith("{"):
        first, _, rest = stripped.partition("\n")
        first = first.rstrip()
        if suffix not in {".ndjson", ".jsonl"} and not rest.strip() and _HOLDS_A_LIST.search(first):
            return "json"  # one object with the list of records in it
        return "ndjson" if first.endswith("}") and first != "{}" else "json"
    return _by_header(stripped, suffix)


def _by_header(text: str, suffix: str) -> str | None:
    """CSV and its known kinds: some line among the first thirty has two or more cells."""
    lines = [line for line in text.splitlines()[:30] if line.strip()]
    first = lines[0].lower().replace('"', "") if lines else ""
    names = {name.strip() for name in re.split(r"[,;\t]", first)}
    if {"net", "fee", "gross", "balance_transaction_id"} <= names or {
        "id",
        "net",
        "fee",
        "amount",
        "created (utc)",
    } <= names:
        return "stripe"
    if {"psp reference", "merchant reference", "gross currency", "net currency"} <= names:
        return "adyen"
    if {"gross", "fee", "net", "currency", "transaction id"} <= names:
        return "paypal"
    if names >= {"direction", "source amount (after fees)", "target amount (after fees)"}:
        return "wise-history"
    if _PAYPAL_SECTIONS.match(text):
        return "paypal-settlement"
    if {"transferwise id", "amount", "running balance"} <= names:
        return "wise"
    if {"started date", "completed date", "amount", "fee", "state"} <= names:
        return "revolut"
    if {"date started (utc)", "date completed (utc)", "payment currency", "amount", "total amount", "fee"} <= names:
        return "revolut-business"
    if {"category", "net_amount", "currency"} <= names:
        return "stripe-summary"
    if {"id", "type", "gross", "fee", "net", "asset", "available_on"} <= names:
        return "simulator"
    if "\x00" in text or text.count("\ufffd") * 3 > len(text):
        return None
    cells = max((len(re.split(r"[,;\t|]", line)) for line in lines), default=0)
    return "csv" if cells > 1 or suffix in {".csv", ".tsv"} else None
