"""The pages: each answers one question that an operator asks. The question is the title, the menu entry and the heading of its docs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from counterfoil.dashboard.finding.audit import WANTS, audit_answer, audit_export
from counterfoil.dashboard.finding.inclusion import journal_inclusion_answer, payout_inclusion_answer
from counterfoil.dashboard.finding.usage_imports import usage_imports_answer, usage_imports_export
from counterfoil.dashboard.maps.bank_statements import bank_statements_answer, bank_statements_export
from counterfoil.dashboard.maps.client_money import (
    client_money_answer,
    client_money_export,
    client_money_owners,
    client_money_statement,
)
from counterfoil.dashboard.maps.coverage import coverage_answer
from counterfoil.dashboard.maps.entries import WANTS as OF_ENTRIES
from counterfoil.dashboard.maps.entries import entries_answer, entries_export
from counterfoil.dashboard.maps.money import money_map_answer
from counterfoil.dashboard.pages.breaks import break_answer, breaks_answer, breaks_export
from counterfoil.dashboard.pages.carbon import carbon_answer, carbon_list_answer, carbon_list_export
from counterfoil.dashboard.pages.customers import customers_answer, customers_export, statement_answer, statement_export
from counterfoil.dashboard.pages.disclosures import disclosure_answer
from counterfoil.dashboard.pages.drills import drills_answer, drills_export
from counterfoil.dashboard.pages.levels import levels_answer
from counterfoil.dashboard.pages.notices import notices_answer, notices_export, silences_answer, silences_export
from counterfoil.dashboard.pages.payees import payee_answer
from counterfoil.dashboard.pages.runs import run_answer, runs_answer, runs_export
from counterfoil.dashboard.pages.signers import signers_answer
from counterfoil.dashboard.pages.treasury import agents_answer, agents_export, transactions_answer, transactions_export
from counterfoil.dashboard.pages.webhooks import webhooks_answer
from counterfoil.dashboard.settings.keys import keys_answer, keys_export
from counterfoil.dashboard.settings.limits import limits_answer, limits_export
from counterfoil.dashboard.settings.people import people_answer, people_export, person_answer
from counterfoil.dashboard.settings.rates import rates_answer, rates_export
from counterfoil.dashboard.today.day import day_answer
from counterfoil.dashboard.today.screen import today_answer
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.dashboard.work.approvals import approvals_answer, approvals_export
from counterfoil.dashboard.work.queues import queues_answer
from counterfoil.dashboard.work.schedules import schedules_answer, schedules_export
from counterfoil.operations.access.access import AUDIT, READ


class DashboardPage(NamedTuple):
    """A page at `path`, its JSON view at `path`.json. `answer` gives frozen figures; the template shows them and computes nothing."""

    path: str
    question: str
    answer: Callable[[SectionContext], Any]
    template: str
    menu: str = ""  # the entry's words; empty: reached from another page
    wants: tuple[str, ...] = ()  # what may stand in the query beside the day and the program
    needs: str = READ  # the permission of whoever sees it
    files: Callable[[SectionContext], Iterable[tuple[Any, ...]]] | None = None  # all of it as rows of a file, the columns' names first


BY: Final = ("state", "source", "kind", "cause", "severity", "owner", "sort", "after")  # what the list of breaks is narrowed to
PAGES: Final = (
    DashboardPage("/admin/reconciliation", "Is today's money where it should be?", today_answer, "today.html", "Today"),
    DashboardPage("/admin/day", "What moved on the day, and does it agree?", day_answer, "day.html", "The day"),
    DashboardPage(
        "/admin/breaks", "What does not agree, why, and since when?", breaks_answer, "breaks.html", "Breaks", BY, files=breaks_export
    ),
    DashboardPage(
        "/admin/approvals",
        "What waits for a second person?",
        approvals_answer,
        "approvals.html",
        "Approvals",
        ("after",),
        files=approvals_export,
    ),
    DashboardPage(
        "/admin/reconciliation/runs",
        "What was reconciled, and does it agree?",
        runs_answer,
        "runs.html",
        "Runs",
        ("source", "sort", "after"),
        files=runs_export,
    ),
    DashboardPage("/admin/money-map", "Where does the money lie, and whose is it?", money_map_answer, "money.html", "Money map"),
    DashboardPage(
        "/admin/bank-statements",
        "Which bank statements came in, and is one missing?",
        bank_statements_answer,
        "bank_statements.html",
        "Bank statements",
        ("sort", "after"),
        files=bank_statements_export,
    ),
    DashboardPage(
        "/admin/client-money",
        "Is all there that is owed to owners?",
        client_money_answer,
        "client_money.html",
        "Client money",
        ("sort", "after"),
        files=client_money_export,
    ),
    DashboardPage(
        "/admin/client-money/{id}",
        "Whose money is it, where is it, and who stands for that?",
        client_money_statement,
        "client_money_statement.html",
        files=client_money_owners,
    ),
    DashboardPage("/admin/entries", "What was posted to it?", entries_answer, "entries.html", "", OF_ENTRIES, files=entries_export),
    DashboardPage("/admin/coverage", "Was every day compared?", coverage_answer, "coverage.html", "Coverage", ("span",)),
    DashboardPage("/admin/reconciliation/runs/{run_id}", "What did this run find?", run_answer, "run.html"),
    DashboardPage("/admin/payees/{id}", "Why is this payee paid less, later, or not?", payee_answer, "payee.html"),
    DashboardPage(
        "/admin/breaks/{id}",
        "Why does this not agree, and what may be done?",
        break_answer,
        "break.html",
    ),
    DashboardPage(
        "/admin/customers",
        "What do customers owe, and what are they owed?",
        customers_answer,
        "customers.html",
        "Customers",
        ("asset", "sort", "after"),
        files=customers_export,
    ),
    DashboardPage(
        "/admin/usage-imports",
        "Which usage came in, and how far is it?",
        usage_imports_answer,
        "usage_imports.html",
        "Usage",
        ("standing", "startTime", "endTime", "sort", "after"),
        files=usage_imports_export,
    ),
    DashboardPage(
        "/admin/agents",
        "Which agents spend, and does their money agree?",
        agents_answer,
        "agents.html",
        "Agents",
        ("state", "sort", "after"),
        files=agents_export,
    ),
    DashboardPage(
        "/admin/transactions",
        "What moves between agents, and does it go on?",
        transactions_answer,
        "transactions.html",
        "Transactions",
        ("state", "age", "sort", "after"),
        files=transactions_export,
    ),
    DashboardPage("/admin/webhooks", "Does everybody learn what happens?", webhooks_answer, "webhooks.html", "Webhooks"),
    DashboardPage("/admin/queues", "Does the work get done?", queues_answer, "queues.html", "Queues"),
    DashboardPage(
        "/admin/schedules",
        "Was everything done at its time, and how did it end?",
        schedules_answer,
        "schedules.html",
        "",
        ("schedule", "outcome", "startTime", "endTime", "sort", "after"),
        files=schedules_export,
    ),
    DashboardPage("/admin/carbon", "What did agents emit, and do the books say so?", carbon_answer, "carbon.html", "Carbon"),
    DashboardPage(
        "/admin/carbon/{list}",
        "What was billed, asked, bought and retired?",
        carbon_list_answer,
        "carbon_list.html",
        wants=("sort", "after"),
        files=carbon_list_export,
    ),
    DashboardPage("/admin/levels", "Is what was promised kept, and are we getting slower?", levels_answer, "levels.html", "Levels"),
    DashboardPage(
        "/admin/drills",
        "Would it work on the worst day?",
        drills_answer,
        "drills.html",
        "Drills",
        ("state", "sort", "after"),
        files=drills_export,
    ),
    DashboardPage("/admin/signers", "Who signs proofs, and is every period proven?", signers_answer, "signers.html", "Signers", ("after",)),
    DashboardPage(
        "/admin/proofs/{id}/disclosure", "What may one payee see of this proof?", disclosure_answer, "disclosure.html", "", (), AUDIT
    ),
    DashboardPage("/admin/journals/{id}/inclusion", "Is this journal in the log?", journal_inclusion_answer, "inclusion.html"),
    DashboardPage(
        "/admin/payouts/{id}/inclusion", "Is what was posted for this payout in the log?", payout_inclusion_answer, "inclusion.html"
    ),
    DashboardPage("/admin/audit", "Who did what, and who was refused?", audit_answer, "audit.html", "Audit", WANTS, AUDIT, audit_export),
    DashboardPage(
        "/admin/people",
        "Who may act here, and how do they log in?",
        people_answer,
        "people.html",
        "People",
        ("sort", "after"),
        AUDIT,
        people_export,
    ),
    DashboardPage(
        "/admin/people/{id}", "What may they do, and where are they logged in?", person_answer, "person.html", "", ("after",), AUDIT
    ),
    DashboardPage(
        "/admin/keys", "Which keys open something, and until when?", keys_answer, "keys.html", "Keys", ("sort", "after"), AUDIT, keys_export
    ),
    DashboardPage(
        "/admin/limits",
        "What is limited, and how far?",
        limits_answer,
        "limits.html",
        "Limits",
        ("asset", "sort", "after"),
        files=limits_export,
    ),
    DashboardPage(
        "/admin/rates/{list}",
        "What is taken of a sale, and since when?",
        rates_answer,
        "rates.html",
        wants=("asset", "startTime", "endTime", "sort", "after"),
        files=rates_export,
    ),
    DashboardPage(
        "/admin/notices",
        "Who was told, and did it reach them?",
        notices_answer,
        "notices.html",
        "Notices",
        ("state", "sort", "after"),
        files=notices_export,
    ),
    DashboardPage(
        "/admin/silences",
        "What is nobody told of, and until when?",
        silences_answer,
        "silences.html",
        "",
        ("state", "sort", "after"),
        files=silences_export,
    ),
    DashboardPage(
        "/admin/customers/{id}",
        "What stands between us and this customer?",
        statement_answer,
        "customer.html",
        "",
        (
            "asset",
            "since",
            "until",
        ),
        files=statement_export,
    ),
)
