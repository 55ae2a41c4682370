"""How far a file of usage is: over HTTP, at the command line; one whose sender fell silent is told from the rest."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from counterfoil.base.edge import now
from counterfoil.cli.core.exit_codes import EXIT
from counterfoil.cli.nouns.settlement import usage
from counterfoil.settlement.usage.files import SILENT_AFTER
from tests.api.office import HEADER, PROGRAM, Office, fresh
from tests.cli.conftest import Cli


def line(number: int, *, price: str = "10.00") -> str:
    return f"r-{number},cust-{number},bolt,EUR,1,{price},2026-01-05T10:00:00Z,hours\n"


class Sender:
    """Sends a file of nine records, and one with a mistake, part by part."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.lines = [*(line(number) for number in range(4)), line(4, price="ten"), *(line(number) for number in range(5, 10))]
        self.sha256 = hashlib.sha256("".join([f"{HEADER}\n", *self.lines]).encode()).hexdigest()

    def send(self, first: int, last: int, **more: Any) -> httpx2.Response:
        """Records from the `first` to the `last`, counted from 1; the header is line 1 of the file."""
        said = {"ofFile": self.sha256, "ofLines": 11, "fromLine": first + 1, "untilLine": last + 1, **more}
        params = {"programId": PROGRAM, "fileName": "november.csv", **said}
        body = "".join([f"{HEADER}\n", *self.lines[first - 1 : last]])
        return self.office.ask("POST", "/api/usage", role="operator", key=fresh(), content=body.encode(), params=params)

    def seen(self) -> dict[str, Any]:
        (found,) = self.office.ask("GET", "/api/usage/imports").json()["data"]
        return dict(found)


def test_a_file_under_way_is_seen_with_its_lines_and_goes_on_when_it_is_sent_again(office: Office, cli: Cli) -> None:
    sender = Sender(office)
    assert cli("usage", "imports").out.strip() == "No file of usage came in."
    assert sender.send(1, 5, dryRun="true").status_code in (200, 201)
    assert office.ask("GET", "/api/usage/imports").json()["data"] == [], "a dry run is no import"
    assert sender.send(1, 5).status_code == 201
    one = sender.seen()
    assert (one["standing"], one["linesDone"], one["lines"], one["new"], one["rejected"]) == ("under_way", 6, 11, 4, 1)
    assert "under_way" in cli("usage", "imports").out
    with office.database.transaction() as conn:
        conn.execute("update usage_file set heard_at = %s", [now() - SILENT_AFTER - timedelta(seconds=1)])
    silent = cli("usage", "imports", "--standing", "silent", "-o", "json").json()
    assert [(each["fileName"], each["standing"]) for each in silent] == [("november.csv", "silent")]
    assert cli("usage", "imports", "--standing", "done", "-o", "json").json() == []
    for first, last in ((1, 5), (6, 10), (6, 10)):  # the same file again: what is known counts no more
        assert sender.send(first, last).status_code in (200, 201)
    one = sender.seen()
    assert (one["standing"], one["linesDone"], one["new"], one["rejected"]) == ("done", 11, 9, 1)
    assert one["endedAt"] >= one["beganAt"]
    assert cli("usage", "import-show", one["id"], "-o", "json").json() == one
    assert cli("usage", "import-show", "uf_nothing").code == EXIT["missing"]


def test_a_file_whose_last_part_came_before_another_is_not_done(office: Office) -> None:
    """Sent side by side, or with one that failed between: what is told as taken in ends before the gap."""
    sender = Sender(office)
    assert sender.send(6, 10).status_code == 201
    assert (sender.seen()["standing"], sender.seen()["linesDone"]) == ("under_way", 0)
    assert sender.send(1, 3).status_code == 201
    assert sender.send(5, 10).status_code == 201
    assert (sender.seen()["standing"], sender.seen()["linesDone"]) == ("under_way", 4)
    for first, last in ((1, 3), (4, 5), (6, 10)):
        assert sender.send(first, last).status_code in (200, 201)
    one = sender.seen()
    assert (one["standing"], one["linesDone"], one["new"], one["rejected"]) == ("done", 11, 9, 1)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"ofLines": ""}, "ofLines"),
        ({"untilLine": 12}, "untilLine"),
        ({"ofFile": "ab"}, "ofFile"),
        ({"ofLines": 10, "untilLine": 10}, "ofLines"),
        ({"ofLines": 20, "untilLine": 15}, "ofLines"),
    ],
)
def test_what_cannot_be_of_that_file_is_refused_and_nothing_of_it_is_recorded(office: Office, more: dict[str, Any], field: str) -> None:
    sender = Sender(office)
    assert sender.send(1, 3).status_code == 201
    refused = sender.send(4, 5, **more)
    assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert (sender.seen()["linesDone"], sender.seen()["new"]) == (4, 3)


def test_the_command_sends_a_file_in_parts_of_one_import(office: Office, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage.parts_of, "__kwdefaults__", {"lines": 4})
    sender = Sender(office)
    file = tmp_path / "november.csv"
    file.write_text("".join([f"{HEADER}\n", *sender.lines]))
    assert cli("usage", "import", str(file)).code == 1, "a line has a mistake"
    one = sender.seen()
    assert (one["sha256"], one["standing"], one["lines"], one["new"], one["rejected"]) == (sender.sha256, "done", 11, 9, 1)
