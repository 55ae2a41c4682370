"""A person's signing key in AWS KMS: its private half is in Amazon's hardware and signs there; who may use it, their IAM policy says.

A key of spec ECC_NIST_EDWARDS25519 signs the message itself (`ED25519_SHA_512`, message type RAW), and what it makes is an Ed25519
signature like any other: whoever verifies a proof need not know where its keys lie.
(https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html)
"""

from __future__ import annotations

from typing import Any, Final

from counterfoil.base.problems import Problem

KEY_SPEC: Final = "ECC_NIST_EDWARDS25519"
ALGORITHM: Final = "ED25519_SHA_512"
MESSAGE_BYTES_MAX: Final = 4_096  # what KMS signs without hashing it first
TIMEOUT_S: Final = 10
TRIES_MAX: Final = 3  # the same message signed twice is the same signature, so asking again does no harm
EXTRA: Final = "counterfoil[s3]"


class KmsLibraryMissing(Problem, kind="invalid"):
    """Signing in AWS KMS needs a library that is not installed."""

    todo = f"pip install '{EXTRA}'"


class KmsKeyRefused(Problem, kind="invalid"):
    """This key of AWS KMS does not sign proofs."""

    todo = f"Make an asymmetric key of spec {KEY_SPEC} for signing, and let its person alone use it."


class KmsAway(Problem, kind="busy"):
    """AWS KMS does not answer, or does not let us."""

    todo = "Look at AWS_DEFAULT_REGION, at the credentials (`aws sts get-caller-identity`) and at the key's policy."


class KmsKey:
    """A key by its id, ARN or alias. Region and credentials come from where AWS's own programs take them."""

    def __init__(self, name: str) -> None:
        """Asks for its public half. Raises KmsLibraryMissing, KmsKeyRefused, KmsAway."""
        self._name = name
        self._client = _client()
        told = self._ask("get_public_key")
        if told.get("KeySpec") != KEY_SPEC or told.get("KeyUsage") != "SIGN_VERIFY":
            raise KmsKeyRefused(key=name, why=f"it is {told.get('KeySpec')} for {told.get('KeyUsage')}, not {KEY_SPEC} for SIGN_VERIFY")
        self.public = _raw(name, told["PublicKey"])

    def sign(self, message: bytes) -> bytes:
        """The signature of a message. It is verified here before anybody gets it. Raises KmsKeyRefused, KmsAway."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if len(message) > MESSAGE_BYTES_MAX:
            raise KmsKeyRefused(
                key=self._name,
                why="KMS signs no message as long as this package's list of files",
                limit=f"{MESSAGE_BYTES_MAX} bytes",
                got=len(message),
            )
        told = self._ask("sign", Message=message, MessageType="RAW", SigningAlgorithm=ALGORITHM)
        signature: bytes = told["Signature"]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise KmsKeyRefused(key=self._name, why="what it signed does not verify under its own public half") from None
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


def _raw(name: str, der: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        found = load_der_public_key(der)
    except ValueError as error:
        raise KmsKeyRefused(key=name, why=f"its public half cannot be read: {error}") from None
    if not isinstance(found, Ed25519PublicKey):
        raise KmsKeyRefused(key=name, why="a key of another kind")
    return found.public_bytes_raw()
