"""What doctor says of the address where others reach the server, against proxies that are as they should be and as they should not."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from counterfoil.base.settings import Settings
from counterfoil.cli.local.setting_up.public_address import public_address

NOW = datetime.now(UTC)
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A certificate that signs itself, with its key, until some day; for this machine, or for another."""
    key = rsa.generate_private_key(65537, 2048)

    def certificate(*, days: int = 90, host: str = HOST) -> Path:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a proxy")])
        usage = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        builder = builder.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=days))
        signs = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(usage, critical=False).add_extension(signs, critical=True)
        signed = builder.sign(key, hashes.SHA256())
        path = tmp_path_factory.mktemp("certificate") / "proxy.pem"
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        path.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
        return path

    return certificate


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Somebody who answers each connection; the port."""
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            line.settimeout(5)
            try:
                answer(line)
            except OSError:
                pass
            finally:
                line.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@contextmanager
def proxy(certificate: Path, *, oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2, ciphers: str = "ECDHE+AESGCM") -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.minimum_version = oldest
    context.set_ciphers(ciphers)

    def answer(line: socket.socket) -> None:
        with context.wrap_socket(line, server_side=True) as spoken:
            spoken.recv(1)

    with listening(answer) as port:
        yield port


@contextmanager
def in_clear(answer: bytes) -> Iterator[int]:
    def told(line: socket.socket) -> None:
        line.recv(4_096)
        line.sendall(answer)

    with listening(told) as port:
        yield port


NOBODY = 9  # the port where nobody listens
ELSEWHERE = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
A_PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def said(url: str, *, http_port: int = NOBODY, https: bool = True) -> list[tuple[str, str]]:
    settings = Settings(public_url=url, dashboard_https=https, _env_file=None)  # type: ignore[call-arg]
    return [(one.how, one.said) for one in public_address(settings, now=NOW, http_port=http_port)]


def test_a_proxy_as_it_should_be_is_told_with_version_cipher_and_the_end_of_its_certificate(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = made()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with proxy(certificate) as port, in_clear(ELSEWHERE) as http_port:
        [(how, told)] = said(f"https://{HOST}:{port}", http_port=http_port)
    assert how == "good"
    assert told.startswith("TLSv1.3 with TLS_AES_256_GCM_SHA384; its certificate is good until ")


def test_what_a_proxy_takes_that_it_should_not_is_told(made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = made()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        pytest.warns(DeprecationWarning, match="TLSv1_1"),
        proxy(certificate, oldest=ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0") as port,
    ):
        told = said(f"https://{HOST}:{port}")
    assert [how for how, _ in told] == ["good", "bad"]
    assert told[1][1] == "it also takes versions before TLS 1.2 and ciphers without forward secrecy"
    with proxy(certificate, ciphers="ECDHE+AESGCM:AES128-SHA") as port:
        assert said(f"https://{HOST}:{port}")[1:] == [("bad", "it also takes ciphers without forward secrecy")]
    with proxy(certificate) as port, in_clear(A_PAGE) as http_port:
        assert said(f"https://{HOST}:{port}", http_port=http_port)[1:] == [("bad", f"port {http_port} answers without TLS, too")]
    with proxy(certificate) as port:
        assert said(f"https://{HOST}:{port}", https=False)[1:] == [("warning", "the pages do not know that they are reached by https")]


def test_a_certificate_that_nobody_believes_is_of_another_or_ends_soon_is_told(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, other, ending = made(), made(host="127.0.0.2"), made(days=3)
    with proxy(certificate) as port:
        assert said(f"https://{HOST}:{port}") == [("bad", "its certificate is not believed: self-signed certificate")]
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with proxy(other) as port:
        [(how, told)] = said(f"https://{HOST}:{port}")
        assert (how, "IP address mismatch" in told) == ("bad", True), told
    monkeypatch.setenv("SSL_CERT_FILE", str(ending))
    with proxy(ending) as port:
        assert [how for how, _ in said(f"https://{HOST}:{port}")] == ["warning"]


def test_an_address_without_tls_or_out_of_reach_is_told_and_none_says_nothing() -> None:
    [(how, told)] = said("http://books.example")
    assert (how, told.startswith("http://books.example is reached without TLS")) == ("warning", True)
    [(how, told)] = said(f"https://{HOST}:{NOBODY}")
    assert (how, told) == ("warning", f"{HOST}:{NOBODY} was not reached from here: ConnectionRefusedError")
    assert said("http://127.0.0.1:8080") == []
