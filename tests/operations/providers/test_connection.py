"""A connection is opened before it is used, lives for its limit, and is never opened a second time: real sockets, real silence."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from counterfoil.operations.providers.connection import NoAnswer, NotConnected, NotSent, OneRequest
from tests.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\n{}"


class Peer:
    """The other side: `connections` counts them, `got` holds what each one said."""

    def __init__(self, answer: bytes = OK, *, close_after_s: float | None = None, drip_s: float = 0) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/base"
        self.got: list[bytes] = []
        self._answer, self._close_after_s, self._drip_s = answer, close_after_s, drip_s
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                conn, _ = self.listening.accept()
            except OSError:
                return
            self.got.append(b"")
            threading.Thread(target=self._talk, args=(conn, len(self.got) - 1), daemon=True).start()

    def _talk(self, conn: socket.socket, place: int) -> None:
        conn.settimeout(self._close_after_s)
        try:
            while not self.got[place].endswith(b"{}"):
                more = conn.recv(65_536)
                if not more:
                    return
                self.got[place] += more
            for byte in self._answer:
                conn.sendall(bytes([byte]))
                time.sleep(self._drip_s)
        except OSError:
            pass
        finally:
            conn.close()


@pytest.fixture
def peer():
    made = []

    def make(*args, **more) -> Peer:
        made.append(Peer(*args, **more))
        return made[-1]

    yield make
    for one in made:
        one.listening.close()


def test_it_is_connected_before_anything_is_sent_and_carries_one_request(peer):
    other = peer()
    one = OneRequest(other.url, limit_s=5)
    assert until(lambda: other.got == [b""])
    reply = one.post("/v1/payouts", b"{}", {"Idempotency-Key": "k"})
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (200, b"{}", "7")
    assert other.got[0].startswith(b"POST /base/v1/payouts HTTP/1.1\r\n")
    assert b"Idempotency-Key: k" in other.got[0]
    one.close()


def test_what_is_closed_by_the_other_side_is_not_opened_again(peer):
    other = peer(close_after_s=0.1)
    one = OneRequest(other.url, limit_s=5)
    time.sleep(0.4)
    with pytest.raises(NotSent, match="closed"):
        one.post("/", b"{}", {})
    assert other.got == [b""]  # no second connection, and not a byte


def test_a_sender_that_froze_after_its_last_check_writes_into_a_dead_connection(peer, monkeypatch):
    """What a freeze between check and write does: the check is over, the other side has hung up, the write goes nowhere."""
    other = peer(close_after_s=0.1)
    one = OneRequest(other.url, limit_s=5)
    real = one._refuse_when_late

    def frozen() -> None:
        real()
        time.sleep(0.5)

    monkeypatch.setattr(one, "_refuse_when_late", frozen)
    with pytest.raises((NoAnswer, NotSent)):
        one.post("/", b"{}", {})
    assert other.got == [b""]


def test_a_connection_older_than_its_limit_carries_nothing(peer):
    other = peer()
    one = OneRequest(other.url, limit_s=0.2)
    time.sleep(0.3)
    with pytest.raises(NotSent, match=r"limit is 0\.2 s"):
        one.post("/", b"{}", {})
    assert other.got == [b""]


def test_an_answer_that_comes_byte_by_byte_ends_at_the_limit_all_the_same(peer):
    other = peer(drip_s=0.1)
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        OneRequest(other.url, limit_s=0.5).post("/", b"{}", {})
    assert time.monotonic() - began < 1.5


def test_an_answer_cut_short_is_none(peer):
    other = peer(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{}")
    with pytest.raises(NoAnswer):
        OneRequest(other.url, limit_s=5).post("/", b"{}", {})


def test_nobody_there_is_certainly_nothing_sent():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotConnected):
        OneRequest(f"http://127.0.0.1:{port}", limit_s=1)
    with pytest.raises(NotConnected):
        OneRequest("ftp://127.0.0.1", limit_s=1)


def a_certificate(folder: Path) -> Path:
    """A certificate of `localhost` with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, at = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(plain + made.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_over_tls_a_ticket_that_came_uninvited_is_no_end_and_an_end_is_one(tmp_path, monkeypatch, version):
    """A server of TLS 1.3 sends tickets for later sessions behind the handshake: something lies there to be read before we asked."""
    certificate = a_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr("counterfoil.operations.providers.connection.authorities", ssl.create_default_context)  # it is read once
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.minimum_version = context.maximum_version = version
    lines: list[ssl.SSLSocket] = []

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            line = context.wrap_socket(listener.accept()[0], server_side=True)
            lines.append(line)
            if len(lines) == 2:
                line.close()
                return
            line.recv(1000)
            line.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}"
        first = OneRequest(url, limit_s=5)
        if version is ssl.TLSVersion.TLSv1_3:
            assert select.select([first._http.sock], [], [], 5)[0], "the ticket did not come: this test would see nothing"
        assert first.post("/", b"{}", {}).body == b"ok"
        first.close()
        second = OneRequest(url, limit_s=5)
        thread.join(5)
        select.select([second._http.sock], [], [], 5)
        with pytest.raises(NotSent):
            second.post("/", b"{}", {})
        second.close()
    lines[0].close()
