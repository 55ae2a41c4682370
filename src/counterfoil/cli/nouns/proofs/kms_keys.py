"""A person's signing key in AWS KMS: its private half is in Amazon's hardware and signs there; who may use it, their IAM policy says.

A key of spec ECC_NIST_EDWARDS25519 signs the message itself (`ED25519_SHA_512`, message type RAW), one of spec ML_DSA_44 too
(`ML_DSA_SHAKE_256`; a message beyond 4,096 bytes by its representative mu, which is the same signature). What they make are signatures
like any other: whoever verifies a proof need not know where its keys lie.
(https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html, FIPS 204, section 6.2)
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import shake_256
from typing import Any, Final

from counterfoil.base.problems import Problem
from counterfoil.proofs.signing.kinds import ED25519, ML_DSA_44, is_key, kind_of, verifies

KEY_SPEC: Final = "ECC_NIST_EDWARDS25519"
ML_DSA_SPEC: Final = "ML_DSA_44"
ALGORITHMS: Final[Mapping[str, str]] = {KEY_SPEC: "ED25519_SHA_512", ML_DSA_SPEC: "ML_DSA_SHAKE_256"}
KINDS: Final = {KEY_SPEC: ED25519, ML_DSA_SPEC: ML_DSA_44}
MU_BYTES: Final = 64
MESSAGE_BYTES_MAX: Final = 4_096  # what KMS signs without hashing it first
TIMEOUT_S: Final = 10
TRIES_MAX: Final = 3  # the same message signed twice does no harm
EXTRA: Final = "counterfoil[s3]"


class KmsLibraryMissing(Problem, kind="invalid"):
    """Signing in AWS KMS needs a library that is not installed."""

    todo = f"pip install '{EXTRA}'"


class KmsKeyRefused(Problem, kind="invalid"):
    """This key of AWS KMS does not sign proofs."""

    todo = f"Make an asymmetric key of spec {KEY_SPEC} or {ML_DSA_SPEC} for signing, and let its person alone use it."


class KmsAway(Problem, kind="busy"):
    """AWS KMS does not answer, or does not let us."""

    todo = "Look at AWS_DEFAULT_REGION, at the credentials (`aws sts get-caller-identity`) and at the key's policy."


class KmsKey:
    """A key by its id, ARN or alias. Region and credentials come from where AWS's own programs take them."""

    def __init__(self, name: str) -> None:
        """Asks for its public half. Raises KmsLibraryMissing, KmsKeyRefused, KmsAway, KindMissing."""
        self._name = name
        self._client = _client()
        told = self._ask("get_public_key")
        spec, usage = str(told.get("KeySpec")), told.get("KeyUsage")
        if spec not in ALGORITHMS or usage != "SIGN_VERIFY":
            raise KmsKeyRefused(key=name, why=f"it is {spec} for {usage}, not {' or '.join(ALGORITHMS)} for SIGN_VERIFY")
        self._algorithm = ALGORITHMS[spec]
        self.public = _raw(name, spec, told["PublicKey"])

    def sign(self, message: bytes) -> bytes:
        """The signature of a message. It is verified here before anybody gets it. Raises KmsKeyRefused, KmsAway."""
        if len(message) > MESSAGE_BYTES_MAX and kind_of(self.public) is ED25519:
            raise KmsKeyRefused(
                key=self._name,
                why="KMS signs no message as long as this package's list of files",
                limit=f"{MESSAGE_BYTES_MAX} bytes",
                got=len(message),
            )
        by_mu = len(message) > MESSAGE_BYTES_MAX
        sent = mu_of(self.public, message) if by_mu else message
        told = self._ask("sign", Message=sent, MessageType="EXTERNAL_MU" if by_mu else "RAW", SigningAlgorithm=self._algorithm)
        signature: bytes = told["Signature"]
        if not verifies(self.public, signature, message):
            raise KmsKeyRefused(key=self._name, why="what it signed does not verify under its own public half")
        return signature

    def _ask(self, what: str, **given: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, what)(KeyId=self._name, **given)
        except ClientError as error:
            said = error.response.get("Error", {})
            why = f"{said.get('Code', 'unknown')}: {said.get('Message', '')}"[:300]
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) < 500 and said.get("Code") not in _NOT_THE_KEYS:
                raise KmsKeyRefused(key=self._name, why=why) from None
            raise KmsAway(key=self._name, why=why) from None
        except BotoCoreError as error:
            raise KmsAway(key=self._name, why=str(error)[:300]) from None


# Answered with 400 like the rest, and said of the caller or the moment, not of the key.
_NOT_THE_KEYS: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "MissingAuthenticationTokenException",
        "ThrottlingException",
        "UnrecognizedClientException",
    }
)


def _client() -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise KmsLibraryMissing(extra=EXTRA) from error
    limits = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": TRIES_MAX, "mode": "standard"})
    try:
        return boto3.session.Session().client("kms", config=limits)
    except BotoCoreError as error:  # no region, or a profile that is not there
        raise KmsAway(why=str(error)[:300]) from None


def mu_of(public: bytes, message: bytes) -> bytes:
    """The representative of a message that ML-DSA signs, with no context (FIPS 204, algorithm 7 line 6)."""
    return shake_256(shake_256(public).digest(MU_BYTES) + b"\x00\x00" + message).digest(MU_BYTES)


def _raw(name: str, spec: str, der: bytes) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        found: Any = load_der_public_key(der)
        public = bytes(found.public_bytes_raw())
    except (ValueError, AttributeError, UnsupportedAlgorithm) as error:
        raise KmsKeyRefused(key=name, why=f"its public half cannot be read: {error}") from None
    if kind_of(public) is not KINDS[spec] or not is_key(public):
        raise KmsKeyRefused(key=name, why="a key of another kind")
    return public
