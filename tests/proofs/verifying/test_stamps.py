"""Time stamps of an authority outside: a local one, which OpenSSL's `ts` is, asked over HTTP as any other is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from counterfoil.base.edge import now
from counterfoil.proofs.disclosures.making import disclose
from counterfoil.proofs.packages import layout
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.stamps import GivenStamp, read_roots
from counterfoil.proofs.verifying.verify import BROKEN, OK, Judgement, verify_package
from tests.cli.conftest import Cli, runner
from tests.proofs.builders import Files, packed, signed_anew
from tests.proofs.verifying.conftest import Case

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the authority is OpenSSL's")
CONFIG = """
[tsa]
default_tsa = one
[one]
serial = {folder}/serial
default_policy = 1.2.3.4
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
"""


class Authority(NamedTuple):
    """Stamps what it is asked to, with its own clock and key."""

    folder: Path
    url: str

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    def stamp(self, query: bytes) -> bytes:
        (self.folder / "query").write_bytes(query)
        command = "openssl ts -reply -queryfile query -signer tsa.pem -inkey tsa.key -config tsa.cnf"
        return subprocess.run(command.split(), cwd=self.folder, capture_output=True, check=True).stdout


def certificates(folder: Path) -> None:
    """A root, and what it certifies: a key that stamps, and nothing else."""
    folder.mkdir()
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (f"Root {folder.name}", f"Clock {folder.name}")]
    for at, (file, last) in enumerate((("root.pem", 0), ("tsa.pem", 1))):
        made = (
            x509.CertificateBuilder()
            .subject_name(names[at])
            .issuer_name(names[0])
            .public_key(keys[at].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - timedelta(days=1))
            .not_valid_after(now() + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not last, path_length=None), critical=True)
        )
        if last:
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        certificate = made.sign(keys[0], hashes.SHA256())
        (folder / file).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "tsa.key").write_bytes(
        keys[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    folder = tmp_path_factory.mktemp("authority") / "inside"
    certificates(folder)

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            body = b"closed for today" if self.path == "/closed" else b"x" * 100_000 if self.path == "/long" else made.stamp(query)
            self.send_response(503 if self.path == "/closed" else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    made = Authority(folder, f"http://127.0.0.1:{server.server_port}")
    Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def cli(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command in a folder with a package and its keys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("p.zip").write_bytes(case.package)
    Path("keys.json").write_text(json.dumps(case.keys))
    return runner(capsys)


def test_a_package_is_stamped_and_its_stamp_is_verified(cli: Cli, authority: Authority) -> None:
    trust = ("--trust", str(authority.root))
    asked = cli("proof", "stamp", "p.zip", "--authority", authority.url, *trust)
    assert (asked.code, "its signatures were there on" in asked.out, "by the clock of CN=Clock inside" in asked.out) == (0, True, True)
    assert "never written over" in cli("proof", "stamp", "p.zip", "--authority", authority.url, *trust).err
    log = cli("proof", "stamp", "p.zip", "--authority", authority.url, *trust, "--log", "--out", "log.tsr")
    assert (log.code, "the log was there up to its closing checkpoint on" in log.out) == (0, True)
    plain = cli("proof", "verify", "p.zip", "--keys", "keys.json")
    assert (plain.code, "no time stamp was read" in plain.out) == (0, True)
    for stamp in ("p.tsr", "log.tsr"):
        found = cli("proof", "verify", "p.zip", "--keys", "keys.json", "--stamp", stamp, *trust)
        assert (found.code, "Time stamp: " in found.out, "no time stamp was read" in found.out) == (0, True, False)
    openssl = ["openssl", "ts", "-verify", "-in", "p.tsr", "-data", "envelope", "-CAfile", str(authority.root)]
    cli("proof", "verify", "p.zip", "--keys", "keys.json")
    shutil.unpack_archive("p.zip", "files")
    Path("envelope").write_bytes(Path("files", layout.ENVELOPE).read_bytes())
    told = subprocess.run(openssl, capture_output=True, text=True, check=False)
    assert "Verification: OK" in told.stdout + told.stderr, "another program says the same"


def test_an_authority_that_does_not_answer_or_that_nobody_trusts_stamps_nothing(cli: Cli, authority: Authority, tmp_path: Path) -> None:
    certificates(tmp_path / "other")
    trust = ("--trust", str(authority.root))
    for path, wanted in (("/closed", "it answered 503"), ("/long", "longer than any time stamp")):
        away = cli("proof", "stamp", "p.zip", "--authority", authority.url + path, *trust)
        assert (away.code != 0, wanted in away.err) == (True, True), away
    strange = cli("proof", "stamp", "p.zip", "--authority", authority.url, "--trust", str(tmp_path / "other" / "root.pem"))
    assert (strange.code != 0, "no time stamp of an authority that you trust" in strange.err) == (True, True), strange
    assert "begins with https" in cli("proof", "stamp", "p.zip", "--authority", "ftp://clock", *trust).err
    assert "holds no certificate" in cli("proof", "stamp", "p.zip", "--authority", authority.url, "--trust", "keys.json").err
    assert "give both" in cli("proof", "verify", "p.zip", "--keys", "keys.json", *trust).err
    assert not Path("p.tsr").exists()


@pytest.fixture(scope="module")
def stamped(case: Case, authority: Authority) -> bytes:
    """A stamp over the envelope of the package."""
    return stamp_of(authority, case.files)


def stamp_of(authority: Authority, files: Files) -> bytes:
    """A stamp over the envelope of this package."""
    return stamp_over(authority, files[layout.ENVELOPE])


def stamp_over(authority: Authority, body: bytes) -> bytes:
    """A stamp over these bytes."""
    envelope = authority.folder / "envelope"
    envelope.write_bytes(body)
    query = ["openssl", "ts", "-query", "-data", str(envelope), "-sha256", "-cert"]
    return authority.stamp(subprocess.run(query, capture_output=True, check=True).stdout)


@pytest.fixture
def judged(case: Case, authority: Authority, tmp_path: Path) -> Callable[..., Judgement]:
    def judge(stamp: bytes, *, package: bytes = case.package, root: Path = authority.root, keys: TrustedKeys | None = None) -> Judgement:
        path = tmp_path / "judged.zip"
        path.write_bytes(package)
        given = GivenStamp(stamp, read_roots(root.read_bytes()))
        return verify_package(path, keys or TrustedKeys.read(case.keys), stamp=given)

    return judge


def test_a_stamp_of_before_a_key_was_revoked_shows_that_it_signed_before(
    case: Case, stamped: bytes, judged: Callable[..., Judgement]
) -> None:
    signer, *others = case.keys["signers"]

    def revoked(at: datetime) -> TrustedKeys:
        when = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return TrustedKeys.read({**case.keys, "signers": [{**signer, "revoked_at": when}, *others]})

    later = judged(stamped, keys=revoked(now() + timedelta(days=1)))
    assert (later.code, any("can date a request back" in one for one in later.said)) == (OK, False)
    assert any("can date a request back" in one for one in judged(stamped, keys=revoked(stamped_on(later))).said)


def test_a_stamp_that_came_after_a_key_was_revoked_does_not_help_who_dated_back(case: Case, authority: Authority, tmp_path: Path) -> None:
    """Somebody with stolen keys signs today, and writes that it was asked for before the key was revoked."""
    keys = TrustedKeys.read(case.keys)
    at = max(one.valid_from for one in keys.signers)
    forged = signed_anew(case.files, [case.house.ann, case.house.otto], at=at)
    revoked = (datetime.fromisoformat(at) + timedelta(milliseconds=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    keys = keys._replace(signers=tuple(one._replace(revoked_at=revoked) for one in keys.signers))
    path = tmp_path / "forged.zip"
    path.write_bytes(packed(forged))
    given = GivenStamp(stamp_of(authority, forged), read_roots(authority.root.read_bytes()))
    assert sum("can date a request back" in one for one in verify_package(path, keys, stamp=given).said) == 2


def test_a_stamp_that_does_not_hold_is_refused_with_what_is_wrong(
    case: Case, authority: Authority, stamped: bytes, judged: Callable[..., Judgement], tmp_path: Path
) -> None:
    certificates(tmp_path / "other")
    ahead = (now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    late = signed_anew(case.files, [case.house.ann, case.house.otto], at=ahead)
    for judgement, wanted in (
        (judged(b"no stamp"), "The time stamp cannot be read"),
        (judged(stamped[:-1]), "The time stamp cannot be read"),
        (judged(stamped, package=packed(late)), "The time stamp is of no manifest.dsse.json or checkpoint.close of this package."),
        (judged(stamp_of(authority, late), package=packed(late)), f"Its signatures were asked for on {ahead}, and there on "),
        (judged(stamped, root=tmp_path / "other" / "root.pem"), "not of an authority that you trust"),
    ):
        assert (judgement.code, wanted in judgement.said[0]) == (BROKEN, True), judgement
    passed = [at for at in range(0, len(stamped), 5) if judged(altered(stamped, at)).code == OK]
    assert len(passed) < len(stamped) // 250, "no byte that means something"


def test_a_stamp_of_a_package_is_one_of_each_disclosure_out_of_it(
    case: Case, authority: Authority, stamped: bytes, judged: Callable[..., Judgement], tmp_path: Path
) -> None:
    """A payee was given the envelope and the checkpoints as they lie in the package, so its stamps are theirs."""
    whole, out = tmp_path / "whole.zip", tmp_path / "given.zip"
    whole.write_bytes(case.package)
    disclose([whole], "payee-1", None, out, with_others=True)
    given = out.read_bytes()
    code, said = case.verify(given, case.keys)
    assert (code, any("no time stamp was read" in one for one in said)) == (OK, True), "verify.py reads none, and both say so without one"
    certificates(tmp_path / "other")
    log = stamp_over(authority, case.files["checkpoint.close"])
    for stamp, told in ((stamped, "its signatures were there on "), (log, "the log was there up to its closing checkpoint on ")):
        found = judged(stamp, package=given)
        assert (found.code, [one for one in said if one not in found.said]) == (OK, [one for one in said if "no time stamp" in one])
        assert any(one.startswith(f"Time stamp: {told}") for one in found.said), found.said
    foreign = stamp_over(authority, b"the envelope of another package")
    for judgement, wanted in (
        (judged(foreign, package=given), "The time stamp is of no manifest.dsse.json or checkpoint.close of this package."),
        (judged(stamped, package=given, root=tmp_path / "other" / "root.pem"), "not of an authority that you trust"),
        (judged(stamped[:-1], package=given), "The time stamp cannot be read"),
        (judged(altered(stamped, len(stamped) // 2), package=given), "The time stamp "),
        (judged(stamped, package=altered(given, given.index(b'"payload"'))), "manifest.dsse.json"),
    ):
        assert (judgement.code, wanted in judgement.said[0]) == (BROKEN, True), judgement


def stamped_on(judgement: Judgement) -> datetime:
    [told] = [one for one in judgement.said if one.startswith("Time stamp: ")]
    return datetime.fromisoformat(told.split(" on ")[1].split(",")[0])


def altered(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1 + at * 37 % 255]) + raw[at + 1 :]
