"""Every command and where it lives. A part is imported when it is used, so that `--help` answers at once."""

from __future__ import annotations

import atexit
import gc
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


class CommandPart(NamedTuple):
    """A noun (a Typer app in `module`), or with `alone` one command of that app."""

    module: str
    help: str
    panel: str
    alone: bool = False
    attribute: str = "app"


LOOKED_THROUGH_AFTER: Final = (10_000, 20, 50)  # new things, before those of each age are looked through for what can go
MONEY: Final = "Money"
BOOKS: Final = "Books"
OPERATIONS: Final = "Operations"
HERE: Final = "On this machine"
PARTS: Final[dict[str, CommandPart]] = {
    "usage": CommandPart("counterfoil.cli.nouns.settlement.usage", "Import what was used.", MONEY),
    "invoices": CommandPart("counterfoil.cli.nouns.settlement.invoices", "What customers owe, and what they paid.", MONEY),
    "intents": CommandPart("counterfoil.cli.nouns.settlement.intents", "From the customer's payment to the settlement.", MONEY),
    "overpayments": CommandPart("counterfoil.cli.nouns.settlement.overpayments", "What was paid too much or too late.", MONEY),
    "unidentified-payments": CommandPart(
        "counterfoil.cli.nouns.settlement.unidentified", "Money that nobody has identified, and that goes back.", MONEY
    ),
    "customers": CommandPart("counterfoil.cli.nouns.payouts.customers", "What customers owe and are owed, and their statements.", MONEY),
    "payouts": CommandPart("counterfoil.cli.nouns.payouts.payouts", "What payees are owed, and every attempt to pay it.", MONEY),
    "bank-files": CommandPart("counterfoil.cli.nouns.payouts.bank_files", "Payments that go to the bank in files.", MONEY),
    "disputes": CommandPart("counterfoil.cli.nouns.payouts.disputes", "What customers complain of.", MONEY),
    "chargebacks": CommandPart("counterfoil.cli.nouns.payouts.chargebacks", "What customers' banks took back.", MONEY),
    "debts": CommandPart("counterfoil.cli.nouns.payouts.debts", "What payees and customers owe.", MONEY),
    "refunds": CommandPart("counterfoil.cli.nouns.payouts.refunds", "What goes back to customers.", MONEY),
    "escrow": CommandPart("counterfoil.cli.nouns.settlement.escrow", "Customers' money that waits for its conditions.", MONEY),
    "affiliates": CommandPart("counterfoil.cli.nouns.settlement.affiliates", "Who refers customers, and who stands above whom.", MONEY),
    "commissions": CommandPart("counterfoil.cli.nouns.settlement.commissions", "What affiliates earn of referred sales.", MONEY),
    "holdbacks": CommandPart("counterfoil.cli.nouns.payouts.holdbacks", "What is kept back of settlements.", MONEY),
    "batches": CommandPart("counterfoil.cli.nouns.payouts.batches", "Payouts that people approve together.", MONEY),
    "destinations": CommandPart("counterfoil.cli.nouns.payouts.destinations", "Where payees are paid.", MONEY),
    "agents": CommandPart("counterfoil.cli.nouns.treasury.agents", "Programs that spend within their mandates.", MONEY),
    "transactions": CommandPart("counterfoil.cli.nouns.treasury.transactions", "What moves between agents, wholly or not at all.", MONEY),
    "carbon": CommandPart("counterfoil.cli.nouns.treasury.carbon", "Grams that agents emit, and carbon credits.", MONEY),
    "payees": CommandPart("counterfoil.cli.nouns.payouts.payees", "Why a payee is paid less, later, or not.", MONEY),
    "accounts": CommandPart("counterfoil.cli.nouns.ledger.accounts", "Balances, statements, and whether they are right.", BOOKS),
    "journal": CommandPart("counterfoil.cli.nouns.ledger.journal", "Post, import, show and reverse journals.", BOOKS),
    "programs": CommandPart("counterfoil.cli.nouns.ledger.programs", "Programs, their assets, and whether their books agree.", BOOKS),
    "fees": CommandPart("counterfoil.cli.nouns.settlement.fees", "Whether the fees that were taken are those that were due.", BOOKS),
    "treasury": CommandPart("counterfoil.cli.nouns.settlement.treasury", "Fees: in, distributed, withdrawn, held.", BOOKS),
    "rates": CommandPart("counterfoil.cli.nouns.settlement.rates", "A program's fee rates.", BOOKS),
    "periods": CommandPart("counterfoil.cli.nouns.ledger.periods", "Close the books up to a date.", BOOKS),
    "report": CommandPart("counterfoil.cli.nouns.reports.report", "The report of a month, as a file.", BOOKS),
    "proof": CommandPart("counterfoil.cli.nouns.proofs.proof", "Proofs of periods: made, signed, verified by anybody.", BOOKS),
    "signers": CommandPart("counterfoil.cli.nouns.proofs.signers", "Who signs proofs, and whether there are enough.", BOOKS),
    "audit": CommandPart("counterfoil.cli.nouns.proofs.audit", "Who did what; audit trails, and how two of them differ.", BOOKS),
    "events": CommandPart("counterfoil.cli.nouns.operations.events", "What happened.", OPERATIONS),
    "webhooks": CommandPart("counterfoil.cli.nouns.operations.webhooks", "Partners' endpoints, and what they are told.", OPERATIONS),
    "workers": CommandPart("counterfoil.cli.nouns.operations.workers", "Who works, and how it goes.", OPERATIONS),
    "queue": CommandPart("counterfoil.cli.nouns.operations.queue", "How much work waits.", OPERATIONS),
    "jobs": CommandPart("counterfoil.cli.nouns.operations.jobs", "Run a job now.", OPERATIONS),
    "schedules": CommandPart("counterfoil.cli.nouns.operations.schedules", "What is done at fixed times, and how it ended.", OPERATIONS),
    "circuits": CommandPart("counterfoil.cli.nouns.operations.circuits", "Which providers work; others are not called.", OPERATIONS),
    "sentinel": CommandPart("counterfoil.cli.nouns.integrity.sentinel", "What must hold, whether it does, and up to when.", OPERATIONS),
    "alerts": CommandPart("counterfoil.cli.nouns.integrity.alerts", "What the sentinel found, and who sees to it.", OPERATIONS),
    "incidents": CommandPart("counterfoil.cli.nouns.integrity.incidents", "What people answer within a time.", OPERATIONS),
    "notify": CommandPart("counterfoil.cli.nouns.integrity.notify", "What people were told, and whether their channels work.", OPERATIONS),
    "silences": CommandPart("counterfoil.cli.nouns.integrity.silences", "For a time, no notices of some alerts.", OPERATIONS),
    "runbook": CommandPart("counterfoil.cli.nouns.integrity.runbook", "Playbooks and checklists as steps that run.", OPERATIONS),
    "checklist": CommandPart(
        "counterfoil.cli.nouns.integrity.runbook", "What is looked at every morning, week and month.", OPERATIONS, attribute="checklists"
    ),
    "drills": CommandPart("counterfoil.cli.nouns.integrity.drills", "What must work on the worst day, practised.", OPERATIONS),
    "slo": CommandPart(
        "counterfoil.cli.nouns.integrity.levels", "Service levels: kept, and how fast budgets are used.", OPERATIONS, alone=True
    ),
    "trends": CommandPart("counterfoil.cli.nouns.integrity.levels", "Are we getting slower, and when is it busy?", OPERATIONS, alone=True),
    "metrics": CommandPart("counterfoil.cli.local.metrics", "For Prometheus and Grafana: metrics, alert rules, a dashboard.", OPERATIONS),
    "providers": CommandPart("counterfoil.cli.nouns.operations.providers", "What providers can do, and how they do.", OPERATIONS),
    "parked": CommandPart("counterfoil.cli.nouns.operations.parked", "What failed five times and waits for a person.", OPERATIONS),
    "approvals": CommandPart("counterfoil.cli.nouns.operations.approvals", "What one person proposed and another decides.", OPERATIONS),
    "login": CommandPart("counterfoil.cli.nouns.operations.login", "Log in as a person; only a person approves.", OPERATIONS, alone=True),
    "confirm": CommandPart(
        "counterfoil.cli.nouns.operations.login", "Give the code of your second factor again, to approve.", OPERATIONS, alone=True
    ),
    "logins": CommandPart("counterfoil.cli.nouns.operations.logins", "Where you are logged in.", OPERATIONS),
    "logout": CommandPart("counterfoil.cli.nouns.operations.login", "End the login of this machine.", OPERATIONS, alone=True),
    "access": CommandPart("counterfoil.cli.nouns.operations.access", "Who came in, who failed to, who was refused.", OPERATIONS),
    "people": CommandPart("counterfoil.cli.nouns.operations.people", "Who may act, and in which roles.", OPERATIONS),
    "keys": CommandPart("counterfoil.cli.nouns.operations.keys", "API keys and their roles.", OPERATIONS),
    "health": CommandPart(
        "counterfoil.cli.nouns.operations.health",
        "System health: every counter against its limits.",
        OPERATIONS,
        alone=True,
    ),
    "invariants": CommandPart(
        "counterfoil.cli.nouns.operations.health",
        "Integrity checks: each must find nothing.",
        OPERATIONS,
        alone=True,
    ),
    "setup": CommandPart("counterfoil.cli.local.setting_up.setup", "The first program, its rates and its provider.", HERE, alone=True),
    "demo": CommandPart("counterfoil.cli.local.demo.demo", "A day of real work, with everything it needs; one command.", HERE, alone=True),
    "up": CommandPart("counterfoil.cli.local.commands", "API and worker in one process.", HERE, alone=True),
    "serve": CommandPart("counterfoil.cli.local.commands", "The API.", HERE, alone=True),
    "worker": CommandPart("counterfoil.cli.local.commands", "The worker.", HERE, alone=True),
    "migrate": CommandPart("counterfoil.cli.local.commands", "Bring the database up to date.", HERE, alone=True),
    "encryption": CommandPart("counterfoil.cli.local.secrets.encryption", "What is kept encrypted, and with which keys.", HERE),
    "credentials": CommandPart("counterfoil.cli.local.secrets.credentials", "The database's password: its age, and another one.", HERE),
    "backup": CommandPart("counterfoil.cli.local.backup.recovery", "Back the database up; list, verify, prune and restore backups.", HERE),
    "copies": CommandPart("counterfoil.cli.local.backup.copies", "Copies of proofs and backups in a store of their own.", HERE),
    "doctor": CommandPart("counterfoil.cli.local.doctor", "What is wrong here, and what to do about it.", HERE, alone=True),
    "reconcile": CommandPart("counterfoil.cli.nouns.reconciliation.reconcile", "Hold one side's records against the other's.", BOOKS),
    "breaks": CommandPart("counterfoil.cli.nouns.reconciliation.breaks", "What does not agree, and what is done about it.", BOOKS),
    "client-money": CommandPart(
        "counterfoil.cli.nouns.reconciliation.client_money",
        "What is owed to owners, against what is held for them.",
        BOOKS,
    ),
    "simulator": CommandPart("counterfoil.cli.local.simulator", "The payment provider with faults, for trying out.", HERE),
    "statements": CommandPart("counterfoil.cli.local.statements", "Look at bank statements; import them into a server.", HERE),
}


