"""Questions on connections that are kept: real sockets, closed and silent when it suits them least."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from counterfoil.operations.authorities import authorities_of_questions
from counterfoil.operations.providers.connection import ANSWER_BYTES_MAX, NoAnswer
from counterfoil.operations.providers.questions import Questions
from tests.waiting import at_once

Answer = Callable[[socket.socket, int], bool]  # what is said to the nth question of a connection; False ends that


def whole(body: bytes = b"{}") -> bytes:
    """A whole answer."""
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\nX-Told: yes\r\n\r\n%s" % (len(body), body)


def well(conn: socket.socket, _: int) -> bool:
    """Answers each question."""
    conn.sendall(whole())
    return True


class Peer:
    """The other side; `asked` holds each question with the number of its connection."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.asked: list[tuple[int, bytes]] = []
        self.says: Answer = well
        self._connections = 0
        threading.Thread(target=self._run, daemon=True).start()

    def questions(self, *, limit_s: float = 5, kept_max: int = 4) -> Questions:
        """Whoever asks it."""
        url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/base/"
        authorities = authorities_of_questions()
        return Questions(url, {"Authorization": "Bearer x"}, limit_s=limit_s, kept_max=kept_max, authorities=authorities)

    def _run(self) -> None:
        while True:
            try:
                conn, _ = self.listening.accept()
            except OSError:
                return
            self._connections += 1
            threading.Thread(target=self._talk, args=(conn, self._connections), daemon=True).start()

    def _talk(self, conn: socket.socket, number: int) -> None:
        got, nth = b"", 0
        try:
            while more := conn.recv(65_536):
                got += more
                if got.endswith(b"\r\n\r\n"):
                    self.asked.append((number, got))
                    got, nth = b"", nth + 1
                    if not self.says(conn, nth):
                        return
        except OSError:
            pass
        finally:
            conn.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.listening.close()


def test_questions_go_out_on_one_connection_and_the_whole_answer_comes_back(peer: Peer):
    asking = peer.questions()
    first = asking.get("/v1/payouts", {"idempotency_key": "a b&c"})
    second = asking.get("/v1/charges/chg_1")
    assert (first.status, first.headers["x-told"], first.body, second.status) == (404, "yes", b"{}", 404)
    assert [number for number, _ in peer.asked] == [1, 1]
    assert peer.asked[0][1].startswith(b"GET /base/v1/payouts?idempotency_key=a+b%26c HTTP/1.1\r\n")
    assert b"Authorization: Bearer x\r\n" in peer.asked[0][1]


def test_a_connection_that_was_closed_after_its_answer_is_not_asked_again(peer: Peer):
    def once(conn: socket.socket, nth: int) -> bool:
        return well(conn, nth) and False

    peer.says, asking = once, peer.questions()
    for _ in range(3):
        assert asking.get("/x").status == 404
        time.sleep(0.05)  # that it was closed has come
    assert [number for number, _ in peer.asked] == [1, 2, 3]


def test_what_is_closed_at_the_very_question_is_asked_once_more_on_a_new_connection(peer: Peer):
    peer.says, asking = lambda conn, nth: nth == 1 and well(conn, nth), peer.questions()
    assert asking.get("/x").status == 404
    assert asking.get("/y").status == 404
    assert [(number, got.split()[1]) for number, got in peer.asked] == [(1, b"/base/x"), (1, b"/base/y"), (2, b"/base/y")]


def test_a_new_connection_that_is_closed_without_an_answer_is_not_asked_for_ever(peer: Peer):
    peer.says, asking = lambda _, __: False, peer.questions()
    with pytest.raises(NoAnswer, match="RemoteDisconnected"):
        asking.get("/x")
    assert len(peer.asked) == 1


def test_an_answer_that_drips_ends_at_the_limit_and_its_connection_with_it(peer: Peer):
    def drips(conn: socket.socket, _: int) -> bool:
        for byte in whole(b"x" * 1000):
            conn.sendall(bytes([byte]))
            time.sleep(0.02)
        return True

    peer.says, asking = drips, peer.questions(limit_s=0.5)
    begun = time.monotonic()
    with pytest.raises(NoAnswer):
        asking.get("/x")
    assert time.monotonic() - begun < 3
    peer.says = well
    assert asking.get("/y").status == 404
    assert [number for number, _ in peer.asked] == [1, 2]


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"HTTP/1.1 404 No\r\nServer: x\r\n", b"not HTTP\r\n\r\n", b""]
)
def test_half_an_answer_is_none(peer: Peer, said: bytes):
    def says(conn: socket.socket, _: int) -> bool:
        conn.sendall(said)
        return False

    peer.says = says
    with pytest.raises(NoAnswer):
        peer.questions().get("/x")


def test_an_answer_that_is_too_large_is_none_and_its_connection_is_closed(peer: Peer):
    def large(conn: socket.socket, _: int) -> bool:
        conn.sendall(whole(b"x" * (ANSWER_BYTES_MAX + 1)))
        return True

    peer.says, asking = large, peer.questions()
    with pytest.raises(NoAnswer, match="ValueError"):
        asking.get("/x")
    peer.says = well
    assert asking.get("/y").status == 404
    assert [number for number, _ in peer.asked] == [1, 2]


def test_nobody_there_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    asking = Questions(f"http://127.0.0.1:{port}", {}, limit_s=5, kept_max=1, authorities=authorities_of_questions())
    with pytest.raises(NoAnswer, match="ConnectionRefused"):
        asking.get("/x")


def test_many_at_once_each_have_a_connection_and_so_many_are_kept(peer: Peer):
    asking = peer.questions(kept_max=2)
    together = threading.Barrier(4)

    def waits(conn: socket.socket, nth: int) -> bool:
        together.wait(10)
        return well(conn, nth)

    peer.says = waits
    answered: list[int] = []
    at_once(lambda: answered.append(asking.get("/x").status), 4)
    assert answered == [404] * 4
    peer.says = well
    for _ in range(3):
        asking.get("/y")
    assert len({number for number, _ in peer.asked}) == 4, "what was kept is used"
    asking.close()
    asking.get("/z")
    assert len({number for number, _ in peer.asked}) == 5, "none is kept once it is closed"
