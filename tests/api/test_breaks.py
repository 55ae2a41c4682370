"""Breaks over HTTP: shown in full, worked on with a reason, adjusted by two keys; nothing is done by the wrong one or twice."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.edge import now
from tests.api.office import Office, fresh
from tests.reconciliation.breaks.builders import NOW, PROGRAM, a_break, a_run, an_open_program, still_true, the_cases

WHY = {"reason": "because the bank says so"}
LINES = [{"debit": "provider_fee", "credit": "clearing:simulator", "amount": "1200"}]


@pytest.fixture
def ids(office: Office) -> list[str]:
    """Three breaks that a run found just now."""
    today = now()
    with office.database.transaction() as conn:
        an_open_program(conn)
        found = [a_break(cause="fee netted"), a_break(theirs=None), a_break(severity="critical")]
        a_run(conn, found, at=today, first=NOW.date(), last=today.date())
        return [one.id for one in the_cases(conn)]


def say(office: Office, break_id: str, verb: str, body: dict[str, Any] | None = None, **more: Any) -> Any:
    more = {"role": "controller", "key": fresh(), **more}
    return office.ask("POST", f"/api/breaks/{break_id}/{verb}", json={**WHY, **(body or {})}, **more)


def test_a_break_is_shown_with_all_that_explains_it(office: Office, ids: list[str]):
    found = office.ask("GET", f"/api/breaks/{ids[0]}").json()
    assert (found["state"], found["atStake"], found["difference"], found["cause"]) == (
        "open",
        "1200",
        "-1200",
        "fee netted",
    )
    assert found["allowed"] == ["investigate", "wait", "assign", "comment"]
    assert [one["name"] for one in found["detail"]["fields"]] == ["amount"]
    assert found["detail"]["action"]["verb"] == "map_fee"
    assert {one["where"] for one in found["timeline"]} == {"break", "our books", "statement"}
    days = [one["at"][:10] for one in found["timeline"]]
    assert days == sorted(days)


def test_lists_are_narrowed_paged_and_summed(office: Office, ids: list[str]):
    def found(**params: Any) -> list[str]:
        return [one["id"] for one in office.ask("GET", "/api/breaks", params=params).json()["data"]]

    assert set(found(state="live")) == set(ids)
    assert found(kind="MISSING_RIGHT") == [ids[1]]
    assert found(severity="critical", owner="") == [ids[2]]
    assert found(state="closed") == []
    assert office.ask("GET", "/api/breaks", params={"state": "broken"}).json()["field"] == "state"
    page = office.ask("GET", "/api/breaks", params={"limit": 2}).json()
    rest = office.ask("GET", "/api/breaks", params={"limit": 2, "cursor": page["nextCursor"]}).json()
    assert {one["id"] for one in page["data"] + rest["data"]} == set(ids)
    seen = office.ask("GET", "/api/breaks/overview").json()
    assert sum(one["number"] for one in seen["groups"]) == sum(one["number"] for one in seen["ages"]) == 3
    assert seen["flow"][-1]["opened"] == 3


def test_from_open_to_adjusted_takes_two_keys_and_posts_one_journal(office: Office, ids: list[str]):
    assert say(office, ids[0], "investigate").json()["state"] == "investigating"
    made = say(office, ids[0], "adjust", {"lines": LINES})
    assert made.status_code == 202
    assert office.ask("GET", f"/api/breaks/{ids[0]}").json()["state"] == "pending_adjustment"
    approval = {"payloadSha256": made.json()["payloadSha256"]}
    assert say(office, ids[0], "approve", approval).status_code == 403  # the controller made it, and may not approve anyway
    key = fresh()
    done = say(office, ids[0], "approve", approval, role="approver", key=key).json()
    assert done["state"] == "adjusted"
    again = say(office, ids[0], "approve", approval, role="approver", key=key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (done, "true")
    journal = office.ask("GET", f"/api/journals/{done['made']}").json()
    assert (journal["sourceType"], journal["sourceId"]) == ("break", ids[0])
    shown = office.ask("GET", f"/api/breaks/{ids[0]}").json()
    assert [one["verb"] for one in shown["steps"]] == ["create", "investigate", "propose", "adjust"]
    assert {one["verb"] for one in shown["actions"]} == {"break.investigate", "break.adjust", "break.approve"}
    with office.database.transaction() as conn:
        still_true(conn)


def test_the_wrong_hash_is_refused_and_a_proposal_can_be_turned_down(office: Office, ids: list[str]):
    say(office, ids[0], "investigate")
    say(office, ids[0], "write-off")
    assert say(office, ids[0], "write-off").status_code == 409
    with_limit = {"programId": PROGRAM, "asset": "EUR", "minor": "1200", **WHY}
    assert office.by_two("/api/breaks/limits", with_limit, role="administrator").status_code == 200
    assert office.ask("GET", "/api/breaks/limits", params={"asset": "EUR"}).json()["minor"] == "1200"
    assert say(office, ids[0], "write-off").status_code == 202
    refused = say(office, ids[0], "approve", {"payloadSha256": "0" * 64}, role="approver")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/ProposalDiffers")
    assert say(office, ids[0], "withdraw", role="approver").json()["state"] == "investigating"


def test_a_stale_expected_state_is_refused(office: Office, ids: list[str]):
    say(office, ids[0], "investigate", role="operator")
    stale = say(office, ids[0], "wait", {"expectedState": "open"})
    assert (stale.status_code, stale.json()["type"], stale.json()["state"]) == (
        409,
        "/problems/StateMoved",
        "investigating",
    )


def test_a_dry_run_changes_nothing(office: Office, ids: list[str]):
    tried = say(office, ids[0], "investigate", headers={"Dry-Run": "true"})
    assert (tried.json()["dryRun"], tried.json()["state"]) == (True, "investigating")
    assert office.ask("GET", f"/api/breaks/{ids[0]}").json()["state"] == "open"


def test_many_at_once_and_a_role_that_may_not(office: Office, ids: list[str]):
    rows = [{"id": one, "expectedState": "open"} for one in ids]
    say(office, ids[1], "wait")
    body = {"verb": "investigate", "rows": rows, **WHY}
    done = office.ask("POST", "/api/breaks/bulk", role="operator", key=fresh(), json=body).json()
    assert (done["done"], done["refused"], done["lines"][1]["state"]) == (2, 1, None)
    accept = {**body, "verb": "accept"}
    assert office.ask("POST", "/api/breaks/bulk", role="operator", key=fresh(), json=accept).status_code == 403


def test_a_spreadsheet_goes_out_and_comes_back(office: Office, ids: list[str]):
    out = office.ask("GET", "/api/breaks/export", params={"format": "csv"})
    assert out.headers["content-disposition"] == 'attachment; filename="breaks.csv"'
    assert office.ask("GET", "/api/breaks/export", params={"format": "xlsx"}).content[:2] == b"PK"
    header, *lines = out.text.splitlines()
    filled = "\n".join([header, *(line.removesuffix(',"","","",""') + ',"investigate","mine","",""' for line in lines)])
    headers = {"Content-Type": "text/csv"}
    for dry in ("true", "false"):
        done = office.ask(
            "POST", "/api/breaks/import", role="operator", key=fresh(), content=filled.encode(), headers={**headers, "Dry-Run": dry}
        )
        assert (done.status_code, done.json()["done"], set(done.json()["states"])) == (200, 3, set(ids)), done.text
    stale = office.ask("POST", "/api/breaks/import", role="operator", key=fresh(), content=filled.encode(), headers=headers)
    assert (stale.status_code, stale.json()["refused"]) == (409, 3)
    assert stale.json()["lines"][0].startswith("line 2: ")


@pytest.mark.parametrize("text", ["\x1b]0;pwned\x07", "\u202eneppo", "\x00"])
def test_a_spreadsheet_that_commands_a_terminal_is_refused_with_line_and_column(office: Office, ids: list[str], text: str):
    sheet = f"id,expected_state,action,reason,assign_to,comment\n{ids[0]},open,wait,because{text},,\n"
    answer = office.ask("POST", "/api/breaks/import", role="operator", key=fresh(), content=sheet.encode())
    told = answer.json()
    assert (answer.status_code, told["field"], told["line"], told["column"]) == (422, "reason", 2, 4), answer.text
    assert office.ask("GET", f"/api/breaks/{ids[0]}").json()["state"] == "open"
    for body in ({"reason": f"because{text}"}, {"reason": f"because{text}", "expectedState": "open"}):
        refused = office.ask("POST", f"/api/breaks/{ids[0]}/wait", role="operator", key=fresh(), json=body)
        assert (refused.status_code, refused.json()["field"]) == (422, "reason"), refused.text


def test_comments_and_owners(office: Office, ids: list[str]):
    assert say(office, ids[0], "assign", {"owner": "olga"}, role="approver").status_code == 200
    told = office.ask("POST", f"/api/breaks/{ids[0]}/comment", role="operator", key=fresh(), json={"text": "asked them"})
    assert (told.status_code, told.json()["made"]) == (200, "2")
    shown = office.ask("GET", f"/api/breaks/{ids[0]}").json()
    assert [(one["kind"], one["text"], one["actor"]) for one in shown["remarks"]] == [
        ("owner", "olga", "person:vera"),
        ("comment", "asked them", "key:operator"),
    ]


def test_what_was_thought_to_be_late_is_a_break_again(office: Office, ids: list[str]):
    assert say(office, ids[1], "wait").json()["state"] == "timing"
    done = say(office, ids[1], "mature", {"reason": "the bank knows nothing of it"})
    assert (done.status_code, done.json()["state"]) == (200, "open")
    step = office.ask("GET", f"/api/breaks/{ids[1]}").json()["steps"][-1]
    assert (step["verb"], step["fromState"], step["reason"]) == ("mature", "timing", "the bank knows nothing of it")
    assert say(office, ids[1], "mature").status_code == 409


def test_an_investigated_break_is_opened_for_somebody_else(office: Office, ids: list[str]):
    say(office, ids[0], "investigate", role="operator")
    assert office.ask("GET", f"/api/breaks/{ids[0]}").json()["owner"] == "operator"
    done = say(office, ids[0], "reopen", role="operator")
    shown = office.ask("GET", f"/api/breaks/{ids[0]}").json()
    assert (done.status_code, done.json()["state"], shown["state"], shown["owner"]) == (200, "open", "open", None)
    assert [one["text"] for one in shown["remarks"] if one["kind"] == "owner"] == ["operator", ""]
    say(office, ids[0], "investigate", role="controller")
    assert office.ask("GET", f"/api/breaks/{ids[0]}").json()["owner"] == "controller"


def test_an_accepted_break_is_closed_for_its_amount_and_books_nothing(office: Office, ids: list[str]):
    say(office, ids[0], "investigate")
    assert say(office, ids[0], "accept", role="operator").status_code == 403
    before = office.ask("GET", f"/api/journals?programId={PROGRAM}").json()["data"]
    done = say(office, ids[0], "accept", {"reason": "below what a letter costs"})
    assert (done.status_code, done.json()["state"]) == (200, "accepted")
    shown = office.ask("GET", f"/api/breaks/{ids[0]}").json()
    assert (shown["acceptedAtStake"], shown["allowed"]) == ("1200", ["comment"])
    assert office.ask("GET", f"/api/journals?programId={PROGRAM}").json()["data"] == before
    assert ids[0] not in [one["id"] for one in office.ask("GET", "/api/breaks?state=live").json()["data"]]


def test_a_duplicate_is_closed_and_names_its_original(office: Office, ids: list[str]):
    say(office, ids[2], "investigate")
    nothing = say(office, ids[2], "mark-duplicate", {"duplicateOf": ids[2]})
    assert (nothing.status_code, nothing.json()["type"]) == (409, "/problems/NoOriginal")
    done = say(office, ids[2], "mark-duplicate", {"duplicateOf": ids[0], "reason": "the same payout, told twice"})
    assert (done.status_code, done.json()["state"]) == (200, "duplicate")
    shown = office.ask("GET", f"/api/breaks/{ids[2]}").json()
    assert (shown["duplicateOf"], shown["allowed"]) == (ids[0], ["comment"])
    with office.database.transaction() as conn:
        still_true(conn)
