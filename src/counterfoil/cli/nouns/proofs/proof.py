"""`counterfoil proof …`"""

from __future__ import annotations

import base64
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.base.text import camel
from counterfoil.cli.core.acts import add_act
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Format, Json, Output, patience, say, say_done, show_one, write_file
from counterfoil.cli.core.verbs import PARTS, add_verbs
from counterfoil.cli.nouns.proofs.disclosing import disclose_package
from counterfoil.cli.nouns.proofs.exporting import export_followed
from counterfoil.cli.nouns.proofs.included import fetch_inclusion
from counterfoil.cli.nouns.proofs.key_files import SigningKey, passphrase
from counterfoil.cli.nouns.proofs.kms_keys import KmsKey
from counterfoil.cli.nouns.proofs.stamps import stamp_package, trusted_authorities
from counterfoil.proofs.exports import PROOF_EXPORT_NOUN
from counterfoil.proofs.noun import PROOF_NOUN
from counterfoil.proofs.personal_data import NAME_POLICY, said_of
from counterfoil.proofs.signing.envelope import to_sign
from counterfoil.proofs.verifying.entries import VerifierEnded, processes_here
from counterfoil.proofs.verifying.signatures import TrustedKeys, refuse_another_request
from counterfoil.proofs.verifying.stamps import GivenStamp
from counterfoil.proofs.verifying.verify import NOT_VERIFIED, UNKNOWN_KEYS, Judgement, verify_package

app = command_group(PROOF_NOUN.help)
COLUMNS = ("id", "fromAt", "toAt", "entries", "verdict", "reconciliation", "state")
SIGNERS = ("person", "role", "standing", "at")
FILES = ("name", "bytes", "sha256")
PLACES = ("store", "path", "state", "lockedUntil", "lookedAt", "error")
ProofId = Annotated[str, typer.Argument(metavar="ID", help="The proof's id, prf_….")]
Passphrase = Annotated[bool, typer.Option("--passphrase-stdin", help="Read the key's passphrase from the first line of standard input.")]
Moment = Annotated[str, typer.Argument(help="A day or a moment in UTC: 2026-10-01 or 2026-10-01T00:00:00Z.")]


def moment(given: str) -> str:
    """A day as its first moment; anything else as it is."""
    return f"{given}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", given) else given


add_list(
    app,
    "/api/proofs",
    COLUMNS,
    "Proofs, the one that was made last first unless sorted otherwise.",
    "No period was proven yet.",
    Only("--state", "waiting or signed."),
    *of_noun(PROOF_NOUN),
)


add_list(
    app,
    "/api/proof-exports",
    tuple(camel(one) for one in PROOF_EXPORT_NOUN.columns),
    "Proofs that are being made or were, newest first: how far each is, whether it lives, and what came of it.",
    "No proof was made yet.",
    Only("--state", "running, made, failed or cut_short."),
    *of_noun(PROOF_EXPORT_NOUN),
    word="exports",
)


@app.command("export")
def export(
    start: Annotated[str, typer.Argument(metavar="FROM", help="The first day or moment, in UTC: 2026-10-01.")],
    end: Annotated[str, typer.Argument(metavar="TO", help="The day or moment behind the last, not included: 2026-11-01.")],
    output: Output = TABLE,
) -> None:
    """Make the proof of a period, and ask for its signatures. A long one shows how far it is.

    Ends with 1 when the proof says of itself that it is incomplete.
    """
    with asked("audit") as client:
        done = export_followed(client, {"from": moment(start), "to": moment(end)})
    known = "was made before: the same facts are the same proof" if done["existed"] else "waits for its signatures"
    said = (
        f"proofId: {done['id']}\n{counted(done['entries'], 'entry', 'entries')}, {done['verdict']}, {done['reconciliation']}; it {known}."
    )
    if done.get("differsFrom"):
        said += f"\n{done['differsFrom']} is of the same period, and not the same in: {done['differsIn']}."
    say_done(done, output, said)
    raise typer.Exit(0 if done["verdict"] == "complete" else 1)


@app.command("show")
def show(
    proof_id: ProofId,
    file: Annotated[
        str | None, typer.Option("--file", help="One file of it in its exact bytes, such as reconciliation_report.json.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where the file goes; without it, to standard output.")] = None,
    output: Output = TABLE,
) -> None:
    """One proof: what is in it, who has signed, who is missing. With --file, one file of it."""
    if file is not None:
        with asked("audit") as client:
            body = client.download(f"/api/proofs/{proof_id}/files/{file}")
        if out is None:
            sys.stdout.buffer.write(body)
        else:
            write_file(out, body)
            say(f"{out}: {len(body):,} bytes.")
        return
    with asked("read") as client:
        show_one(client.get(f"/api/proofs/{proof_id}"), output, parts=(("signers", SIGNERS), ("copies", PLACES), ("files", FILES), *PARTS))


