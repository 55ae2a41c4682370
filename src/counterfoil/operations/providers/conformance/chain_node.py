"""A real node with a chain of its own, for checks and tests: `anvil`, started on loopback, with a token that misbehaves on demand.

It is a node as others run it: pool, nonces, gas and blocks are not imitated. It starts in a tenth of a second, needs no network, and can be
told to mine or not, to drop a transaction, and to replace its newest blocks. It comes from npm (`@foundry-rs/anvil`); the other choice,
eth-tester, needs pip only, and has no pool that drops, no reorganisation that takes a transaction out, and no socket to lose answers on.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from counterfoil.operations.providers.chain.node import NodeClient, NodeSilent, an_object, quantity
from counterfoil.operations.providers.conformance.sandbox import CannotCheck

CHAIN: Final = 31_337
DECIMALS: Final = 6
SUPPLY: Final = 10**15
COINS: Final = 10**20  # wei
START_S: Final = 20
NEEDS_ANVIL: Final = "payouts on a chain (npm install @foundry-rs/anvil in this folder, or anvil on the path)"


def find_anvil() -> str | None:
    """The node's program: on the path, or where npm put it below this folder."""
    if found := shutil.which("anvil"):
        return found
    return next((str(one) for one in sorted(Path("node_modules/@foundry-rs").glob("anvil-*/bin/anvil*"))), None)


class ChainNode:
    """A running node and its chain."""

    def __init__(self, url: str) -> None:
        """`url` is where it listens."""
        self.url = url
        self.node = NodeClient(url, timeout_s=10.0)
        self._rich = str(self.ask("eth_accounts")[0])

    def ask(self, method: str, *given: Any) -> Any:
        """Ask it."""
        return self.node.ask(method, *given)

    @property
    def head(self) -> int:
        """Its newest block."""
        return quantity(self.ask("eth_blockNumber"))

    def mine(self, blocks: int = 1) -> None:
        """Make so many blocks."""
        self.ask("anvil_mine", hex(blocks))

    def automine(self, on: bool) -> None:
        """Mine each transaction at once, or leave all of them in the pool."""
        self.ask("evm_setAutomine", on)

    def transact(self, **given: Any) -> dict[str, Any]:
        """A transaction of a rich account of its own; its receipt."""
        digest = self.ask("eth_sendTransaction", {"from": self._rich, **given})
        for _ in range(START_S * 100):
            if (receipt := self.ask("eth_getTransactionReceipt", digest)) is not None:
                return an_object(receipt)
            time.sleep(0.01)
        raise CannotCheck("the node does not mine")

    def deploy(self, decimals: int = DECIMALS) -> str:
        """A new token with so many decimals; its address, as nodes write it."""
        code = "".join((files("counterfoil.operations.providers.conformance") / "token" / "Token.hex").read_text("ascii").split())
        return str(self.transact(data=f"0x{code}{decimals:064x}{SUPPLY:064x}")["contractAddress"])

    def fund(self, address: str, token: str | None = None, *, coins: int = COINS, units: int = SUPPLY // 2) -> None:
        """Give an address coins, and units of a token."""
        self.ask("anvil_setBalance", address, hex(coins))
        if token is not None:
            self.transact(to=token, data=f"0xa9059cbb{int(address, 16):064x}{units:064x}")

    def misbehave(self, token: str, mode: int) -> None:
        """0: as it should; 1: takes a fee; 2: answers false; 3: reverts; 4: answers true and moves nothing."""
        self.transact(to=token, data=f"0x21175b4a{mode:064x}")

    def holds(self, address: str, token: str | None = None) -> int:
        """What an address holds, in the smallest units."""
        if token is None:
            return quantity(self.ask("eth_getBalance", address, "latest"))
        return int(str(self.ask("eth_call", {"to": token, "data": f"0x70a08231{int(address, 16):064x}"}, "latest")), 16)


@contextmanager
def running_node() -> Iterator[ChainNode]:
    """A node of its own. Raises CannotCheck where there is no anvil."""
    program = find_anvil()
    if program is None:
        raise CannotCheck(f"no node: {NEEDS_ANVIL}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--chain-id", str(CHAIN), "--silent"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _answering(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(START_S)


def _answering(url: str, process: subprocess.Popen[bytes]) -> ChainNode:
    for _ in range(START_S * 20):
        try:
            return ChainNode(url)
        except NodeSilent:
            if process.poll() is not None:
                raise CannotCheck(f"anvil ended with {process.returncode}") from None
            time.sleep(0.05)
    raise CannotCheck(f"anvil did not answer within {START_S} s")
