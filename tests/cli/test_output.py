"""What a person reads: major units with their asset, whole ids, names as they are, and how much of a list is shown."""

from __future__ import annotations

import io
import sys
from typing import Any

import openpyxl
import pytest

from counterfoil.cli.core.commands import PARTS, load
from counterfoil.cli.core.exit_codes import EXIT, NOT_GREEN, OURS, USAGE
from counterfoil.cli.core.money import FIELDS
from counterfoil.cli.core.output import ListFormat
from docs.generate import openapi
from tests.api.office import Office
from tests.cli.conftest import Cli


def refs(part: Any) -> set[str]:
    """The shapes that a part of the document names, by name."""
    if isinstance(part, dict):
        own = {part["$ref"].rpartition("/")[2]} if "$ref" in part else set()
        return own.union(*(refs(one) for one in part.values()))
    return set().union(*(refs(one) for one in part)) if isinstance(part, list) else set()


def answered() -> dict[str, dict[str, Any]]:
    """Every shape that an answer of the API has somewhere, by its name."""
    document = openapi()
    shapes, found = document["components"]["schemas"], set[str]()
    todo = refs([one["responses"] for methods in document["paths"].values() for one in methods.values()])
    while todo:
        found |= todo
        todo = refs([shapes[name] for name in todo]) - found
    return {name: shapes[name] for name in found}


def test_the_command_line_knows_every_field_that_holds_money():
    told = {
        name
        for shape in answered().values()
        for name, one in shape.get("properties", {}).items()
        for each in (one, *one.get("anyOf", ()))
        if each.get("format") == "minor-units"
    }
    assert told - {"priceMicro", "quantityMicro"} == FIELDS


def test_amounts_are_told_in_major_units_with_their_asset(cli: Cli, office: Office):
    office.fund("payable:payee:bolt", 125_050)
    assert "1,250.50 EUR" in cli("accounts", "balance", "payable:payee:bolt", "--asset", "EUR").out
    table = cli("accounts", "list").out
    assert "1,250.50" in table
    assert "125050" not in table
    assert cli("accounts", "balance", "payable:payee:bolt", "--asset", "EUR", "-o", "json").json()["balance"] == "125050"
    assert "1250.50" in cli("accounts", "list", "-o", "csv").out


def test_a_name_between_colons_is_no_picture(cli: Cli, office: Office):
    office.fund("cash:bank:client", 100)
    assert "cash:bank:client" in cli("accounts", "list").out


def test_an_id_is_never_broken_over_two_lines(cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch):
    office.fund("payable:payee:bolt", 100)
    (journal,) = cli("journal", "list", "-o", "json").json()
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")  # a dumb one is taken for 80 columns wide
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda _: True))
    assert journal["id"] in cli("journal", "list").out


def test_a_list_says_how_much_of_it_is_shown(cli: Cli, office: Office):
    for number in range(4):
        office.fund(f"payable:payee:p{number}", 100)
    assert "2 of 4; --limit 4 shows more." in cli("journal", "list", "--limit", "2").out
    assert " of " not in cli("journal", "list", "--limit", "4").out
    assert len(cli("journal", "list", "--limit", "2", "-o", "json").json()) == 2


def test_health_is_a_verdict_with_its_limits_and_an_exit_code(cli: Cli, office: Office):
    told = cli("health")
    assert told.code == NOT_GREEN, "nobody works here"
    assert "Verdict: critical (workersHealthy" in told.out or "Verdict: critical (workers_healthy" in told.out
    assert all(word in told.out for word in ("warning", "critical", "payout_outbox_pending"))


def test_every_exit_code_means_one_thing():
    codes = [0, NOT_GREEN, USAGE, OURS, *EXIT.values()]
    assert len(codes) == len(set(codes))


@pytest.mark.usefixtures("office")
def test_a_mistake_of_ours_has_a_code_of_its_own(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("counterfoil.client.client.Client.health", broken)
    ran = cli("health")
    assert (ran.code, "a bug" in ran.err) == (OURS, True)


def test_a_list_is_sorted_narrowed_and_a_workbook(cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch):
    for amount in ("10.00", "30.00", "20.00"):
        office.invoice(price=amount)
    sorted_by = cli("invoices", "list", "--sort", "-total", "--asset", "EUR", "--amount-min", "15.00", "-o", "json").json()
    assert [one["total"] for one in sorted_by] == ["3000", "2000"]
    refused = cli("invoices", "list", "--amount-min", "15.00")
    assert (refused.code, "--asset" in refused.err) == (USAGE, True)
    assert "one of issuedAt, dueOn, total" in cli("invoices", "list", "--sort", "colour").err
    into = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", into)
    cli("invoices", "list", "--sort", "total", "-o", "xlsx")
    header, *rows = openpyxl.load_workbook(io.BytesIO(into.buffer.getvalue())).active.iter_rows(values_only=True)
    assert [(row[header.index("total")], row[header.index("asset")]) for row in rows] == [(10, "EUR"), (20, "EUR"), (30, "EUR")]
    monkeypatch.setattr(sys, "stdout", into := io.TextIOWrapper(io.BytesIO()))
    cli("intents", "list", "--sort", "createdAt", "-o", "xlsx")
    header, *rows = openpyxl.load_workbook(io.BytesIO(into.buffer.getvalue())).active.iter_rows(values_only=True)
    assert [row[header.index("amount")] for row in rows] == [10, 30, 20]


def test_every_list_command_gives_a_workbook():
    found: dict[str, Any] = {}  # by the command, in which form it shows rows unless told otherwise
    groups: list[tuple[str, Any]] = [(name, load(name)) for name in PARTS]
    while groups:
        path, command = groups.pop()
        if hasattr(command, "commands"):
            groups += [(f"{path} {name}", one) for name, one in command.commands.items()]
        elif path.endswith(" list"):
            found[path] = next(one.default for one in command.params if one.name == "output")
    assert [path for path, default in found.items() if not isinstance(default, ListFormat)] == []
    assert len(found) > 40
