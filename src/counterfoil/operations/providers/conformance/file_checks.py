"""The checks of a provider that takes orders in files, one function each: its docstring is what the adapter must do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Protocol

from defusedxml.ElementTree import fromstring

from counterfoil.base.problems import Problem
from counterfoil.operations.providers import FileHead, FileProvider, Later, PayoutOrder, Sought, Unclear
from counterfoil.operations.providers.conformance.sandbox import want

HEAD: Final = FileHead("check-1", datetime(2026, 11, 26, 12, tzinfo=UTC), date(2026, 11, 27))
AWKWARD: Final = 'Ärger & Söhne <"GmbH">'
NAMELESS: Final = "\N{FIRE}"  # printable, and nothing of it is left in the letters of a file


class ReportReader(Protocol):
    """How the bank's reports are read: gives an object with `message_id`, `orders` (reference, status, amount) and `rest`."""

    def __call__(self, body: bytes, /) -> Any:
        """Raises a Problem for what is no report."""


@dataclass(frozen=True)
class FileSandbox:
    """An adapter that makes files. `account` is a destination without the name at its end, `refused` one that cannot stand in a file."""

    name: str
    provider: FileProvider
    asset: str
    account: str
    refused: str
    read_report: ReportReader
    url: str = "no address: files are made and read here"

    def order(self, number: int, *, name: str = "Jane Doe") -> PayoutOrder:
        """An order of its own."""
        return PayoutOrder(f"key-{number}", 1_000 + number, self.asset, f"{self.account};{name}", f"pp-{number}")


def each_order_stands_in_the_file_once(it: FileSandbox) -> None:
    """A file names each order once, by our reference, with its amount; its count and its sum are those of the orders."""
    orders = [it.order(number) for number in range(1, 4)]
    root = fromstring(it.provider.file_of(HEAD, orders))
    told = {one.findtext(".//{*}EndToEndId"): one.findtext(".//{*}InstdAmt") for one in root.iterfind(".//{*}CdtTrfTxInf")}
    want(told == {one.reference: _major(one.amount) for one in orders}, f"it orders {told}")
    head = root.find(".//{*}GrpHdr")
    want(head.findtext("{*}MsgId") == HEAD.message_id, "it has another message id than it was given")
    counted = (head.findtext("{*}NbOfTxs"), head.findtext("{*}CtrlSum"))
    want(counted == ("3", _major(sum(one.amount for one in orders))), f"it counts {counted}")


def same_orders_same_bytes(it: FileSandbox) -> None:
    """The same orders under the same head are the same file, to the byte: nothing in it is drawn or taken from a clock."""
    orders = [it.order(number) for number in (1, 2)]
    want(it.provider.file_of(HEAD, orders) == it.provider.file_of(HEAD, orders), "two files of the same orders differ")


def awkward_names(it: FileSandbox) -> None:
    """A name with marks and letters that XML or the scheme does not take makes a valid file all the same, and breaks out of nothing."""
    order = it.order(1, name=AWKWARD)
    want(it.provider.fault_of(order) is None, f"refused: {it.provider.fault_of(order)}")
    root = fromstring(it.provider.file_of(HEAD, [order]))
    want(len(list(root.iterfind(".//{*}CdtTrfTxInf"))) == 1, "the name became more than a name")


def wrong_orders_are_refused(it: FileSandbox) -> None:
    """What cannot stand in a file is told before one is made: account, name, amount, asset and reference; a good order is not refused."""
    good = it.order(1)
    want(it.provider.fault_of(good) is None, f"a good order: {it.provider.fault_of(good)}")
    wrong = {
        "its destination": good._replace(destination=it.refused),
        "no amount": good._replace(amount=0),
        "too large an amount": good._replace(amount=10**17),
        "another asset": good._replace(asset="XAU"),
        "too long a reference": good._replace(reference="r" * 36),
        "a name without a letter": it.order(1, name=NAMELESS),
    }
    taken = [why for why, order in wrong.items() if not it.provider.fault_of(order)]
    want(taken == [], f"taken in spite of: {', '.join(taken)}")


def nothing_is_sent_by_itself(it: FileSandbox) -> None:
    """It declares what it is: orders by the batch, and neither keys nor look-up where it has none; and it opens no connection."""
    can = it.provider.capabilities
    want(can.in_batches, "orders_max is one: then each order is a file of its own")
    want(isinstance(it.provider.connect(), Later), "it gives a connection")
    found = it.provider.find_payout(Sought("key-1"))
    want(can.looks_up or isinstance(found, Unclear), f"it cannot be asked, and says {found}")


def reports_are_read(it: FileSandbox) -> None:
    """A report tells which orders are paid, refused or only taken; one that the report does not name is left alone."""
    told = it.read_report(_pain002({"pp-1": "ACSC", "pp-2": "RJCT", "pp-3": "ACSP"}))
    said = {one.reference: one.status for one in told.orders}
    want(told.message_id == HEAD.message_id, f"it speaks of {told.message_id}")
    want(said == {"pp-1": "paid", "pp-2": "failed", "pp-3": "pending"}, f"read as {said}")
    want(told.rest is None, "what is said of a part is taken for all")


def what_is_no_report_is_refused(it: FileSandbox) -> None:
    """A file that is no report, is cut short, or says a status that there is not, is refused and not read in part."""
    whole = _pain002({"pp-1": "ACSC"})
    for why, body in (
        ("nothing", b""),
        ("text", b"paid"),
        ("cut short", whole[:-20]),
        ("a new status", _pain002({"pp-1": "WHAT"})),
    ):
        try:
            it.read_report(body)
        except Problem:
            continue
        want(False, f"{why} was taken for a report")


def _pain002(orders: dict[str, str]) -> bytes:
    told = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{ref}</OrgnlEndToEndId><TxSts>{status}</TxSts></TxInfAndSts>" for ref, status in orders.items()
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt><OrgnlGrpInfAndSts>'
        f"<OrgnlMsgId>{HEAD.message_id}</OrgnlMsgId><GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts>{told}</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()


def _major(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


FILE_CHECKS: Final[tuple[Callable[[FileSandbox], None], ...]] = (
    each_order_stands_in_the_file_once,
    same_orders_same_bytes,
    awkward_names,
    wrong_orders_are_refused,
    nothing_is_sent_by_itself,
    reports_are_read,
    what_is_no_report_is_refused,
)