@app.command("download")
def download(
    proof_id: ProofId,
    out: Annotated[Path | None, typer.Option("--out", help="Where it goes; ID.zip, if absent.")] = None,
) -> None:
    """Fetch the package, with the signatures that it has by now."""
    with asked("audit") as client:
        body = client.download(f"/api/proofs/{proof_id}/package")
    path = out or Path(f"{proof_id}.zip")
    write_file(path, body)
    say(f"{path}: {len(body):,} bytes. Verify it: counterfoil proof verify {path} --keys KEYS.json")


@app.command("verify")
def verify(
    package: Annotated[Path, typer.Argument(help="The package, what one payee was given out of it, or an inclusion file.")],
    keys: Annotated[Path, typer.Option("--keys", help="The keys that you trust, from somewhere else than the package.")],
    previous: Annotated[Path | None, typer.Option("--previous", help="The package of the period before.")] = None,
    stamp: Annotated[Path | None, typer.Option("--stamp", help="A time stamp of it, as `counterfoil proof stamp` fetched it.")] = None,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="Certificates of the authorities whose time stamps you trust (PEM).")
    ] = None,
    output: Output = TABLE,
) -> None:
    """Verify a package, a disclosure or an inclusion file with nothing but it and keys that you trust; no server, no network.

    With --stamp and --trust also since when it is there, by the clock of an authority outside.

    Ends with 0 when it holds, 1 when something is broken, 2 when it is incomplete, 3 when its keys are not among yours, and 64 when
    nothing was verified, because a file cannot be read. A large package is verified by as many processes as there are cores, up to 8.
    """
    if (stamp is None) != (trust is None):
        raise typer.BadParameter("give both: a time stamp, and the authorities that you trust", param_hint="--stamp")
    try:
        given = GivenStamp(stamp.read_bytes(), trusted_authorities(trust)) if stamp and trust else None
        trusted = TrustedKeys.read(json.loads(keys.read_text("utf-8")))
        with patience("The package is being verified"):
            found = verify_package(package, trusted, previous=previous, stamp=given, processes=processes_here())
    except OSError as error:
        typer.echo(f"Not verified: {error.filename or package} cannot be read: {error.strerror}", err=True)
        raise typer.Exit(NOT_VERIFIED) from error
    except VerifierEnded as error:
        typer.echo("Not verified: a process of it was ended from outside, as where memory runs out. Verify it again.", err=True)
        raise typer.Exit(NOT_VERIFIED) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found = Judgement(UNKNOWN_KEYS, [f"{keys} is no file of keys ({type(error).__name__}: {error})."])
    if output is Format.TABLE:
        say("\n".join([found.word, *found.said]))
    else:
        show_one({"verdict": found.word, "exitCode": found.code, "said": found.said}, output)
    raise typer.Exit(found.code)


app.command("stamp")(stamp_package)
app.command("disclose")(disclose_package)
app.command("inclusion")(fetch_inclusion)


@app.command("sign")
def sign(
    proof_id: ProofId,
    key: Annotated[
        Path | None, typer.Option("--key", help="Your signing key, as `counterfoil signers new-key` made it.", exists=True)
    ] = None,
    kms_key: Annotated[str | None, typer.Option("--kms-key", help="Your signing key in AWS KMS instead: its ARN, id or alias.")] = None,
    package: Annotated[
        Path | None, typer.Option("--package", help="The package as you have verified it: nothing else is signed.", exists=True)
    ] = None,
    from_stdin: Passphrase = False,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Sign a proof with your own key: a file that never leaves this machine, or a key in AWS KMS.

    Look at the proof first: `proof download`, `proof verify`.

    What the server asks to be signed is looked at here before: it must be this proof and, with --package, exactly these files.
    """
    if (key is None) == (kms_key is None):
        raise typer.BadParameter("give your key: --key with its file, or --kms-key with its name in AWS KMS", param_hint="--key")
    with asked("approve") as client:
        private = SigningKey(key, passphrase(from_stdin=from_stdin)) if key is not None else KmsKey(kms_key or "")
        known = client.get("/api/signers")["signers"]
        mine = next((one["id"] for one in known if one["publicKey"] == private.public.hex()), None)
        if mine is None:
            raise typer.BadParameter("this key is no signer's: `counterfoil signers add`", param_hint="--key" if key else "--kms-key")
        request = client.get(f"/api/proofs/{proof_id}/request")
        payload = base64.b64decode(request["payload"])
        refuse_another_request(payload, proof_id, package)
        signature = base64.b64encode(private.sign(to_sign(payload))).decode()
        body = {"number": request["number"], "signerId": mine, "signature": signature}
        done = client.post(f"/api/proofs/{proof_id}/signatures", body, dry_run=dry_run)
    say_done(done, output, f"{done['id']}: your signature is kept; the proof is {done['state']}.")


def _policy_named(done: Json, output: Format) -> None:
    say_done(done, output, said_of(done["name"], done["version"], datetime.fromisoformat(done["recordedAt"])))


add_act(app, NAME_POLICY, _policy_named)
add_verbs(app, PROOF_NOUN)
