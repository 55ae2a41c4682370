"""Signing keys in AWS KMS: a proof is signed by one, and what does not sign, or signs something else, is refused with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from counterfoil.base.edge import now
from counterfoil.cli.nouns.proofs import kms_keys
from counterfoil.cli.nouns.proofs.kms_keys import MESSAGE_BYTES_MAX, KmsAway, KmsKey, KmsKeyRefused
from tests.api.office import Office
from tests.cli.conftest import Cli
from tests.kms_server import FakeKms, HeldKey, KmsSaysNo, kms_server, ml_dsa_key

NAME = "alias/proofs-ann"


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKms]:
    with kms_server() as kms:
        kms.keys[NAME] = HeldKey()
        given = {"ENDPOINT_URL_KMS": kms.url, "DEFAULT_REGION": "eu-central-1", "ACCESS_KEY_ID": "AKIATESTS", "SECRET_ACCESS_KEY": "tests"}
        for name, value in given.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield kms


def test_a_key_signs_the_very_message(kms: FakeKms):
    key = KmsKey(NAME)
    assert key.public == kms.keys[NAME].public
    for message in (b"m", b"x" * MESSAGE_BYTES_MAX):
        Ed25519PublicKey.from_public_bytes(key.public).verify(key.sign(message), message)
    assert [action for action, _ in kms.asked] == ["GetPublicKey", "Sign", "Sign"]


def test_an_ml_dsa_key_signs_messages_of_any_length(kms: FakeKms):
    """Beyond 4,096 bytes by mu: the library, which is given the message itself, says the same of both signatures."""
    kms.keys[NAME] = ml_dsa_key()
    key = KmsKey(NAME)
    assert key.public == kms.keys[NAME].public
    for message in (b"m", b"x" * MESSAGE_BYTES_MAX, b"y" * (MESSAGE_BYTES_MAX + 1), b"z" * 100_000):
        kms.keys[NAME].private.public_key().verify(key.sign(message), message)
    sent = [(body["MessageType"], body["SigningAlgorithm"]) for action, body in kms.asked if action == "Sign"]
    assert sent == [("RAW", "ML_DSA_SHAKE_256")] * 2 + [("EXTERNAL_MU", "ML_DSA_SHAKE_256")] * 2
    kms.keys[NAME].lies = True
    with pytest.raises(KmsKeyRefused):
        key.sign(b"a proof")
    kms.keys[NAME] = HeldKey(spec="ML_DSA_44")
    with pytest.raises(KmsKeyRefused) as refused:
        KmsKey(NAME)
    assert refused.value.facts["why"] == "a key of another kind"


def test_a_message_that_kms_would_not_sign_is_refused_before_it_is_asked(kms: FakeKms):
    key = KmsKey(NAME)
    with pytest.raises(KmsKeyRefused) as refused:
        key.sign(b"x" * (MESSAGE_BYTES_MAX + 1))
    assert (refused.value.facts["limit"], refused.value.facts["got"]) == ("4096 bytes", MESSAGE_BYTES_MAX + 1)
    assert [action for action, _ in kms.asked] == ["GetPublicKey"]


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (HeldKey(spec="ECC_NIST_P256"), "it is ECC_NIST_P256 for SIGN_VERIFY, not ECC_NIST_EDWARDS25519 or ML_DSA_44 for SIGN_VERIFY"),
        (HeldKey(usage="KEY_AGREEMENT"), "for KEY_AGREEMENT"),
        (HeldKey(enabled=False), "DisabledException"),
        (None, "NotFoundException"),
    ],
    ids=["another curve", "another use", "disabled", "not there"],
)
def test_a_key_that_does_not_sign_proofs_is_refused_with_its_reason(kms: FakeKms, key: HeldKey | None, why: str):
    kms.keys = {NAME: key} if key is not None else {}
    with pytest.raises(KmsKeyRefused) as refused:
        KmsKey(NAME)
    assert why in str(refused.value.facts["why"])


def test_a_signature_that_does_not_verify_is_given_to_nobody(kms: FakeKms):
    kms.keys[NAME].lies = True
    with pytest.raises(KmsKeyRefused, match="AWS KMS does not sign proofs") as refused:
        KmsKey(NAME).sign(b"a proof")
    assert refused.value.facts["why"] == "what it signed does not verify under its own public half"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException", "KMSInternalException"])
def test_what_is_said_of_the_caller_or_the_moment_is_not_said_of_the_key(kms: FakeKms, code: str):
    kms.failing = KmsSaysNo(code, "no", 500 if code == "KMSInternalException" else 400)
    with pytest.raises(KmsAway) as away:
        KmsKey(NAME)
    assert str(away.value.facts["why"]).startswith(code)


def test_a_server_that_is_not_there_and_a_region_that_nobody_named_are_told(kms: FakeKms, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kms_keys, "TRIES_MAX", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
    with pytest.raises(KmsAway, match="does not answer"):
        KmsKey(NAME)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(KmsAway) as away:
        KmsKey(NAME)
    assert "region" in str(away.value.facts["why"])


def test_a_proof_is_signed_with_a_key_in_kms(cli: Cli, office: Office, kms: FakeKms):
    shown = cli("signers", "kms-key", NAME)
    assert (shown.code, shown.out.strip().splitlines()[-1]) == (0, kms.keys[NAME].public.hex())
    assert cli("proof", "export", f"{now():%Y-%m-%d}", now().isoformat()).code == 1
    [row] = cli("proof", "list", "--output", "json").json()
    assert "no signer's" in cli("proof", "sign", row["id"], "--kms-key", NAME).err
    for given in ((), ("--key", __file__, "--kms-key", NAME)):
        assert "give your key: --key with its file, or --kms-key" in cli("proof", "sign", row["id"], *given).err
    assert [action for action, _ in kms.asked] == ["GetPublicKey"] * 2, "nothing was signed"
    assert not list(Path().glob("*.pem"))
