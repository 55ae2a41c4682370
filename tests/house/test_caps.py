"""Every cap that cuts work short says so in its result: a limit without its saying is a green falsehood that waits for the second size up.

Each named cap is listed with where its result says it, or with why nothing is cut: a page goes
on by its cursor, a refusal does nothing, a piece of text is for people, a sample only guesses what is checked in full afterwards.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

SOURCE: Final = Path(__file__).parents[2] / "src" / "counterfoil"
LIMIT: Final = re.compile(r"\blimit\s+(\d+|%\(?\w+\)?s?|\x00)", re.IGNORECASE)
NAMED: Final = re.compile(r"^[A-Z][A-Z_]*(_MAX|_ROWS)$")

# cap: the file and the words in it that say so.
SAID: Final = {
    "CORRECTIONS_TOLD_MAX": ("integrity/incidents/post_mortem.py", "Not in it"),
    "QUEUES_MAX": ("dashboard/templates/levels.html", "more queues held less"),
    "REMARKS_MAX": ("matching/reading/loading.py", "things more"),
    "READINGS_MAX": ("matching/guess/columns.py", "were tried"),
    "BREAKS_HELD_MAX": ("reconciliation/runs/report.py", "differences have no break of their own"),
    "EXPORTED_MAX": ("integrity/alerts/alertmanager.py", "alerts are open; those beyond are not here"),
    "LISTED_MAX": ("reconciliation/runs/report.py", "are listed"),
    "EXPECTED_MAX": ("reconciliation/period_report/report.py", "expected_total"),
    "ITEMS_MAX": ("reconciliation/period_report/report.py", "items_total"),
    "PDF_ITEMS_MAX": ("reconciliation/period_report/files.py", '"total"'),
    "FACTS_MAX": ("reconciliation/breaks/timeline.py", "more is known than"),
    "WEBHOOKS_MAX": ("reconciliation/breaks/timeline.py", "webhooks were looked through"),
    "REFERENCES_MAX": ("reconciliation/breaks/timeline.py", "facts were looked for by"),
    "REJECTED_KEPT_MAX": ("matching/reading/loading.py", "lines or more cannot be read"),
    "TOLD_MAX": ("drills/scratch.py", "characters more"),
    "WAITING_SHOWN_MAX": ("cli/nouns/reconciliation/reconcile.py", "{len(waiting) - WAITING_SHOWN_MAX} more"),
    "RUNS_SHOWN_MAX": ("api/nouns/reconciliation/report.py", "more_runs"),
    "RECORDS_SHOWN_MAX": ("dashboard/pages/breaks.py", "unshown"),
    "TARGETS_MAX": ("matching/passes/groups.py", "board.cut"),
    "PAIRS_SHOWN_MAX": ("matching/output/workbook.py", "are listed; matches.parquet has them all"),
    "BREAKS_SHOWN_MAX": ("matching/output/report_page.py", "shown"),
    "REJECTED_SHOWN_MAX": ("matching/output/report_page.py", "rows could not be read"),
    "LINES_MAX": ("matching/output/summary.py", "The largest:"),
    "GAPS_LISTED_MAX": ("dashboard/templates/coverage.html", "shorter gaps are not listed"),
    "GAPS_SHOWN_MAX": ("dashboard/pages/runs.py", "in the last {len(missed)} gaps"),
    "COMPLETED_COUNTED_MAX": ("dashboard/templates/queues.html", "or more"),
    "SLOTS_SHOWN_MAX": ("dashboard/templates/schedules.html", "The next"),
    "ENTRIES_SHOWN_MAX": ("dashboard/templates/entries.html", "The next entries"),
    "THINGS_SHOWN_MAX": ("dashboard/templates/list.html", "more follow"),
    "LINES_SHOWN_MAX": ("dashboard/templates/inclusion.html", "more, in the file"),
    "HITS_SHOWN_MAX": ("dashboard/templates/search.html", "there are more than are shown"),
    "PASTED_WORDS_MAX": ("dashboard/templates/search.html", "more words were not looked for"),
    "NOTICES_SHOWN_MAX": ("dashboard/templates/notices.html", "Older notices"),
    "STATEMENTS_SHOWN_MAX": ("dashboard/templates/client_money.html", "The next statements"),
    "BANK_FILES_SHOWN_MAX": ("dashboard/templates/bank_statements.html", "The next files"),
    "UNREAD_SHOWN_MAX": ("dashboard/templates/bank_statements.html", "statements list --output json"),
    "BANK_GAPS_SHOWN_MAX": ("dashboard/templates/bank_statements.html", "answer.gaps_more }} more"),
    "OWNERS_SHOWN_MAX": ("dashboard/templates/client_money_statement.html", "more owners stand in the file"),
    "CUSTOMERS_SHOWN_MAX": ("dashboard/pages/customers.py", "after"),
    "NAMED_MAX": ("reconciliation/treasury_daily.py", '"differ": len(one.differ)'),
    "AGENTS_SHOWN_MAX": ("dashboard/templates/agents.html", "The next agents"),
    "TRANSACTIONS_SHOWN_MAX": ("dashboard/templates/transactions.html", "The next transactions"),
    "ENDPOINTS_SHOWN_MAX": ("dashboard/templates/webhooks.html", "there are more"),
    "FAILING_SHOWN_MAX": ("dashboard/templates/webhooks.html", "and more"),
    "PARKED_SHOWN_MAX": ("dashboard/templates/webhooks.html", "are shown, all of them"),
    "CARBON_SHOWN_MAX": ("dashboard/templates/carbon.html", "the newest {{"),
    "DAYS_COUNTED_MAX": ("matching/findings/candidates.py", "days if whole else None"),
    "COUNTERPARTIES_MAX": ("matching/findings/candidates.py", "else frozenset[str]()"),
    "SHOWN_MAX": ("api/http/history.py", "len(rows) > SHOWN_MAX"),
    "PART_ROWS_MAX": ("operations/verbs.py", "len(found) > PART_ROWS_MAX"),
    "MISTAKES_MAX": ("settlement/usage/usage.py", "len(mistakes)"),
    "SKIPPED_MAX": ("payouts/batches/gathering.py", "len(skipped)"),
    "PDF_ROWS_MAX": ("reports/files.py", '"total": len(one["rows"])'),
    "ROWS_PRINTED_MAX": ("runbooks/document.py", "more are not printed"),
    "PROPOSALS_SHOWN_MAX": ("dashboard/templates/approvals.html", "The next proposals"),
    "BATCHES_SHOWN_MAX": ("dashboard/templates/approvals.html", "those that have waited longest are shown"),
    "DECIDED_SHOWN_MAX": ("dashboard/templates/approvals.html", "there are more"),
    "FACTS_SHOWN_MAX": ("dashboard/templates/approvals.html", "fields are shown"),
    "PEOPLE_SHOWN_MAX": ("dashboard/templates/people.html", "more follow"),
    "KEYS_LISTED_MAX": ("dashboard/templates/keys.html", "more follow"),
    "KEYS_SHOWN_MAX": ("dashboard/templates/person.html", "more follow"),
    "RATES_SHOWN_MAX": ("dashboard/templates/plain_list.html", "The next"),
    "POLICIES_SHOWN_MAX": ("dashboard/templates/limits.html", "The next policies"),
    "SESSIONS_SHOWN_MAX": ("dashboard/templates/person.html", "The next sessions"),
    "CAUSES_SHOWN_MAX": ("dashboard/templates/today/causes.html", "other cause"),
    "OLDEST_SHOWN_MAX": ("dashboard/templates/today/causes.html", "oldest of"),
    "APPROVALS_SHOWN_MAX": ("dashboard/templates/today/approvals.html", "more</a>"),
    "ALERTS_MAX": ("integrity/incidents/post_mortem.py", "more are not listed"),
}
UNCUT: Final = {  # cap: why no work is cut short by it
    "MATURED_MAX": "the next tick takes the others",
    "ROWS_MAX": "counted in full beside those that are shown, or the next tick takes the others",
    "COUNTED_MAX": "a list that is longer is said to have so many and more",
    "GOT_MAX": "words for people",
    "TEXT_MAX": "words for people",
    "CELL_MAX": "words for people",
    "CAUSE_MAX": "words for people",
    "REASON_MAX": "words for people",
    "MISREAD_MAX": "words for people",
    "ERROR_TEXT_MAX": "words for people",
    "TITLE_MAX": "words for people",
    "BODY_MAX": "words for people",
    "GROUP_MAX": "words for people",
    "NAME_MAX": "words for people",
    "PASSWORD_MAX": "what is longer is no password of anybody",
    "KEY_LENGTH_MAX": "what is longer is no key of anybody",
    "WORKERS_MAX": "those that did not say goodbye and are silent come first: who is down is never cut",
    "ALARMS_MAX": "one of them stops it as ten do",
    "FORGOTTEN_MAX": "the next one takes the others",
    "NEW_MAX": "the next round takes the others",
    "LOOKS_MAX": "the next round takes the others",
    "FOUND_MAX": "one of a table is a finding as a hundred are",
    "100": "LOG_BEHIND: one journal is a finding as a hundred are",
    "LOOK_UP_MAX": "the simulator: more payouts under one key than it shows are told by its oracle",
    "DAYS_SHOWN_MAX": "how many there are is told in the reason",
    "BODY_ROWS": "a guess of the marks, which every row is then held against",
    "PREAMBLE_ROWS_MAX": "a header further down is none, and the file is refused",
    "min(total,": "the text of an option",
    "PROGRAMS_NAMED_MAX": "names for people; without its name a program is told by its id",
    "RATE_PAIRS_MAX": "evidence for a rate, and more than enough of it",
    "TEXT_COMPARED_MAX": "words for people",
    "ERROR_MAX": "words for people",
    "RAW_SHOWN_MAX": "words for people; the file has them all",
    "RAW_CHARS_MAX": "words for people; the file has them all",
    "CELL_CHARS_MAX": "what a cell of a workbook can hold; the JSON has it all",
    "NAME_CHARS_MAX": "a name that was guessed",
    "FILES_LOOKED_AT_MAX": "a guess, which the run then checks in full",
    "CHANCE_ROWS_MAX": "a fixed sample that tells how often two records lie near each other by chance",
    "SAMPLE_ROWS": "a guess, which the run then checks in full",
    "COLUMNS_TRIED_MAX": "a guess, which the run then checks in full",
    "ID_ROWS": "a guess, which the run then checks in full",
    "tried_rows": "a guess, which the run then checks in full",
    "KEY_COLUMNS_MAX": "a guess, which the run then checks in full",
    "TEXTS_TRIED_MAX": "a guess, which the run then checks in full",
}
PICKED: Final = ("1", "2")  # the newest row; whether there is a second one


def caps(path: Path) -> Iterator[tuple[int, str]]:
    """Each cap in a file: line, and its name or number."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            upper = node.slice.upper
            if isinstance(upper, ast.Name) and NAMED.match(upper.id):
                yield node.lineno, upper.id
        elif isinstance(node, ast.JoinedStr):
            names = [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
            text = "".join(one.value if isinstance(one, ast.Constant) else "\x00" for one in node.values)
            for found in LIMIT.finditer(text):
                if found[1] == "\x00":
                    yield node.lineno, ast.unparse(names[text[: found.start(1)].count("\x00")])
                elif found[1].isdigit():
                    yield node.lineno, found[1]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno, one[1]) for one in LIMIT.finditer(node.value) if one[1].isdigit())
        elif isinstance(node, ast.arguments):
            named = [*zip(node.kwonlyargs, node.kw_defaults, strict=True)]
            yield from (
                (one.lineno, str(default.value))
                for one, default in named
                if one.arg == "rows_max" and isinstance(default, ast.Constant) and default.value is not None
            )


