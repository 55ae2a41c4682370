"""Fee rates and their recomputation at the command line and over HTTP."""

from __future__ import annotations

from datetime import timedelta

from counterfoil.base.edge import now
from tests.api.office import Office, charge_event, signed
from tests.api.test_one_payment import run
from tests.cli.conftest import Cli


def test_rates_with_limits_are_set_for_a_day_and_listed(cli: Cli):
    day = (now() + timedelta(days=3)).isoformat()
    limits = ("--fixed", "EUR=0.30", "--minimum", "EUR=0.50", "--maximum", "EUR=20.00", "--effective-at", day)
    assert "main has version 2" in cli("rates", "set", "main", "--platform-bps", "700", "--validator-bps", "0", *limits).out
    assert cli("rates", "show", "main", "-o", "json").json()["version"] == 1, "the other is still to come"
    newest, _ = cli("rates", "list", "main", "-o", "json").json()
    assert newest["limits"] == [{"asset": "EUR", "fixed": "30", "minimum": "50", "maximum": "2000"}]
    assert (
        "not in the past"
        in cli("rates", "set", "main", "--platform-bps", "1", "--validator-bps", "0", "--effective-at", "2020-01-01T00:00:00Z").err
    )


def test_limits_that_are_typed_wrongly_are_refused_with_the_option_and_what_it_takes(cli: Cli):
    def said(*limits: str) -> str:
        return cli("rates", "set", "main", "--platform-bps", "700", "--validator-bps", "0", *limits).err

    assert "EUR is named twice" in said("--fixed", "EUR=0.30", "--fixed", "EUR=0.40")
    for wrong in ("EUR", "EUR=", "=0.30"):
        told = said("--minimum", wrong)
        assert "--minimum" in told
        assert "ASSET=AMOUNT, such as EUR=0.30" in told
    assert "--maximum" in said("--maximum", "EUR=0.001")
    assert "one of EUR" in said("--fixed", "XXX=1.00")
    assert cli("rates", "list", "main", "-o", "json").json()[0]["version"] == 1, "nothing was written"


def test_the_table_of_rates_shows_their_limits(cli: Cli):
    cli("rates", "set", "main", "--platform-bps", "700", "--validator-bps", "0", "--fixed", "EUR=0.30", "--maximum", "EUR=20.00")
    assert "EUR: 0.30 added, at most 20.00" in " ".join(cli("rates", "list", "main").out.split())


def test_versions_of_rates_go_in_any_order_and_into_files(cli: Cli):
    for bps, days in (("700", 9), ("300", 5)):
        day = (now() + timedelta(days=days)).isoformat()
        cli("rates", "set", "main", "--platform-bps", bps, "--validator-bps", "0", "--minimum", "EUR=0.50", "--effective-at", day)

    def asked(*given: str) -> list[int]:
        return [one["version"] for one in cli("rates", "list", "main", *given, "-o", "json").json()]

    assert asked() == [3, 2, 1]
    assert asked("--sort", "effectiveAt") == [1, 3, 2]
    assert asked("--sort", "-platformBps") == [2, 1, 3]
    assert asked("--start-time", (now() + timedelta(days=6)).isoformat()) == [2]
    _, line, *_ = cli("rates", "list", "main", "--sort", "platformBps", "-o", "csv").out.splitlines()
    assert line.startswith('"3",')
    assert "EUR: at least 0.50" in line
    assert "1 of 3; --limit 3 shows more." in cli("rates", "list", "main", "--limit", "1", "-o", "csv").err
    assert "nowhere" in cli("rates", "list", "nowhere").err


def test_the_totals_come_with_the_first_page_and_only_where_they_are_asked_for(office: Office):
    span = {"startTime": "2020-01-01T00:00:00Z", "endTime": "2099-01-01T00:00:00Z"}
    assert office.ask("GET", "/api/fees/recomputed", params=span).json()["totals"] == []
    assert office.ask("GET", "/api/fees/recomputed", params=span | {"totals": "false"}).json()["totals"] is None


def test_fees_of_a_range_are_recomputed_and_nothing_is_changed(cli: Cli, office: Office):
    span = ("fees", "recompute", "--start-time", "2020-01-01T00:00:00Z", "--end-time", "2099-01-01T00:00:00Z")
    assert "nothing was recomputed" in cli(*span).out
    invoice = office.invoice()
    body = charge_event(invoice, "ch_fees")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_fees"))
    run(office, "webhooks")
    with office.database.transaction() as conn:
        conn.execute("update intent set state = 'processing', steps = steps + 1, due_at = now()")
    run(office, "settle")
    done = cli(*span)
    assert (done.code, "EUR: 1 settlement recomputed, 0 differ." in done.out) == (0, True)
    wrong = office.ask("GET", "/api/fees/recomputed", params={"startTime": "2021-01-01T00:00:00Z", "endTime": "2020-01-01T00:00:00Z"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "endTime")
