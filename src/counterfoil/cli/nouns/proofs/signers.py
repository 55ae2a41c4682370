"""`counterfoil signers …`"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Given, add_write
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, Reason, say, say_done, show_one, show_rows, waits, write_file
from counterfoil.cli.nouns.proofs.key_files import make_key_file, passphrase
from counterfoil.cli.nouns.proofs.kms_keys import KmsKey
from counterfoil.cli.nouns.proofs.proof import Passphrase, moment
from counterfoil.proofs.log.quantum import ml_dsa
from counterfoil.proofs.signing.kinds import ED25519, ML_DSA_44

app = command_group("Who signs proofs, and whether there are enough.")
COLUMNS = ("id", "person", "role", "health", "lastSignedAt", "validUntil", "kind", "publicKey")
SHOWN: Final = 64  # characters of a public key in a table: all of an Ed25519 one


class NewKeyKind(StrEnum):
    """Of which kind a new key is."""

    ED25519 = "ed25519"
    ML_DSA_44 = "ml-dsa-44"


@app.command("status")
def status(output: Output = TABLE) -> None:
    """The health of each signer and of the log's own key. Ends with 1 when there are too few to sign, or the log cannot."""
    with asked("read") as client:
        found = client.get("/api/signers")
    if output is Format.JSON:
        show_one(found, output)
    else:
        rows = found["signers"]
        if output is Format.TABLE:
            rows = [{**one, "publicKey": shortened(one["publicKey"])} for one in rows]
        show_rows(rows, COLUMNS, output, empty="Nobody signs proofs yet: `counterfoil signers add`.")
    if output is Format.TABLE:
        enough = "there are enough" if found["canBeMet"] else "THERE ARE TOO FEW READY"
        say(f"\nA proof takes {found['quorum']} people in different roles: {enough}. The log's own key: {found['log']['health']}.")
    raise typer.Exit(0 if found["canBeMet"] and found["log"]["health"] == "ready" else 1)


@app.command("new-key")
def new_key(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where your key goes; the file must not be there.")],
    kind: Annotated[
        NewKeyKind, typer.Option("--kind", help="ml-dsa-44: a quantum computer does not break it; `verify.py` cannot check it.")
    ] = NewKeyKind.ED25519,
    from_stdin: Passphrase = False,
) -> None:
    """Make a signing key for yourself, encrypted with a passphrase. Only its public half is told to anybody.

    verify.py in a package, which has Python alone, counts no signature of ML-DSA-44, and says so: who verifies with it alone needs enough
    Ed25519 keys.
    """
    if kind is NewKeyKind.ML_DSA_44:
        ml_dsa()  # refused before a passphrase is asked for
    public = make_key_file(out, passphrase(from_stdin=from_stdin, new=True), ML_DSA_44 if kind is NewKeyKind.ML_DSA_44 else ED25519)
    say(f"{out} is your key; keep it and its passphrase to yourself. Its public half, for `counterfoil signers add`:\n{public.hex()}")


@app.command("kms-key")
def kms_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Your key in AWS KMS: its ARN, id or alias.")],
) -> None:
    """Show the public half of your signing key in AWS KMS; it is of spec ECC_NIST_EDWARDS25519. Nothing is signed and nothing is told."""
    found = KmsKey(key)
    say(f"{key} signs. Its public half, for `counterfoil signers add`:\n{found.public.hex()}")


@app.command("add")
def add(
    principal: Annotated[str, typer.Option("--principal-id", help="Whose key it is, prn_….")],
    role: Annotated[str, typer.Option("--role", help="In which of their roles they sign with it.")],
    public_key: Annotated[
        str, typer.Option("--public-key", help="The public half, as `new-key` or `kms-key` told it; or a file that holds it.")
    ],
    until: Annotated[str, typer.Option("--until", help="Until when it is valid: 2027-12-01.")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Add a person's key to those that sign proofs. Takes two administrators."""
    told = public_key if re.fullmatch("[0-9a-f]{64,}", public_key) else text_of(public_key)
    body = {"principalId": principal, "role": role, "publicKey": told, "validUntil": moment(until)}
    with asked("administer") as client:
        done = client.post("/api/signers", body, dry_run=dry_run)
    if not waits(done, output):
        say_done(done, output, f"{done['id']}: {done['person']} signs as {done['role']}.")


def shortened(public_key: str) -> str:
    """As a table shows it: an ML-DSA-44 key has 2,624 characters."""
    return public_key if len(public_key) <= SHOWN else f"{public_key[:SHOWN]}…"


def text_of(path: str) -> str:
    """What a file holds, such as a public half; what is no file's name, as it is."""
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return path


add_write(
    app,
    "revoke",
    "administer",
    "/api/signers/{signer_id}/revoke",
    "End a signer's key now. What it signed before still counts; proofs that wait for it are reissued (`proof reissue`).",
    "{id}: the key of {person} ended.",
    Given("signer_id", "The signer's id, sgn_….", bare=True, metavar="ID"),
)


class LogKeyCause(StrEnum):
    """Why the log gets another key."""

    PLANNED = "planned"
    STOLEN = "stolen"
    LOST = "lost"


@app.command("change-log-key")
def change_log_key(
    cause: Annotated[
        LogKeyCause, typer.Option("--cause", help="planned: the key of before signs the new one; stolen, or lost: it does not.")
    ],
    reason: Reason,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Give the log another key to sign its checkpoints with. Takes two administrators. What was signed before stays good.

    `signers pin` again for those who verify: when it was planned they come to the new key by themselves, else they need it from you.
    """
    with asked("administer") as client:
        done = client.post("/api/signers/log-key", {"cause": cause.value, "reason": reason}, dry_run=dry_run)
    if not waits(done, output):
        said = f"{done['id']}: the log signs with it from now on; {done['beforeId']} ended at {done['size']:,} entries."
        say_done(done, output, f"{said} `counterfoil signers pin` for those who verify.")


@app.command("pin")
def pin(out: Annotated[Path, typer.Option("--out", help="The file of keys, for `proof verify --keys`.")]) -> None:
    """Write down the keys that verify proofs. Compare them with the people themselves, then give the file to your auditor, once."""
    with asked("read") as client:
        keys = client.get("/api/signers/keys")["keys"]
    write_file(out, (json.dumps(keys, indent=2, ensure_ascii=False) + "\n").encode())
    people = ", ".join(f"{one['person']} ({one['role']}) {one['key'][:8]}…" for one in keys["signers"]) or "nobody yet"
    say(f"{out}: the log {keys['origin']}, and {people}.")
