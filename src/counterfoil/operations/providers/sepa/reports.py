"""What the bank reports: pain.002 tells what became of a file and its orders, camt.053 and camt.054 what was booked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.providers import PayoutStatus
from counterfoil.statements import SourceBroken, read

# ISO 20022, ExternalPaymentTransactionStatus1Code: received, checked, under way; settled; refused.
STATUSES: Final[Mapping[str, PayoutStatus]] = {
    **dict.fromkeys(("RCVD", "ACTC", "ACCP", "ACSP", "ACWC", "ACFC", "ACWP", "PDNG", "PATC", "PRES"), "pending"),
    **dict.fromkeys(("ACSC", "ACCC"), "paid"),
    **dict.fromkeys(("RJCT", "CANC", "BLCK"), "failed"),
}
PART: Final = "PART"  # of a whole: each part tells for itself
REPORT_BYTES_MAX: Final = 20_000_000


class ReportedOrder(NamedTuple):
    """What a report says of one order, by its end-to-end id. `amount` in minor units where it is told; `reason` is the bank's."""

    reference: str
    status: PayoutStatus
    reason: str | None = None
    amount: int | None = None
    at: datetime | None = None


class BankReport(NamedTuple):
    """A report: of which file of ours (pain.002), and what it says of each order that it names; `rest`, of those that it does not name."""

    format: str
    message_id: str | None
    orders: list[ReportedOrder]
    rest: ReportedOrder | None = None


def read_report(body: bytes) -> BankReport:
    """A report of the bank. Raises InvalidInput naming what is wrong."""
    if not 0 < len(body) <= REPORT_BYTES_MAX:
        raise InvalidInput("file", f"1 to {REPORT_BYTES_MAX} bytes", got=len(body))
    try:
        root = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InvalidInput("file", "XML: pain.002, camt.053 or camt.054", got=type(error).__name__) from error
    report = root.find("{*}CstmrPmtStsRpt")
    return _pain002(report) if report is not None else _camt(body)


def _pain002(report: Any) -> BankReport:
    whole = report.find("{*}OrgnlGrpInfAndSts")
    message_id = _text(whole, "OrgnlMsgId")
    if whole is None or not message_id:
        raise InvalidInput("file", "a pain.002 that names the file it speaks of (OrgnlMsgId)")
    orders = list(_orders(report))
    parts = [part for part in report.iterfind("{*}OrgnlPmtInfAndSts") if _text(part, "PmtInfSts")]
    told = _text(parts[0], "PmtInfSts") if len(parts) == 1 else None
    rest = _rest(told, parts[0]) if told and told != PART else _rest(_text(whole, "GrpSts"), whole)
    return BankReport("pain.002", message_id, orders, rest)


def _orders(report: Any) -> Iterator[ReportedOrder]:
    for one in report.iterfind(".//{*}TxInfAndSts"):
        reference, code = _text(one, "OrgnlEndToEndId"), _text(one, "TxSts")
        if not reference or code is None or code not in STATUSES:
            raise InvalidInput("file", "orders with their OrgnlEndToEndId and a TxSts of ISO 20022", got=str(code)[:10])
        yield ReportedOrder(reference, STATUSES[code], _reason(one), _cents(one), None)


def _rest(code: str | None, told_in: Any) -> ReportedOrder | None:
    if code is None or code == PART:
        return None
    if code not in STATUSES:
        raise InvalidInput("file", "a status of ISO 20022", got=code[:10])
    return ReportedOrder("", STATUSES[code], _reason(told_in))


def _reason(node: Any) -> str | None:
    info = node.find("{*}StsRsnInf")
    if info is None:
        return None
    words = (_text(info, "Rsn/Cd") or _text(info, "Rsn/Prtry"), _text(info, "AddtlInf"))
    return ": ".join(filter(None, words))[:200] or None


def _cents(node: Any) -> int | None:
    """The amount that the report repeats, where it does, in cents. Raises InvalidInput."""
    found = node.find("{*}OrgnlTxRef/{*}Amt/{*}InstdAmt")
    if found is None:
        return None
    text = (found.text or "").strip()
    whole, _, part = text.partition(".")
    if not whole.isascii() or not whole.isdigit() or len(part) > 2 or (part and not part.isdigit()):
        raise InvalidInput("file", "amounts in euro with two decimals", got=text[:30])
    return int(whole) * 100 + int(part.ljust(2, "0"))


def _text(node: Any, path: str) -> str | None:
    found = node.find("/".join("{*}" + part for part in path.split("/"))) if node is not None else None
    return (found.text or "").strip() or None if found is not None else None


def _camt(body: bytes) -> BankReport:
    """Booked entries: what left is paid, what came back under the same id is returned."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-report-") as folder:
        path = Path(folder) / "report.xml"
        path.write_bytes(body)
        try:
            found = read(path)
        except SourceBroken as fault:
            raise InvalidInput("file", "pain.002, camt.053 or camt.054", got=str(fault)[:200]) from fault
    if not found.format.startswith("camt."):
        raise InvalidInput("file", "pain.002, camt.053 or camt.054", got=found.format)
    return BankReport(found.format, None, list(_booked(found.lines.to_pylist())))


def _booked(lines: Sequence[Mapping[str, Any]]) -> Iterator[ReportedOrder]:
    for one in lines:
        if not one["reference"] or one["status"] != "booked" or not one["booked_on"]:
            continue
        day = one["booked_on"]
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        status: PayoutStatus = "paid" if one["amount"] < 0 else "returned"
        reason = one["memo"] if status == "returned" else None
        yield ReportedOrder(str(one["reference"]), status, reason, abs(int(one["amount"])), at)
