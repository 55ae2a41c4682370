"""What a person reads: major units with their asset, whole ids, names as they are, and how much of a list is shown."""

from __future__ import annotations

import pytest

from counterfoil.api.http.app import ROUTERS
from counterfoil.api.http.schemas import ViewModel
from counterfoil.cli.core.exit_codes import EXIT, NOT_GREEN, OURS, USAGE
from counterfoil.cli.core.money import FIELDS
from tests.api.office import Office
from tests.cli.conftest import Cli

assert ROUTERS, "every shape of an answer is loaded"


def shapes(kind: type[ViewModel]) -> set[type[ViewModel]]:
    return {one for sub in kind.__subclasses__() for one in (sub, *shapes(sub))}


def money_of(shape: type[ViewModel]) -> set[str]:
    if shape.__pydantic_generic_metadata__["parameters"]:
        return set()
    found = shape.model_json_schema(mode="serialization", by_alias=True).get("properties", {})
    return {name for name, one in found.items() for each in (one, *one.get("anyOf", ())) if each.get("format") == "minor-units"}


def test_the_command_line_knows_every_field_that_holds_money(office: Office):
    told = {name for shape in shapes(ViewModel) for name in money_of(shape)}
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
