"""Files of runbooks: what is well written is read, and what is wrong is named with its line. No database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from counterfoil.base.formats.runbook import parse_runbook
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.integrity.playbooks import PLAYBOOKS
from counterfoil.runbooks.catalogue import catalogue
from counterfoil.wiring import CHECKS
from tests.house.tree import ROOT

CODES = {one.code for one in CHECKS}
GOOD = '''name = "mine"
title = "Mine"
kind = "checklist"
covers = "day"

[[step]]
type = "check"
title = "Nothing stands still"
checks = ["INTENT_STUCK"]

[[step]]
type = "query"
title = "All of it"
sql = """
select id from payout
where created_at >= %(from)s
"""

[[step]]
type = "wait"
title = "A while"
minutes = 5
'''


def refused(text: str) -> tuple[object, object, str]:
    """Field, line and limit of what is wrong."""
    with pytest.raises(InvalidInput) as caught:
        parse_runbook(text, file="mine.toml", checks=CODES)
    facts = caught.value.facts
    assert facts["file"] == "mine.toml"
    return facts["field"], facts["line"], str(facts["limit"])


def test_a_well_written_file_is_read_whole():
    book = parse_runbook(GOOD, file="mine.toml", checks=CODES)
    assert (book.name, book.kind, book.covers, book.ordered, len(book.sha256)) == ("mine", "checklist", "day", False, 64)
    assert [(one.type, one.checks, one.minutes) for one in book.steps] == [
        ("check", ("INTENT_STUCK",), 0),
        ("query", (), 0),
        ("wait", (), 5),
    ]
    assert parse_runbook(GOOD.replace("checklist", "playbook"), file="x", checks=CODES).ordered is True


@pytest.mark.parametrize(
    ("wrong", "right", "field", "line"),
    [
        ('title = "Mine"', 'titel = "Mine"', "titel", 2),
        ('kind = "checklist"', 'kind = "list"', "kind", 3),
        ('covers = "day"', 'covers = "year"', "covers", 4),
        ('name = "mine"', 'name = "no/path"', "name", 1),
        ('type = "check"', 'type = "czech"', "type", 7),
        ('"INTENT_STUCK"', '"INTENT_STUK"', "checks", 9),
        ("select id from payout", "delete from payout", "sql", 14),
        ("%(from)s", "%(form)s", "sql", 14),
        ("%(from)s", "'50%'", "sql", 14),
        ("minutes = 5", "minutes = 0", "minutes", 22),
        ("minutes = 5", "minutes = true", "minutes", 22),
        ("minutes = 5", 'sql = "select 1"', "sql", 22),
        ('title = "A while"', "optional = 1", "title", 19),
        ('title = "All of it"\n', 'title = "All of it"\nreport = "reconciliation"\n', "sql", 15),
        ("minutes = 5", 'minutes = 5\nuntil = "select 1"', "minutes", 22),
        ("minutes = 5", 'until = "update x"', "until", 22),
        ("minutes = 5", 'minutes = 5\ncommand = "counterfoil {of}"', "command", 23),
        ('covers = "day"', 'covers = "day"\nowner = "nobody"', "owner", 5),
    ],
)
def test_what_is_wrong_is_named_with_its_line(wrong: str, right: str, field: str, line: int):
    assert wrong in GOOD
    assert refused(GOOD.replace(wrong, right))[:2] == (field, line)


def test_what_is_no_toml_is_named_with_its_line():
    assert refused(GOOD.replace("minutes = 5", "minutes = "))[:2] == ("file", 22)


def test_a_file_without_steps_or_with_too_many_is_refused():
    head = GOOD.split("[[step]]")[0]
    assert refused(head)[0] == "step"
    assert refused(head + '[[step]]\ntype = "note"\ntitle = "x"\n' * 51)[0] == "step"


def test_a_check_without_anything_to_ask_is_refused_and_one_that_asks_twice():
    assert refused(GOOD.replace('checks = ["INTENT_STUCK"]', 'help = "?"'))[0] == "checks"
    assert refused(GOOD.replace('checks = ["INTENT_STUCK"]', 'checks = ["INTENT_STUCK"]\nsql = "select 1"'))[0] == "checks"


def test_what_comes_with_counterfoil_is_well_written_and_complete():
    books = catalogue(CODES).runbooks
    lists = {
        *("morning", "weekly", "monthly", "monthly-settlement"),
        *("marketplace-payouts", "worker-pulse", "service-health", "agent-treasury", "proofs-and-backups"),
    }
    assert set(books) == lists | set(PLAYBOOKS)
    assert {name for name, one in books.items() if one.runbook.kind == "checklist"} == lists
    settlement = books["monthly-settlement"].runbook.steps
    assert [one.type for one in settlement] == ["check"] * 5 + ["query"], "six items, each answered by the machine"


def test_the_users_own_file_goes_before_and_a_wrong_one_is_named_and_hides_no_other(tmp_path: Path):
    (tmp_path / "a.toml").write_text(GOOD.replace('"mine"', '"morning"', 1))
    (tmp_path / "broken.toml").write_text(GOOD.replace('kind = "checklist"', ""))
    (tmp_path / "weekly.toml").write_text(GOOD.replace('kind = "checklist"', ""))
    (tmp_path / "y.toml").mkdir()
    (tmp_path / "z.toml").write_bytes(b"\xff\xfe")
    found = catalogue(CODES, tmp_path)
    assert (found.runbooks["morning"].own, found.runbooks["morning"].runbook.title) == (True, "Mine")
    assert found.runbooks["weekly"].own is False
    refused = [(one.facts["file"], one.facts["field"]) for one in found.refused]
    assert refused == [("broken.toml", "kind"), ("weekly.toml", "kind"), ("y.toml", "file"), ("z.toml", "file")]
    for name in ("broken", "weekly"):  # the one that came with counterfoil is not what was meant
        with pytest.raises(InvalidInput):
            found.named(name)
    with pytest.raises(NotFound):
        found.named("morning", kind="playbook")


def test_the_file_that_the_documentation_shows_is_well_written():
    page = (ROOT / "docs" / "how-to" / "run-checklists-and-playbooks.md").read_text()
    [shown] = re.findall(r"```toml\n(.*?)```", page, re.S)
    book = parse_runbook(shown, file="quarter-end.toml", checks=CODES)
    assert {one.type for one in book.steps} == {"check", "query", "action", "wait", "approval", "note"}
    assert f"{book.kind} {book.name}, {len(book.steps)} steps." in page
