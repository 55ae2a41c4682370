"""Time stamps of an authority outside (RFC 3161): by a clock that is not ours, a file of a package was there at a moment.

A stamp lies beside its package, since the package is the same bytes whenever it is made. Over the envelope it shows that the signatures in
it were there; over the closing checkpoint, that the log was there as far as it goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.proofs.packages.layout import ENVELOPE
from counterfoil.proofs.verifying.reading import OpenPackage, ProofBroken, holds

CHECKPOINT: Final = "checkpoint.close"
STAMPED: Final = (ENVELOPE, CHECKPOINT)
UNSTAMPED: Final = "by a clock outside, when it was signed: no time stamp was read (counterfoil proof verify --stamp)"
CLOCKS_DIFFER: Final = timedelta(minutes=5)  # so much the clock of the server may be ahead of the authority's
_SHA256: Final = "2.16.840.1.101.3.4.2.1"


class Stamp(NamedTuple):
    """What an authority says: this file was there at this moment."""

    file: str
    at: datetime
    authority: str

    @property
    def moment(self) -> str:
        """As records tell it."""
        return self.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def told(self) -> str:
        """The sentence of it."""
        what = "its signatures were there" if self.file == ENVELOPE else "the log was there up to its closing checkpoint"
        return f"Time stamp: {what} on {self.moment}, by the clock of {self.authority} ({self.file})."

    def refuse_before(self, requested_at: str) -> None:
        """Signatures that are asked for after they were stamped tell another moment than the true one. Raises ProofBroken."""
        early = self.file == ENVELOPE and self.at + CLOCKS_DIFFER < datetime.fromisoformat(requested_at)
        holds(not early, f"Its signatures were asked for on {requested_at}, and there on {self.moment}, by their time stamp.")


class GivenStamp(NamedTuple):
    """A stamp as it was given, and the authorities that the caller trusts."""

    raw: bytes
    roots: Sequence[Any]

    def read(self, package: OpenPackage) -> Stamp:
        """Of which file of the package it is, and of when. Raises ProofBroken."""
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

        try:
            answer = decode_timestamp_response(self.raw)
            told = answer.tst_info
            imprint, algorithm = bytes(told.message_imprint.message), told.message_imprint.hash_algorithm.dotted_string
        except ValueError as error:
            raise ProofBroken(said=f"The time stamp cannot be read ({error}).") from None
        file = next((name for name in STAMPED if bytes.fromhex(package.digest(name)) == imprint), None)
        holds(algorithm == _SHA256 and file is not None, f"The time stamp is of no {' or '.join(STAMPED)} of this package.")
        try:
            VerifierBuilder(roots=list(self.roots)).build().verify(answer, imprint)
        except (VerificationError, ValueError) as error:
            raise ProofBroken(said=f"The time stamp is not of an authority that you trust ({error}).") from None
        assert file is not None
        return Stamp(file, told.gen_time.astimezone(UTC), _authority(answer))


class StampRequest:
    """What an authority is asked: to stamp these bytes, and to answer this question and no other."""

    def __init__(self, body: bytes) -> None:
        """Of these bytes; the authority sees their SHA-256 alone."""
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        self._request = (
            TimestampRequestBuilder().data(body).hash_algorithm(HashAlgorithm.SHA256).nonce(nonce=True).cert_request(cert_request=True)
        )
        self._built = self._request.build()
        self._digest = hashlib.sha256(body).digest()

    def as_bytes(self) -> bytes:
        """As it is sent (application/timestamp-query)."""
        return bytes(self._built.as_bytes())

    def refuse_other(self, raw: bytes, roots: Sequence[Any]) -> datetime:
        """The answer is to this question, by an authority that is trusted. When it stamped. Raises ProofBroken."""
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

        try:
            answer = decode_timestamp_response(raw)
            holds(answer.status == 0, f"The authority gave no time stamp: {', '.join(answer.status_string) or 'it did not say why'}.")
            verifier = VerifierBuilder(nonce=self._built.nonce, roots=list(roots)).build()
            verifier.verify(answer, self._digest)
        except (VerificationError, ValueError) as error:
            raise ProofBroken(said=f"The answer is no time stamp of an authority that you trust ({error}).") from None
        return answer.tst_info.gen_time.astimezone(UTC)


def read_roots(pem: bytes) -> list[Any]:
    """Certificates of authorities out of a PEM file. Raises ValueError."""
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(pem)


def _authority(answer: Any) -> str:
    """Its name, as the certificate with which it signed says."""
    from cryptography.x509 import load_der_x509_certificate

    [signer] = answer.signed_data.signer_infos
    found = (load_der_x509_certificate(bytes(one)) for one in answer.signed_data.certificates)
    return next((one.subject.rfc4514_string() for one in found if one.serial_number == signer.serial_number), "an authority without a name")
