"""Signatures as Standard Webhooks has them, and a sender that makes an outcome of every error."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from counterfoil.simulator.http.webhooks import Sender, Sent, body_of, secret_bytes, sign, signed_headers
from tests.loops import run_in_loop
from tests.simulator.builders import SECRET, Receiver


def test_the_signature_is_the_one_of_the_standard_test_vector():
    body = b'{"test": 2432232314}'
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    signed = sign(secret, event_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp_s=1614265330, body=body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_another_implementation_accepts_ours_and_refuses_the_bad_one():
    body = body_of({"id": "evt_1", "type": "payout.paid", "data": {"reference": "Grüße"}})
    now_s = int(datetime.now(UTC).timestamp())
    good = signed_headers(SECRET, event_id="evt_1", timestamp_s=now_s, body=body, badly=False)
    assert Webhook(SECRET).verify(body, good) == json.loads(body)
    bad = signed_headers(SECRET, event_id="evt_1", timestamp_s=now_s, body=body, badly=True)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, bad)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "c2l4dGVlbiBieXRlcyBvciBtb3Jl", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused(secret):
    with pytest.raises(ValueError, match="whsec_"):
        secret_bytes(secret)


def send(url: str, *, timeout_ms: int = 2_000, times: int = 1) -> list[Sent]:
    async def story() -> list[Sent]:
        sender = Sender(timeout_ms=timeout_ms)
        sent = [await sender.send(url, b"{}", {"webhook-id": "evt_1"}) for _ in range(times)]
        await sender.close()
        return sent

    return run_in_loop(story())


async def _serve(handle) -> tuple[asyncio.Server, str]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x?y=1"


def answered(raw: bytes, *, times: int = 1, timeout_ms: int = 2_000) -> list[Sent]:
    """What the sender makes of a server that answers each request with exactly these bytes, and then hangs up."""

    async def story() -> list[Sent]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"{}")
            writer.write(raw)
            await writer.drain()
            if raw:
                writer.close()
            else:
                await reader.read()

        server, url = await _serve(handle)
        sender = Sender(timeout_ms=timeout_ms)
        sent = []
        for _ in range(times):
            sent.append(await sender.send(url, b"{}", {"webhook-id": "evt_1"}))
            await asyncio.sleep(0.02)
        await sender.close()
        server.close()
        return sent

    return run_in_loop(story())


def test_a_receiver_gets_the_body_and_the_connection_serves_again():
    receiver = Receiver()
    receiver.answers = [200, 500, 204]
    assert send(receiver.url, times=3) == [Sent(200, ""), Sent(500, "HTTP 500"), Sent(204, "")]
    assert [body for _, body in receiver.got] == [b"{}"] * 3
    receiver.close()


def test_nobody_there_is_an_outcome():
    receiver = Receiver()
    receiver.close()
    assert send(receiver.url) == [Sent(0, "ConnectionRefusedError")]


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Sent(200, "")),
        (b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Sent(202, "")),
        (b"HTTP/1.0 301 Moved\r\n\r\n", Sent(301, "HTTP 301")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", Sent(0, "IncompleteReadError")),
        (b"SSH-2.0-OpenSSH\r\n\r\n", Sent(0, "ValueError")),
        (b"x" * 200_000, Sent(0, "LimitOverrunError")),
    ],
)
def test_what_a_strange_receiver_says_is_an_outcome_and_the_next_try_starts_anew(raw, sent):
    assert answered(raw, times=2) == [sent, sent]


def test_a_receiver_that_says_nothing_is_given_up_in_time():
    assert answered(b"", timeout_ms=100) == [Sent(0, "TimeoutError")]