class LazyGroup(TyperGroup):
    """The root: it lists its parts without importing them, and imports the one that is used."""

    def __init__(self, **given: Any) -> None:
        """With a stand-in for each part: its name and its help are enough for the list and for the nearest name."""
        super().__init__(**given)
        for name, part in PARTS.items():
            self.commands[name] = TyperCommand(name, help=part.help, short_help=part.help, rich_help_panel=part.panel)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Every part, in the order above."""
        return list(PARTS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The part itself. An unknown one is refused with the nearest name."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, load(name) if found is not None and name is not None else found, rest


def load(name: str) -> Any:
    """Import a part; asked again, the same is given."""
    return _loaded(name, PARTS[name])


@cache  # reading the signatures of a part takes most of the time of a short command, and whoever runs many in one process runs them often
def _loaded(name: str, part: CommandPart) -> Any:
    app: Any = getattr(import_module(part.module), part.attribute)
    if not gc.isenabled():  # as a program that has just loaded all that it is: none of it is ever looked at again
        gc.freeze()
        atexit.register(gc.unfreeze)  # what is never let go DuckDB takes for a leak of its own, and says so at the end
        gc.set_threshold(*LOOKED_THROUGH_AFTER)
        gc.enable()
    command: Any = get_command(app)
    if part.alone and isinstance(command, TyperGroup):
        command = command.commands[name]
    command.name = name
    # Typer offers shell completion at each part, where it does not work: the parts are no programs of their own.
    command.params = [one for one in command.params if one.name not in ("install_completion", "show_completion")]
    return command
