"""The knobs of payouts on a chain; `settings` has them with all the others."""

from __future__ import annotations

import re
from typing import Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

COIN: Final = "coin"
_PAIR: Final = re.compile(r"([A-Z][A-Z0-9]{1,11})=(0x[0-9a-fA-F]{40}|coin)")


class ChainSettings(BaseSettings):
    """How the provider `chain` pays."""

    chain_url: SecretStr | None = Field(
        None,
        description="Address of a node (JSON-RPC, http or https) of the chain that payouts are made on, then the provider `chain`. It "
        "may carry a key. Absent: none are. Needs the extra `counterfoil[evm]`.",
    )
    chain_private_key: SecretStr | None = Field(
        None, description="Private key of the address that pays, 0x and 64 hexadecimal digits. Nobody and nothing else may use it."
    )
    chain_number: int | None = Field(
        None, ge=1, le=2**53, description="Which chain (EIP-155: 1 is Ethereum's). A node of another one is not believed."
    )
    chain_assets: str = Field(
        "",
        max_length=4_000,
        description="Which token each asset is, with commas: `USDC=0xA0b8…eB48,ETH=coin`; `coin` is the chain's own. The asset's scale is "
        "that of the token; of one with more than 12 decimals any.",
    )
    chain_gas_asset: str = Field("ETH", pattern=r"^[A-Z][A-Z0-9]{1,11}$", description="The asset that gas is booked in, the chain's coin.")
    chain_confirmations: int = Field(
        12, ge=1, le=10_000, description="A transaction is final when so many blocks hold it, its own counted; less is `pending`."
    )
    chain_fee_gwei_max: int = Field(200, ge=1, le=1_000_000, description="What a unit of gas may cost at the most.")
    chain_gas_max: int = Field(300_000, ge=21_000, le=30_000_000, description="Units of gas that a transaction may use at the most.")
    chain_in_flight_max: int = Field(
        64, ge=1, le=1_000, description="So many transactions of the address may wait to be final; more payouts wait in the queue."
    )
    chain_replace_after_s: int = Field(
        300,
        ge=5,
        le=86_400,
        description="A transaction that is not mined for so long, while gas is dearer by now, is replaced by one that pays more.",
    )
    chain_watch_blocks: int = Field(
        256,
        ge=0,
        le=100_000,
        description="For so many blocks after it is final, a transaction is still looked at: a chain can be reorganised.",
    )

    chain_nonce_elsewhere: int | None = Field(
        None,
        ge=0,
        le=2**53,
        description="Transactions of the address below this nonce were made elsewhere, or before a backup that was restored, and are "
        "accounted for. While the chain has more of them than are known here, nothing is paid: it might be paid twice.",
    )

    @field_validator("chain_url")
    @classmethod
    def _is_a_node(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not re.match(r"https?://[^/\s]", given.get_secret_value()):
            raise ValueError("must be an address of a node, http:// or https://")
        return given

    @field_validator("chain_assets")
    @classmethod
    def _are_tokens(cls, given: str) -> str:
        tokens_of(given)
        return given


def tokens_of(given: str) -> dict[str, str | None]:
    """The contract of each asset in `chain_assets`; None is the chain's own coin. Raises ValueError."""
    found: dict[str, str | None] = {}
    for one in filter(None, map(str.strip, given.split(","))):
        pair = _PAIR.fullmatch(one)
        if pair is None or pair[1] in found:
            raise ValueError("must be ASSET=0x… or ASSET=coin with commas, each asset once")
        found[pair[1]] = None if pair[2] == COIN else pair[2]
    return found
