"""Transactions: what is signed, and what a receipt says was moved. Pure. Amounts in a token's smallest units, gas in wei."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from counterfoil.operations.providers.chain.node import NodeSilent, a_hash, an_object, quantity
from counterfoil.operations.providers.chain.signer import signer

NATIVE_DECIMALS: Final = 18  # of a chain's own coin, on every chain of this kind
NATIVE_GAS: Final = 21_000  # what moving the coin to an account without code takes
_TRANSFER: Final = "0xa9059cbb"  # transfer(address,uint256)
TRANSFERRED: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)


class Fees(NamedTuple):
    """What is paid for each unit of gas, in wei: `fee` at the most, `tip` of it to whoever makes the block."""

    fee: int
    tip: int


class ChainPayment(NamedTuple):
    """What a transaction is to move. `token` is the contract, None the chain's own coin; `gas` is the limit."""

    chain_id: int
    sender: str
    nonce: int
    token: str | None
    recipient: str
    units: int
    gas: int


class SignedTransaction(NamedTuple):
    """A transaction as it goes out, and the hash by which the chain knows it."""

    hash: str
    raw: bytes


class Moved(NamedTuple):
    """What a mined transaction moved: what came to the recipient, and what left the sender, of the asset that was to be paid."""

    received: int
    left: int


class ChainReceipt(NamedTuple):
    """What a node says of a mined transaction. `moved` is what its logs say; of the chain's own coin None."""

    hash: str
    block: int
    block_hash: str
    succeeded: bool
    gas_wei: int
    moved: Moved | None


def address_of(key: str) -> str:
    """The address that a private key pays from, with its checksum. Raises ValueError, which does not show the key."""
    account = signer()  # that the library is not there is another reason than a bad key
    try:
        return str(account.from_key(key).address)
    except Exception:  # noqa: BLE001 - the library's messages may show what it was given
        raise ValueError("a private key: 0x and 64 hexadecimal digits") from None


def call_of(one: ChainPayment) -> tuple[str, int, str]:
    """To whom the transaction goes, with how much of the coin, and what it says there."""
    if one.token is None:
        return one.recipient, one.units, "0x"
    return one.token, 0, f"{_TRANSFER}{int(one.recipient, 16):064x}{one.units:064x}"


def sign(key: str, one: ChainPayment, fees: Fees) -> SignedTransaction:
    """The transaction, signed (EIP-1559). The same inputs give the same bytes."""
    to, value, data = call_of(one)
    told = signer().sign_transaction(
        {
            "type": 2,
            "chainId": one.chain_id,
            "nonce": one.nonce,
            "to": to,
            "value": value,
            "data": data,
            "gas": one.gas,
            "maxFeePerGas": fees.fee,
            "maxPriorityFeePerGas": fees.tip,
        },
        key,
    )
    return SignedTransaction(a_hash("0x" + bytes(told.hash).hex()), bytes(told.raw_transaction))


def receipt_of(told: Any, payment: ChainPayment) -> ChainReceipt:
    """A receipt, read strictly: an order for a token is judged by what the token says it moved. Raises NodeSilent."""
    one = an_object(told)
    status = quantity(one.get("status"))
    if status not in (0, 1) or str(one.get("from", "")).lower() != payment.sender.lower():
        raise NodeSilent("a receipt that is not of our transaction")
    gas_wei = quantity(one.get("gasUsed")) * quantity(one.get("effectiveGasPrice"))
    if one.get("l1Fee") is not None:
        gas_wei += quantity(one["l1Fee"])  # roll-ups take the cost of the chain below beside the gas
    moved = None if payment.token is None else _moved(one.get("logs"), payment)
    return ChainReceipt(
        a_hash(one.get("transactionHash")),
        quantity(one.get("blockNumber")),
        a_hash(one.get("blockHash")),
        status == 1,
        gas_wei,
        moved,
    )


def _moved(logs: Any, payment: ChainPayment) -> Moved:
    if not isinstance(logs, list):
        raise NodeSilent("a receipt without its logs")
    received = left = 0
    for log in map(an_object, logs):
        topics = log.get("topics")
        if str(log.get("address", "")).lower() != (payment.token or "").lower():
            continue
        if not isinstance(topics, list) or len(topics) != 3 or topics[0] != TRANSFERRED:
            continue
        sender, recipient, units = (_word(one) for one in (topics[1], topics[2], log.get("data")))
        if sender == int(payment.sender, 16):
            left += units
            received += units if recipient == int(payment.recipient, 16) else 0
    return Moved(received, left)


def _word(given: Any) -> int:
    """32 bytes as a number. Raises NodeSilent."""
    return int(a_hash(given), 16)
