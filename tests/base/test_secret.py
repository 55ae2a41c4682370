"""Secrets: what can be guessed is none."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.secret import EncryptionKey, Secret, SigningSecret, WeakSecret, weakness

RANDOM = hashlib.sha512(b"a").digest() + hashlib.sha512(b"b").digest()  # the same in every process of a run
HAPPENS = "whsec_Xxxx0GHlsUj3yMF070PLIIj742w0MQjd"  # drawn at random, and refused once
GUESSED = [
    "",
    " ",
    "short",
    "changeme",
    "change-me-change-me-change-me",
    "a" * 40,
    "abab" * 10,
    "0123456789abcdefghijklmnopqrst",
    "<your provider's key here>",
    "your-provider-api-key-here",
    "sk_live_xxxxxxxxxxxxxxxxxxxxxxxx",
    "my password is long enough",
    "${PROVIDER_API_KEY_OF_PRODUCTION}",
    "todo-9f86d081884c7d659a2feaa0c55ad015",
    " 9f86d081884c7d659a2feaa0c55ad015",
    "nul\x009f86d081884c7d659a2feaa0c55ad015",
    "é" * 30,
]


@pytest.mark.parametrize("text", GUESSED)
def test_what_can_be_guessed_is_no_secret(text: str) -> None:
    assert weakness(text) is not None
    with pytest.raises(WeakSecret) as refused:
        Secret(text, "provider_api_key")
    assert refused.value.facts["field"] == "provider_api_key"
    assert not text.strip() or text not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "9f86d081884c7d659a2feaa0c55ad015",
        "cf_live_0Z9Y8X7W6V5T4S3R2Q1P",
        HAPPENS,
        HAPPENS.replace("Xxxx", "tOdo"),
    ],
)
def test_what_was_drawn_at_random_is_one_and_does_not_show_itself(text: str) -> None:
    secret = Secret(text, "x")
    assert secret.reveal() == text
    assert text not in repr(secret)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        f"whsec_{base64.b64encode(bytes(24)).decode()}",
        f"whsec_{base64.b64encode(RANDOM[:23]).decode()}",
        f"whsec_{base64.b64encode(bytes(range(24))).decode()}",
        f"whsec_{base64.b64encode(RANDOM[:65]).decode()}",
        "whsec_not!base64-9f86d081884c7d",
    ],
)
def test_a_signing_secret_of_few_equal_or_counted_bytes_is_refused(text: str) -> None:
    with pytest.raises(WeakSecret):
        SigningSecret(text, "x")


@given(st.randoms(use_true_random=True), st.integers(24, 64))
def test_random_bytes_are_always_taken(random, length: int) -> None:
    key = random.randbytes(length)
    assert SigningSecret(f"whsec_{base64.b64encode(key).decode()}", "x").key == key


def test_an_encryption_key_has_32_bytes() -> None:
    key = os.urandom(32)
    assert EncryptionKey(base64.b64encode(key).decode(), "x").key == key
    for length in (16, 31, 33):
        with pytest.raises(WeakSecret, match="32 random bytes"):
            EncryptionKey(base64.b64encode(os.urandom(length)).decode(), "x")
