"""Somebody who has one role in one program and another in the next: in each they may what their role there allows, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.operations.access import access, logins
from counterfoil.reconciliation.breaks import sheet
from tests.api.office import PROGRAM, Office, fresh, opened
from tests.api.test_roles import ENDS, OTHER, ask, fill, other_program
from tests.api.walk import marks_of, walk
from tests.conftest import a_database
from tests.people import log_in_as
from tests.reconciliation.breaks.builders import NOW, a_break, a_run

REFUSED = "Invalid value for action. (field action, limit one that your role and your key allow, got investigate)"
HELD = {PROGRAM: "operator", OTHER: "viewer"}


def some_people(conn: psycopg.Connection, keys: dict[str, str]) -> None:
    """iris has a role in each of two programs; vito operates in this one and approves in the other; gita reads all and operates here."""
    other_program(conn, keys)
    for name, everywhere, of_programs in (
        ("iris", [], HELD),
        ("vito", [], {PROGRAM: "operator", OTHER: "approver"}),
        ("gita", ["viewer"], {PROGRAM: "operator"}),
    ):
        caller, keys[name] = log_in_as(conn, name, *everywhere)
        for program, role in of_programs.items():
            logins.grant_role(conn, make_id("grant"), caller.principal_id, role, by="t", now=now(), program_id=program)


@pytest.fixture(scope="module")
def office(server) -> Iterator[Office]:
    with a_database(server) as database, opened(database, before=some_people) as found:
        fill(found)
        yield found


def test_in_each_program_the_role_that_they_have_there_counts_on_every_route(office: Office):
    wrong, seen = [], Counter()
    marks = {PROGRAM: marks_of(office, PROGRAM), OTHER: marks_of(office, OTHER)}
    with office.http("iris") as client:
        for about, other in ((PROGRAM, OTHER), (OTHER, PROGRAM)):
            held = access.ROLES[HELD[about]]
            for one in walk(office, about):
                if one.needs is None or one.route == ENDS:
                    continue
                answer = ask(client, one)
                told = answer.json() if "json" in answer.headers["content-type"] else {}
                refused = (answer.status_code, told.get("type")) == (403, "/problems/NotAllowed")
                asked = (one.path, *one.params.values())
                leaked = [mark for mark in marks[other] if mark in answer.text and not any(mark.strip('"') in said for said in asked)]
                names_it = "programId" in one.params or f"/{about}/" in one.path or f"'programId': '{about}'" in str(one.body)
                if (
                    (answer.status_code in (401, 500) and told.get("type") != "/problems/CodeRefused")  # a wrong code of who is in
                    or (answer.status_code < 300 and (one.needs not in held or (leaked and not one.route.startswith("/api/logins"))))
                    or (names_it and refused != (one.needs not in held))
                ):
                    wrong.append((about, one.method, one.route, one.needs, answer.status_code, leaked, answer.text[:200]))
                seen[about, answer.status_code] += 1
    assert wrong == []
    assert seen[PROGRAM, 200] > 40
    assert seen[OTHER, 200] > 20
    assert seen[OTHER, 403] > 50


def test_what_is_done_is_done_with_the_role_of_that_program_and_recorded_so(office: Office):
    invoice = office.invoice()
    done = office.ask("POST", f"/api/invoices/{invoice['id']}/cancel", role="iris", key=fresh(), json={"reason": "x"})
    assert done.status_code == 200, done.text
    (action,) = office.ask("GET", f"/api/invoices/{invoice['id']}", role="iris").json()["actions"]
    assert (action["actor"], action["role"]) == ("person:iris", "operator")
    issue = office.ask("POST", "/api/invoices/issue", role="iris", key=fresh(), json={"programId": OTHER})
    assert (issue.status_code, issue.json()["role"], issue.json()["needs"]) == (403, "viewer", "operate")


def test_where_a_request_names_no_program_it_is_said_which_there_are(office: Office):
    asked = office.ask("GET", "/api/invoices", role="iris")
    assert (asked.status_code, asked.json()["type"], asked.json()["programs"]) == (422, "/problems/ProgramNeeded", [PROGRAM, OTHER])
    assert office.ask("GET", "/api/invoices", role="iris", params={"programId": OTHER}).json()["data"] == []
    assert office.ask("GET", "/api/invoices", role="iris", params={"programId": PROGRAM}).json()["data"]
    assert office.ask("GET", "/api/invoices", role="iris", params={"programId": "nowhere"}).status_code == 404
    assert office.ask("GET", "/api/programs", role="iris").json()["type"] == "/problems/WholeInstallation"


def test_a_role_of_all_programs_and_one_of_a_program_add_up_there_and_nowhere_else(office: Office):
    assert office.ask("GET", "/api/programs", role="gita").status_code == 200
    assert {one["id"] for one in office.ask("GET", "/api/programs", role="gita").json()["data"]} == {PROGRAM, OTHER}
    invoice = office.invoice()
    cancel = {"key": fresh(), "json": {"reason": "x"}}
    assert office.ask("POST", f"/api/invoices/{invoice['id']}/cancel", role="gita", **cancel).status_code == 200
    refused = office.ask("POST", "/api/invoices/issue", role="gita", key=fresh(), json={"programId": OTHER})
    assert (refused.status_code, refused.json()["role"]) == (403, "viewer")


def test_whoever_approves_in_one_program_approves_nothing_of_another(office: Office):
    limit = {"programId": PROGRAM, "asset": "EUR", "minor": "5", "reason": "r"}
    proposed = office.ask("POST", "/api/breaks/limits", role="administrator", key=fresh(), json=limit)
    assert proposed.status_code == 202, proposed.text
    refused = office.approve(proposed.json(), checker="vito")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/NotAllowed")
    other = office.ask("POST", "/api/breaks/limits", role="administrator", key=fresh(), json={**limit, "programId": OTHER})
    approved = office.approve(other.json(), checker="vito")
    assert (approved.status_code, approved.json().get("state")) == (200, "approved"), approved.text


def test_the_database_says_the_same_of_who_approves_where(office: Office):
    limit = {"programId": PROGRAM, "asset": "JPY", "minor": "5", "reason": "r"}
    proposed = office.ask("POST", "/api/breaks/limits", role="administrator", key=fresh(), json=limit).json()
    with psycopg.connect(office.database.url) as conn:
        (session, person) = conn.execute(
            "select s.id, p.id from session s join principal p on p.id = s.principal_id where p.name = 'vito'"
        ).fetchone()
        with pytest.raises(psycopg.Error, match="holds the role approver"):
            conn.execute(
                """insert into approval_decision (proposal_id, maker_id, payload_sha256, expires_at, decision, checker, checker_id,
                                                  session_id, at, reason)
                   select id, maker_id, payload_sha256, expires_at, 'approved', 'person:vito', %s, %s, %s, 'x'
                   from approval_proposal where id = %s""",
                [person, session, now(), proposed["proposalId"]],
            )


@pytest.fixture
def two_breaks(office: Office) -> tuple[str, str]:
    """A break of each program."""
    with office.database.transaction() as conn:
        for program in (PROGRAM, OTHER):
            a_run(conn, [a_break(cause="fee netted")], at=now(), first=NOW.date(), last=now().date(), program=program)
        found = dict(conn.execute("select distinct on (program_id) program_id, id from break order by program_id, id desc").fetchall())
    return found[PROGRAM], found[OTHER]


def many(office: Office, role: str, *breaks: str, verb: str = "investigate", **more: str):
    rows = [{"id": one, "expectedState": "open"} for one in breaks]
    return office.ask("POST", "/api/breaks/bulk", role=role, key=fresh(), json={"verb": verb, "rows": rows, "reason": "x", **more})


def states(office: Office, *breaks: str) -> list[str]:
    return [office.ask("GET", f"/api/breaks/{one}").json()["state"] for one in breaks]


def test_many_breaks_are_each_decided_on_by_the_role_in_their_program(office: Office, two_breaks: tuple[str, str]):
    main, other = two_breaks
    refused = many(office, "iris", other)
    assert (refused.status_code, refused.json()["role"], refused.json()["needs"]) == (403, "viewer", "operate")
    both = many(office, "iris", main, other)
    told = both.json()
    assert (both.status_code, told["type"], told["role"], told["program"]) == (403, "/problems/NotAllowed", "viewer", OTHER)
    assert states(office, main, other) == ["open", "open"], "all or nothing"
    assert many(office, "gita", main, other).json()["program"] == OTHER, "who may look everywhere may not work everywhere"
    assert many(office, "vito", main, other).json()["role"] == "approver", "who approves there does not operate there"
    done = many(office, "vito", main, other, verb="assign", owner="vito")
    assert (done.status_code, done.json()["done"]) == (200, 2), done.text
    assert [office.ask("GET", f"/api/breaks/{one}").json()["owner"] for one in two_breaks] == ["vito", "vito"]
    with office.database.transaction() as conn:
        (role,) = conn.execute("select role from action where verb = 'break.bulk' and actor = 'person:vito'").fetchone()
    assert role == f"operator in {PROGRAM}, approver in {OTHER}"


def test_many_breaks_of_one_program_are_worked_on_with_the_role_there(office: Office, two_breaks: tuple[str, str]):
    main, other = two_breaks
    assert many(office, "iris", main).json()["done"] == 1
    assert many(office, "other operator", other).json()["done"] == 1
    assert states(office, main, other) == ["investigating", "investigating"]


@pytest.mark.parametrize("role", ["other operator", "other viewer"])
def test_a_break_of_another_program_is_not_there_and_nothing_is_done(office: Office, two_breaks: tuple[str, str], role: str):
    main, other = two_breaks
    foreign = many(office, role, other, main)
    assert (foreign.status_code, foreign.json()["type"], foreign.json()["id"]) == (404, "/problems/NotFound", main)
    copied = many(office, role, other, verb="mark_duplicate", duplicateOf=main)
    assert (copied.status_code, copied.json()["id"]) == (404, main), "not as the one that it is a copy of, either"
    unknown = many(office, role, other, "break_01KA0000000000000000000000")
    assert unknown.status_code == 404
    assert states(office, main, other) == ["open", "open"]


def carried_in(office: Office, role: str, *breaks: str, action: str = "investigate", form: str = "csv"):
    rows = [dict.fromkeys(sheet.COLUMNS, "") | {"id": one, "expected_state": "open", "action": action, "reason": "x"} for one in breaks]
    cells = [[row[name] for name in sheet.COLUMNS] for row in rows]
    body = sheet.as_csv(cells) if form == "csv" else sheet.as_xlsx(cells)
    return office.ask("POST", "/api/breaks/import", role=role, key=fresh(), content=body)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_spreadsheet_of_breaks_of_one_program_is_carried_out_with_the_role_there(office: Office, two_breaks: tuple[str, str], form: str):
    main, other = two_breaks
    for role, one in (("iris", main), ("other operator", other)):
        done = carried_in(office, role, one, form=form)
        assert (done.status_code, done.json().get("done")) == (200, 1), done.text
    assert states(office, main, other) == ["investigating", "investigating"]


def test_each_line_of_a_spreadsheet_is_decided_on_by_the_role_in_its_program(office: Office, two_breaks: tuple[str, str]):
    main, other = two_breaks
    refused = carried_in(office, "iris", other)
    assert (refused.status_code, refused.json()["role"], refused.json()["needs"]) == (403, "viewer", "operate")
    for role in ("iris", "vito", "gita"):
        both = carried_in(office, role, main, other)
        assert both.status_code == 409, both.text
        assert both.json()["lines"] == [f"line 3: {REFUSED}"], role
    foreign = carried_in(office, "other operator", other, main)
    assert (foreign.status_code, foreign.json()["type"], foreign.json()["id"]) == (404, "/problems/NotFound", main)
    assert states(office, main, other) == ["open", "open"], "all or nothing"
    mine, theirs = carried_in(office, "vito", main, other, action="accept").json()["lines"]
    assert mine == f"line 2: {REFUSED.replace('investigate', 'accept')}"
    assert "This step is not allowed from the present state" in theirs, "there vito approves, and so may accept"


def test_one_may_always_see_and_end_ones_own_logins(office: Office):
    assert office.ask("GET", "/api/logins", role="iris").json()["data"][0]["keyName"] is None
    assert office.ask("GET", "/api/logins", role="other viewer").status_code == 200


def test_a_role_of_a_program_is_granted_and_revoked_by_two_administrators(office: Office):
    added = office.ask("POST", "/api/people", role="administrator", key=fresh(), json={"name": "olaf", "reason": "x"}).json()
    path = f"/api/people/{added['id']}/roles"
    granted = office.by_two(
        path, {"role": "operator", "programId": OTHER, "reason": "x"}, role="administrator", checker="second administrator"
    )
    assert (granted.json()["roles"], granted.json()["programRoles"]) == ([], [{"role": "operator", "programId": OTHER}])
    both = office.by_two(
        path, {"role": "approver", "programId": PROGRAM, "reason": "x"}, role="administrator", checker="second administrator"
    )
    assert len(both.json()["programRoles"]) == 2
    refused = office.ask("POST", path, role="administrator", key=fresh(), json={"role": "approver", "programId": OTHER, "reason": "x"})
    assert refused.json()["type"] == "/problems/RoleConflict"
    everywhere = office.ask("POST", path, role="administrator", key=fresh(), json={"role": "controller", "reason": "x"})
    assert everywhere.json()["type"] == "/problems/RoleConflict"
    ended = office.ask(
        "POST", f"{path}/revoke", role="administrator", key=fresh(), json={"role": "operator", "programId": OTHER, "reason": "x"}
    )
    assert ended.json()["programRoles"] == [{"role": "approver", "programId": PROGRAM}]
    again = office.ask("POST", f"{path}/revoke", role="administrator", key=fresh(), json={"role": "approver", "reason": "x"})
    assert again.status_code == 404, "that of one program is not that of all"
