"""A peer is measured only when it did what was asked; stand-ins take the place of its program and its client."""

from __future__ import annotations

import os
import sys
import time

import pytest

from benchmarks import ledger, ledger_peer
from benchmarks.ledger_load import Movement, an_id

NAMES = ["payable:payee:0", "payable:payee:1"]
SERVER = """#!{python}
import pathlib, socket, sys, time
if sys.argv[1] == "format":
    {format}
    pathlib.Path(sys.argv[-1]).write_text("formatted")
else:
    pathlib.Path("{pid}").write_text(str(__import__("os").getpid()) + " " + sys.argv[-1])
    {start}
    host, port = sys.argv[2].removeprefix("--addresses=").split(":")
    with socket.create_server((host, int(port))):
        time.sleep(60)
"""
CLIENT = """
import enum, types

class AccountFlags(enum.IntFlag):
    NONE = 0
    DEBITS_MUST_NOT_EXCEED_CREDITS = 2

CreateAccountStatus = CreateTransferStatus = enum.IntEnum("Status", {"EXCEEDS_CREDITS": 54, "CREATED": 0xFFFFFFFF})
Account = Transfer = types.SimpleNamespace
ASKED = []

class ClientSync:
    def __init__(self, cluster_id, replica_addresses): pass
    def create_accounts(self, asked): return self.told(asked)
    def create_transfers(self, asked): return self.told(asked)
    def close(self): ASKED.append("closed")
    def told(self, asked):
        ASKED.append(asked)
        good = [types.SimpleNamespace(status=0xFFFFFFFF if getattr(each, "amount", 1) < 10**13 else 54) for each in asked]
        return [] if getattr(asked[0], "amount", 1) == 7 else good
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Makes a program and a client that stand in for the real ones; returns their paths, and where the program writes its number."""

    def make(*, format_line="pass", start_line="pass"):
        binary, pid = tmp_path / "server", tmp_path / "pid"
        binary.write_text(SERVER.format(python=sys.executable, pid=pid, format=format_line, start=start_line), "utf-8")
        binary.chmod(0o755)
        package = tmp_path / "client" / "tigerbeetle"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(CLIENT, "utf-8")
        return binary, package.parent, pid

    monkeypatch.delitem(sys.modules, "tigerbeetle", raising=False)
    yield make
    sys.modules.pop("tigerbeetle", None)


def is_gone(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_peer_gets_the_accounts_the_money_and_the_movements_and_is_gone_afterwards(stand_in):
    binary, client, pid = stand_in()
    movement = Movement(an_id(), *NAMES, 5)
    with ledger_peer.tigerbeetle(binary, client, NAMES) as peer:
        assert peer.seconds == []
        peer.write([movement])
        accounts, funds, [moved] = peer.module.ASKED
        number, data = pid.read_text("utf-8").split()
        assert os.path.exists(data)
    assert [int(each.flags) for each in accounts] == [2, 2, 0, 0]
    assert [(each.debit_account_id, each.credit_account_id, each.amount) for each in funds] == [(4, 1, 10**12), (4, 2, 10**12)]
    assert (moved.id, moved.debit_account_id, moved.credit_account_id, moved.amount) == (int.from_bytes(movement.id, "big"), 1, 2, 5)
    assert len(peer.seconds) == 1
    assert peer.module.ASKED[-1] == "closed"
    assert is_gone(int(number))
    assert not os.path.exists(os.path.dirname(data))
    assert str(client) not in sys.path


def test_what_a_peer_refused_or_did_not_tell_measures_nothing(stand_in):
    binary, client, _ = stand_in()
    with ledger_peer.tigerbeetle(binary, client, NAMES) as peer:
        with pytest.raises(RuntimeError, match="measures nothing"):
            peer.write([Movement(an_id(), *NAMES, 10**13)])
        with pytest.raises(RuntimeError, match="0 results for 1 events"):
            peer.write([Movement(an_id(), *NAMES, 7)])


@pytest.mark.parametrize(
    ("lines", "told"),
    [({"format_line": "sys.exit('no room')"}, "no room"), ({"start_line": "sys.exit('no such file')"}, "no such file")],
)
def test_a_peer_that_does_not_start_says_why_at_once(stand_in, lines, told):
    binary, client, _ = stand_in(**lines)
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match=told), ledger_peer.tigerbeetle(binary, client, NAMES):
        pass
    assert time.monotonic() - begun < ledger_peer.START_SECONDS_MAX / 2


def test_a_folder_without_the_client_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no package tigerbeetle"), ledger_peer.tigerbeetle(tmp_path / "none", tmp_path, NAMES):
        pass


def test_a_peer_is_given_by_path(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ledger", "--peer", "tigerbeetle"])
    with pytest.raises(SystemExit):
        ledger.main()
    assert "--peer-binary and --peer-client" in capsys.readouterr().err
