"""Faults to plant among orders on a chain. The books have none, so each begins with orders for attempts that are there."""

from __future__ import annotations

from typing import Final

_SENDER: Final = "insert into chain_sender values (1, '0x' || repeat('a', 40), 7, 10)"


def _orders(state: str, amount: str = "amount") -> str:
    return f"""update provider_payout set provider = 'chain' where state = '{state}'; {_SENDER};
        insert into chain_order (key, reference, chain_id, sender, nonce, asset, amount, units, recipient, gas, from_block, written_at)
        select idempotency_key, id, 1, '0x' || repeat('a', 40), 6 + row_number() over (order by id), asset, {amount}, ({amount}) * 10000,
               '0x' || repeat('b', 40), 21000, 9, now()
        from provider_payout where state = '{state}'"""


def _final(succeeded: str) -> str:
    return f"""insert into chain_sighting (key, number, state, hash, block, block_hash, succeeded, gas_wei, told, at)
        select key, 1, 'final', '0x' || repeat('c', 64), 9, '0x' || repeat('d', 64), {succeeded}, 5, 'x', now() from chain_order"""


CHAIN: Final = {
    "CHAIN_ORDER_TIE": {
        "an order is given for more than its payout": _orders("succeeded", "amount + 1"),
        "an order is of another provider's payout": f"{_orders('succeeded')}; update provider_payout set provider = 'simulator'",
        "what the chain paid is taken for failed": f"{_orders('failed')}; {_final('true')}",
        "what moved nothing is taken for paid": f"{_orders('succeeded')}; {_final('false')}",
        "a payout is taken for paid that was never ordered": "update provider_payout set provider = 'chain' where state = 'succeeded'",
        "a nonce is taken twice": f"{_orders('succeeded')}; update chain_sender set next_nonce = 7",
    },
    "CHAIN_GAS_TIE": {
        "gas is counted and not booked": f"""{_orders("succeeded")};
            insert into chain_gas select key, 1, 50000000000, 50, 'ETH', now() from chain_order""",
        "gas that the chain took is not counted": f"{_orders('succeeded')}; {_final('true')}",
    },
}