def plain(name: str) -> str:
    """The constant in an expression such as `LISTED_MAX + 1`."""
    return re.split(r"[ .]", name)[-1 if "." in name else 0]


def test_every_cap_that_cuts_work_short_says_so_in_its_result() -> None:
    """Found when it runs: whoever collects tests, of this file or of another, need not read all of the source."""
    found = [(path, line, name) for path in sorted(SOURCE.rglob("*.py")) for line, name in caps(path)]
    assert len(found) > 200
    unsaid = [
        f"{path.relative_to(SOURCE)}:{line}: a cap of {name}: say it in the result and list it here, or let it go"
        for path, line, name in found
        if not (name in PICKED or plain(name) in SAID or plain(name) in UNCUT)
    ]
    assert not unsaid, "\n".join(unsaid)


@pytest.mark.parametrize("name", SAID)
def test_the_saying_of_a_cap_is_where_it_is_listed(name: str) -> None:
    file, words = SAID[name]
    assert words in (SOURCE / file).read_text()


def test_a_cap_that_is_no_more_is_listed_no_more() -> None:
    source = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    assert [name for name in (*SAID, *UNCUT) if name not in source] == []


def test_a_bare_number_and_a_new_constant_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text('a = rows[:NEW_MAX]\nb = f"select 1 limit {OTHER_MAX}"\nc = "select 1 limit 500"\ndef d(*, rows_max=7): ...\n')
    assert sorted(name for _, name in caps(file)) == ["500", "7", "NEW_MAX", "OTHER_MAX"]
