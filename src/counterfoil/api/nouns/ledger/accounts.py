"""Accounts: what they hold, now or as of any moment by either clock; lists and the trial balance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import AccountName, AssetCode, Instant, Minor, ProgramId, Reason
from counterfoil.api.http.lists import Listing, PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.accounts import NewAccount, close_account, freeze_account, open_accounts, reopen_account, unfreeze_account
from counterfoil.ledger.reads.balances import balance, balances, trial_balance, trial_totals
from counterfoil.ledger.reads.listing import ACCOUNT_LIST, ListedAccount, list_accounts, show_program
from counterfoil.operations.access.access import POST_JOURNAL, READ
from counterfoil.operations.listing import ListAsked

router = routes("Accounts")

Name = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["payable:payee:bolt"])]
ProgramParameter = Annotated[
    str | None,
    Query(alias="programId", max_length=64, description="The installation's own program, if absent."),
]
AssetParameter = Annotated[
    str | None,
    Query(pattern=r"^[A-Z][A-Z0-9]{1,11}$", description="The program's only asset, if absent.", examples=["EUR"]),
]
AsOf = Annotated[Instant | None, Query(alias="asOf", description="That moment included; now, if absent.")]
Clock = Annotated[
    Literal["recorded", "effective"],
    Query(description="recorded: what was written by then; effective: what had happened by then."),
]


class BalanceView(ViewModel):
    """What an account holds, on its normal side, in minor units."""

    program_id: str
    account: str
    asset: str
    normal: str = Field(description="debit or credit: the side on which it grows.")
    balance: Minor
    held: Minor = Field(description="Set aside by holds, as of now.")
    available: Minor
    frozen: bool
    closed: bool
    as_of: datetime | None
    clock: str


@shows(ListedAccount)
class AccountView(ViewModel):
    """An account as it stands now."""

    debits: Minor
    credits: Minor


ACCOUNTS = Listing("accounts", AccountView, lambda row: (row.asset, row.name), (str, str))


class AccountsRequest(RequestModel):
    """Accounts to open. Names of the chart of accounts bring their own rules."""

    program_id: ProgramId
    asset: AssetCode
    names: list[AccountName] = Field(min_length=1, max_length=1_000)
    normal: Literal["debit", "credit"] | None = Field(None, description="For names outside the chart.")
    no_overdraft: bool | None = None


class AccountsOpened(WriteResult):
    """They are open; some may have been before."""

    program_id: str
    asset: str
    names: list[str]


class FlagRequest(RequestModel):
    """An account to freeze, unfreeze or close, and why."""

    program_id: ProgramId
    asset: AssetCode
    account: AccountName
    reason: Reason


class FlagSet(WriteResult):
    """It is done."""

    account: str
    frozen: bool
    closed: bool


class TrialLineView(ViewModel):
    """One account that is not at nothing, on the side where it stands."""

    account: str
    debit: Minor
    credit: Minor


TRIAL = Listing("trial-balance", TrialLineView, lambda row: (row.account,))


class TrialBalanceView(ViewModel):
    """A page of the trial balance, and the totals of all of it: equal, or something is very wrong."""

    program_id: str
    asset: str
    as_of: datetime | None
    clock: str
    total_debit: Minor
    total_credit: Minor
    balanced: bool
    data: list[TrialLineView]
    next_cursor: str | None


def book_named(conn: Connection[Any], call: ApiCall, program_id: str | None, asset: str | None) -> tuple[str, str]:
    """The program and asset that are meant: those given, or the only ones they can be. Raises InvalidInput, UnknownProgram."""
    program = program_id or call.services.wiring.program_id
    if asset is not None:
        return program, asset
    codes = [code for code, _ in show_program(conn, program).assets]
    if len(codes) != 1:
        raise InvalidInput("asset", f"one of {', '.join(codes)}: this program has several")
    return program, codes[0]


@router.get("/accounts", response_model=Paged[AccountView], operation_id="account_list", summary="List accounts")
def accounts(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(ACCOUNT_LIST)],
    program_id: ProgramParameter = None,
) -> Response:
    """By asset and name, unless sorted otherwise."""
    program = program_id or call.services.wiring.program_id
    if asked.order is not None:
        with call.reading() as conn:
            show_program(conn, program)
        return answer_listed(call, page, ACCOUNT_LIST, asked._replace(program_id=program), AccountView)

    def rows(conn: Connection[Any], **part: Any) -> list[ListedAccount]:
        show_program(conn, program)
        return list_accounts(conn, program, **asked.narrowed, **part)

    return ACCOUNTS.answer(call, page, rows)


@router.post("/accounts", status_code=201, response_model=AccountsOpened, operation_id="account_open", summary="Open accounts")
def open_all(body: AccountsRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """Those that are open already stay as they are; one that was opened with other rules is refused."""
    wanted = [NewAccount(name, body.normal, body.no_overdraft) for name in body.names]

    def act(conn: Connection[Any]) -> Done:
        open_accounts(conn, body.program_id, wanted, asset=body.asset, actor=call.actor, now=call.now)
        return Done(body.program_id, AccountsOpened(program_id=body.program_id, asset=body.asset, names=body.names), 201)

    return call.write("account.open", act, asked=body)


@router.get(
    "/accounts/{name:path}/balance", response_model=BalanceView, operation_id="account_show_balance", summary="Show an account's balance"
)
def show_balance(
    name: Name,
    call: Annotated[ApiCall, may(READ)],
    program_id: ProgramParameter = None,
    asset: AssetParameter = None,
    as_of: AsOf = None,
    clock: Clock = "recorded",
) -> Response:
    """Now, or as of any moment: by when it was recorded, or by when it happened."""
    with call.reading() as conn:
        program, code = book_named(conn, call, program_id, asset)
        found = balance(conn, program, name, asset=code, as_of=as_of, clock=clock)
    fields = found._asdict()
    return answer(BalanceView(program_id=program, balance=fields.pop("minor"), as_of=as_of, clock=clock, **fields))


@router.get(
    "/programs/{program_id}/trial-balance",
    response_model=TrialBalanceView,
    operation_id="program_show_trial_balance",
    summary="Show the trial balance",
)
def trial(
    program_id: ProgramId,
    call: Annotated[ApiCall, may(READ)],
    wanted: PageWanted,
    asset: AssetParameter = None,
    as_of: AsOf = None,
    clock: Clock = "recorded",
) -> Response:
    """Every account that is not at nothing, by name, and the two totals of all of them."""
    after: str = TRIAL.after(wanted) or ""
    with call.reading() as conn:
        program, code = book_named(conn, call, program_id, asset)
        debit, credit = trial_totals(conn, program, asset=code, as_of=as_of, clock=clock)
        rows = trial_balance(conn, program, asset=code, as_of=as_of, clock=clock, after=after, rows_max=wanted.limit + 1)
    page = TRIAL.page(rows, wanted)
    lines = [TrialLineView(account=one.account, debit=one.debit_minor, credit=one.credit_minor) for one in page.rows]
    return answer(
        TrialBalanceView(
            program_id=program,
            asset=code,
            as_of=as_of,
            clock=clock,
            total_debit=debit,
            total_credit=credit,
            balanced=debit == credit,
            data=lines,
            next_cursor=page.next_cursor,
        )
    )


def _flag(verb: str, set_flag: Callable[..., object]) -> Callable[..., Response]:
    def route(body: FlagRequest, call: Annotated[ApiCall, may(POST_JOURNAL)]) -> Response:
        def act(conn: Connection[Any]) -> Done:
            set_flag(
                conn,
                body.program_id,
                body.account,
                asset=body.asset,
                reason=body.reason,
                actor=call.actor,
                now=call.now,
            )
            now = balances(conn, body.program_id, [body.account], asset=body.asset)[body.account]
            return Done(body.account, FlagSet(account=body.account, frozen=now.frozen, closed=now.closed))

        return call.write(f"account.{verb}", act, asked=body, reason=body.reason)

    route.__name__ = verb
    return route


for verb, set_flag, title, effect in (
    (
        "freeze",
        freeze_account,
        "Freeze an account",
        "No decision lowers it any more; money may still come in, and what has happened already is booked.",
    ),
    ("unfreeze", unfreeze_account, "Unfreeze an account", "End a freeze."),
    (
        "close",
        close_account,
        "Close an account",
        (
            "Nothing is posted to it any more. Only with a balance of nothing, nothing held, and no money of its payee on its way. "
            "What has happened and becomes known later, such as a payout that the bank returns, opens it again."
        ),
    ),
    ("reopen", reopen_account, "Reopen an account", "End a close."),
):
    router.post(f"/accounts/{verb}", response_model=FlagSet, operation_id=f"account_{verb}", summary=title, description=effect)(
        _flag(verb, set_flag)
    )
