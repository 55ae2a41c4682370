"""Orders as a pain.001 file, made by sepaxml and validated against its schema. The same orders and ids give the same bytes."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final

import xmlschema
from defusedxml.ElementTree import fromstring
from sepaxml import SepaTransfer
from text_unidecode import unidecode

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.providers import FileHead, PayoutOrder
from counterfoil.operations.providers.accounts import BankAccount, bank_account_of

SCHEMA: Final = "pain.001.001.09"
NAMESPACE: Final = f"urn:iso:std:iso:20022:tech:xsd:{SCHEMA}"
ASSET: Final = "EUR"
AMOUNT_MAX: Final = 99_999_999_999  # cents: 999,999,999.99 is the most that one SEPA order carries
REFERENCE_MAX: Final = 35


def fault_of(order: PayoutOrder) -> str | None:
    """Why an order cannot stand in a SEPA file; None when it can."""
    if order.asset != ASSET:
        return f"a SEPA file pays {ASSET} only, not {order.asset}"
    if not 0 < order.amount <= AMOUNT_MAX:
        return f"a SEPA order is of 1 to {AMOUNT_MAX} cents"
    if not 0 < len(order.reference) <= REFERENCE_MAX or not order.reference.isascii():
        return f"a reference of 1 to {REFERENCE_MAX} plain characters"
    try:
        to = bank_account_of(order.destination)
    except InvalidInput as error:
        return error.sentence()
    return fault_of_name(to.holder)


def fault_of_name(name: str) -> str | None:
    """Why a name cannot stand in a file; None when it can. sepaxml writes what this library leaves of it, in Latin letters."""
    return None if unidecode(name).strip() else "a holder's name of which something is left in Latin letters"


def pain001(head: FileHead, debtor: BankAccount, orders: Sequence[PayoutOrder]) -> bytes:
    """The file. Each order's reference is its end-to-end id, by which the bank's reports name it. Raises ValueError: it is not valid."""
    config = {"name": debtor.holder, "IBAN": debtor.iban, "batch": True, "currency": ASSET}
    made = SepaTransfer(config | ({"BIC": debtor.bic} if debtor.bic else {}), schema=SCHEMA, clean=True)
    for order in orders:
        to = bank_account_of(order.destination)
        payment = {
            "name": to.holder,
            "IBAN": to.iban,
            "amount": order.amount,
            "execution_date": head.execute_on,
            "description": order.reference,
            "endtoend_id": order.reference,
        }
        made.add_payment(payment | ({"BIC": to.bic} if to.bic else {}))
    body = _with_ids(made.export(validate=False), head)
    fault = next(_schema().iter_errors(body.decode()), None)
    if fault is not None:
        raise ValueError(f"the file is not valid {SCHEMA}: {fault.reason}"[:500])
    return body


@cache
def _schema() -> xmlschema.XMLSchema:
    """The schema that comes with sepaxml, read once: it takes a second."""
    return xmlschema.XMLSchema(str(files("sepaxml") / "schemas" / f"{SCHEMA}.xsd"))


def _with_ids(written: bytes, head: FileHead) -> bytes:
    """Our ids and times, where the library takes chance and the clock; and each order booked by itself: a statement then names it."""
    root = fromstring(written)
    for path, text in (
        ("GrpHdr/MsgId", head.message_id),
        ("GrpHdr/CreDtTm", head.made_at.strftime("%Y-%m-%dT%H:%M:%SZ")),
        ("PmtInf/PmtInfId", head.message_id),
        ("PmtInf/BtchBookg", "false"),
    ):
        found = root.find("./{*}CstmrCdtTrfInitn/" + "/".join("{*}" + part for part in path.split("/")))
        if found is None:
            raise ValueError(f"the file has no {path}")
        found.text = text
    ET.register_namespace("", NAMESPACE)
    told: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return told
