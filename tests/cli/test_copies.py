"""Copies at the command line: what lies in the store, back from there with nothing but the store, and what doctor says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import Database
from tests.api.office import Office
from tests.cli.conftest import Cli, runner
from tests.proofs.stores.builders import copied, spoilt
from tests.s3_server import a_bucket, s3_server

KEY = "proofs/packages/prf_01-0123456789abcdef.zip"


def test_copies_are_listed_shown_and_copied_anew(cli: Cli, office: Office, database: Database, tmp_path: Path) -> None:
    copy_id = spoilt(database, copied(database, tmp_path))
    [listed] = cli("copies", "list", "--state", "wrong", "--output", "json").json()
    assert (listed["id"], listed["path"]) == (copy_id, KEY)
    assert KEY in cli("copies", "show", copy_id).out
    done = cli("copies", "renew", copy_id, "--reason", "looked into")
    assert (done.code, "copied anew" in done.out) == (0, True), done.err


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A machine with nothing but the address of the store."""
    monkeypatch.chdir(tmp_path)
    for name in ("STORE_URL", "STORE_LOCK"):
        monkeypatch.delenv(f"COUNTERFOIL_{name}", raising=False)
    return runner(capsys)


def test_files_come_back_from_a_folder_and_what_is_damaged_does_not(
    alone: Cli, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "STORE_URL" in alone("copies", "stored").out
    assert "store_url" in alone("copies", "fetch", "proofs/").err
    copied(database, tmp_path)
    monkeypatch.setenv("COUNTERFOIL_STORE_URL", f"file://{tmp_path}/share")
    assert [one["path"] for one in alone("copies", "stored", "proofs/", "--output", "json").json()] == [KEY]
    assert alone("copies", "fetch", "proofs/", "--to", "back").code == 0
    assert (tmp_path / "back" / KEY).read_bytes() == b"signed"
    assert alone("copies", "fetch", "proofs/").code == 0
    assert (tmp_path / ".counterfoil" / KEY).read_bytes() == b"signed", "in the place that it was copied from"
    (tmp_path / "back" / KEY).chmod(0o600)
    (tmp_path / "back" / KEY).write_bytes(b"other")
    refused = alone("copies", "fetch", "proofs/", "--to", "back")
    assert (refused.code, "move it away first" in refused.out) == (1, True)
    assert "not found" in alone("copies", "fetch", "backups/").err


def test_files_come_back_from_a_bucket_under_what_was_put_over_them(
    alone: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with s3_server() as access:
        other = a_bucket(access, "copies-of-books")
        given = {
            "URL": "s3://copies-of-books/here",
            "ENDPOINT": access.endpoint,
            "REGION": access.region,
            "ACCESS_KEY": access.key,
            "SECRET_KEY": access.secret,
        }
        for name, value in given.items():
            monkeypatch.setenv(f"COUNTERFOIL_STORE_{name}", str(value))
        digest = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e"  # of b"first"
        for body, said in ((b"first", digest), (b"forged", digest)):
            other.put_object(Bucket="copies-of-books", Key="here/proofs/packages/prf_1-1.zip", Body=body, Metadata={"sha256": said})
        [one] = alone("copies", "stored", "--output", "json").json()
        assert one["others"] == 1
        came = alone("copies", "fetch", "proofs/", "--to", "back")
        assert came.code == 0, came.out + came.err
        assert (tmp_path / "back/proofs/packages/prf_1-1.zip").read_bytes() == b"first"
        found = doctor(alone)
        assert {found[name]["how"] for name in ("store", "store versions", "store lock")} == {"good"}
        monkeypatch.setenv("COUNTERFOIL_STORE_URL", "s3://not-there-at-all")
        assert doctor(alone)["store"]["how"] == "bad"
        monkeypatch.delenv("COUNTERFOIL_STORE_SECRET_KEY")
        assert "store_secret_key" in doctor(alone)["store"]["said"]
        assert str(access.secret) not in capsys.readouterr().out


def test_doctor_says_that_nothing_is_copied_anywhere(alone: Cli) -> None:
    assert doctor(alone)["store"]["how"] == "warning"


def doctor(cli: Cli) -> dict[str, Any]:
    return {one["what"]: one for one in json.loads(cli("doctor", "--output", "json").out)}
