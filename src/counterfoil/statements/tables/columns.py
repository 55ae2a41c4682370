"""Which column is what: header names in the words of several languages, and our own names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

# In order of preference within a role; compared without case, accents, blanks and punctuation.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "external_id": (
        *("externalid", "id", "transactionid", "txid", "txnid", "balancetransactionid", "entryid", "fitid", "uniqueid"),
        *("paymentid", "transferid", "transid", "transaktionsid", "transactionnumber", "journalid", "rowid"),
    ),
    "reference": (
        *(
            "reference",
            "ref",
            "paymentreference",
            "referencenumber",
            "transactionreference",
            "endtoendid",
            "endtoendreference",
        ),
        *("invoice", "invoiceno", "invoicenumber", "invoiceid", "orderid", "ordernumber", "kundenreferenz", "referenz"),
        *(
            "kundenreferenzendtoend",
            "mandatsreferenz",
            "referentie",
            "referencia",
            "riferimento",
            "sourceid",
            "source",
            "ourref",
            "yourref",
        ),
    ),
    "amount_minor": ("amountminor", "minor", "amountcents", "cents", "amountinminorunits", "minorunits", "grossminor"),
    "amount": (
        *(
            "amount",
            "gross",
            "betrag",
            "betrageur",
            "betragineur",
            "umsatz",
            "umsatzineur",
            "bedrag",
            "bedrageur",
            "montant",
            "importe",
        ),
        *(
            "importo",
            "kwota",
            "belopp",
            "belop",
            "beloeb",
            "summe",
            "total",
            "amt",
            "value",
            "transactionamount",
            "net",
            "valor",
        ),
    ),
    "debit": (
        "debit",
        "debits",
        "debitamount",
        "moneyout",
        "paidout",
        "withdrawal",
        "withdrawals",
        "soll",
        "lastschrift",
        "af",
        "cargo",
    ),
    "credit": (
        "credit",
        "credits",
        "creditamount",
        "moneyin",
        "paidin",
        "deposit",
        "deposits",
        "haben",
        "gutschrift",
        "bij",
        "abono",
    ),
    "direction": (
        "direction",
        "debitcredit",
        "creditdebit",
        "drcr",
        "crdr",
        "dc",
        "cd",
        "sollhaben",
        "sollhabenkennzeichen",
        "sollhabenkz",
        "sh",
        "debitcreditindicator",
        "creditdebitindicator",
        "cdtdbtind",
        "afbij",
    ),
    "asset": (
        "asset",
        "currency",
        "ccy",
        "currencycode",
        "cur",
        "waehrung",
        "wahrung",
        "valuta",
        "devise",
        "moneda",
        "divisa",
        "munt",
    ),
    "booked_on": (
        *(
            "bookedon",
            "bookingdate",
            "bookdate",
            "postingdate",
            "posteddate",
            "dateposted",
            "buchungstag",
            "buchungsdatum",
            "buchung",
        ),
        *(
            "boekdatum",
            "datecomptable",
            "dateoperation",
            "dataoperacji",
            "bokforingsdag",
            "transactiondate",
            "txndate",
            "date",
            "datum",
        ),
        *("fecha", "data", "day", "created", "createdon", "completeddate", "completedon", "datumdesabschlusses"),
    ),
    "value_on": (
        *(
            "valueon",
            "valuedate",
            "valutadatum",
            "wertstellung",
            "wert",
            "datevaleur",
            "datedevaleur",
            "rentedatum",
            "fechavalor",
        ),
        *("availableon", "effectivedate", "settlementdate", "datavaluta", "datawaluty"),
    ),
    "event_at": (
        "eventat",
        "createdat",
        "timestamp",
        "datetime",
        "occurredat",
        "createdutc",
        "transactiontime",
        "time",
    ),
    "status": ("status", "state", "statut", "estado"),
    "counterparty": (
        *(
            "counterparty",
            "counterpartyname",
            "name",
            "payee",
            "payer",
            "beneficiary",
            "beneficiaryname",
            "customername",
            "customer",
        ),
        *(
            "merchant",
            "recipient",
            "sender",
            "auftraggeberempfanger",
            "beguenstigterzahlungspflichtiger",
            "begunstigterzahlungspflichtiger",
        ),
        *(
            "nameamempfanger",
            "empfanger",
            "zahlungsempfanger",
            "naamtegenpartij",
            "tegenpartij",
            "naamomschrijving",
            "beneficiario",
        ),
    ),
    "memo": (
        *(
            "memo",
            "description",
            "details",
            "narrative",
            "text",
            "note",
            "notes",
            "verwendungszweck",
            "buchungstext",
            "beschreibung",
            "mededelingen",
        ),
        *(
            "omschrijving",
            "omschrijving1",
            "libelle",
            "concepto",
            "descrizione",
            "causale",
            "tytul",
            "transactiondetails",
            "particulars",
        ),
    ),
    "batch": (
        "batch",
        "batchid",
        "payout",
        "payoutid",
        "automaticpayoutid",
        "settlementid",
        "depositid",
        "transfer",
        "groupid",
        "parentid",
    ),
    "fee": ("fee", "fees", "charge", "charges", "gebuehr", "gebuhr", "kosten"),
    "balance": ("balance", "runningbalance", "saldo", "kontostand", "saldonachbuchung", "solde", "saldonabuchung"),
}
TOTALS: Final = frozenset(
    (
        "total",
        "totals",
        "grandtotal",
        "sum",
        "summe",
        "gesamt",
        "gesamtsumme",
        "totaal",
        "totale",
        "somme",
        "suma",
        "razem",
        "subtotal",
        "zwischensumme",
        "soustotal",
        "subtotaal",
        "subtotale",
    )
)
BALANCES: Final = frozenset(
    (
        "balance",
        "openingbalance",
        "closingbalance",
        "saldo",
        "anfangssaldo",
        "endsaldo",
        "kontostand",
        "solde",
        "eindsaldo",
        "beginsaldo",
        "balanceforward",
        "balancebroughtforward",
        "balancecarriedforward",
        "broughtforward",
        "carriedforward",
        "ubertrag",
        "uebertrag",
    )
)
_CURRENCY: Final = re.compile(r"[\s_(\[]([A-Z]{3})[)\]]?\s*$")


def plain(name: str) -> str:
    """A header name without case, accents, blanks and punctuation; umlauts lose their dots."""
    folded = unicodedata.normalize("NFKD", name.replace("ß", "ss")).casefold()
    return re.sub(r"[^a-z0-9]", "", folded)


def guess(header: Sequence[str]) -> dict[str, str]:
    """Roles to header names, each name for one role. A currency behind the name, as in `Amount (EUR)`, does not hide it."""
    left = [name.strip() for name in header]
    found: dict[str, str] = {}
    for role, words in NAMES.items():
        for word in words:
            name = next((each for each in left if word in (plain(each), plain(_CURRENCY.sub("", each)))), None)
            if name is not None and (role != "amount" or "amount_minor" not in found):
                found[role] = name
                left.remove(name)
                break
    return found


def currency_in(name: str) -> str | None:
    """The currency that a header names, as in `Amount (EUR)` or `Betrag EUR`."""
    found = _CURRENCY.search(name.strip())
    return found[1] if found else None


def is_total(row: Sequence[object]) -> bool:
    """Is this the line under the table: its first words are a total or a balance?"""
    first = next((str(cell) for cell in row if cell is not None and str(cell).strip()), "")
    return plain(first) in TOTALS | BALANCES or plain(first.rstrip(":")) in TOTALS | BALANCES


def is_sum(row: Sequence[object]) -> bool:
    """Does that line claim to be the sum of the amounts?"""
    first = next((str(cell) for cell in row if cell is not None and str(cell).strip()), "")
    return plain(first) in TOTALS
