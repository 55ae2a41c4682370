"""Payouts on a chain of the Ethereum kind: signed and written down first, then sent; what the chain says is believed when it is final."""

from __future__ import annotations

from typing import Final

NAME: Final = "chain"
