"""Bank statements in, and client money: what is owed to owners against what is held for them."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.bodies import file_body
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Day, FileName, LongReason, Minor, OneProgram, ProgramId, id_in_path
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, ViewModel, WriteResult, answer, found_again, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import CLOSE_PERIOD, OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.operations.noun_pages import ListCondition
from counterfoil.reconciliation.bank_statements import BANK_FILE_LIST, BankFile, cash_account, import_bank_file
from counterfoil.reconciliation.client_money import (
    CLIENT_MONEY_LIST,
    ClientMoney,
    make_client_money,
    show_client_money,
    sign_client_money,
)
from counterfoil.statements import FORMATS, SourceRead, read
from counterfoil.statements.continuity.following import SequenceGap

router = routes("Bank and client money")


@shows(SequenceGap)
class StatementGapView(ViewModel):
    """Where the statements of a bank account do not follow on."""

    kind: str = Field(description="missing, doubled or balance (it opens with another balance than the one before closed with).")
    account: str | None = Field(description="As the bank names it.")
    days: list[date]
    difference: Minor | None


@shows(
    BankFile,
    hidden=(
        "program_id",
        "existed",
        "gaps",
    ),
)
class BankFileView(ViewModel):
    """A statement file that was imported."""

    sha256: str
    known: int = Field(description="Lines that an earlier file had brought already.")


class BankFileImported(BankFileView, WriteResult):
    """What an import did. `existed`: this very file was imported before, and nothing was added."""

    existed: bool
    gaps: list[StatementGapView] = Field(description="All that the account's statements now show, missing and doubled ones named.")


class MoneyRequest(RequestModel):
    """For which day client money is drawn up."""

    program_id: ProgramId | None = Field(None, description="Absent: the installation's own program.")
    on: Day = Field(alias="date", description="The end of this day, UTC.")


@shows(ClientMoney)
class MoneyView(ViewModel):
    """Client money of one asset at the end of a day, in minor units. Less than nothing in `difference` is a shortfall."""

    owed: Minor
    in_transit: Minor
    difference: Minor
    detail: dict[str, Any] = Field(description="Each owner, each place, how each figure is known, and what was not checked.")
    sha256: str = Field(description="Of the detail in its one form: what is signed.")


class MoneyMade(WriteResult):
    """The statements of a day, one for each asset."""

    statements: list[MoneyView]


class MoneySigned(MoneyView, WriteResult):
    """A statement with its signature."""


class SignRequest(RequestModel):
    """What is signed, and what was done about it."""

    sha256: str = Field(pattern="^[0-9a-fA-F]{64}$", description="The hash of the statement that you looked at.")
    reason: LongReason = Field(description="What was done about the difference; kept with the signature.")


@router.post(
    "/reconciliation/statements",
    response_model=BankFileImported,
    responses=found_again(BankFileImported),
    status_code=201,
    operation_id="bank_statement_import",
    summary="Import a bank statement",
    openapi_extra=file_body(),
)
async def import_statement(
    request: Request,
    call: Annotated[ApiCall, may(OPERATE, key=True)],
    file_name: FileName,
    account: Annotated[str, Query(max_length=60, description="cash:bank:client or cash:bank:own.")] = "cash:bank:client",
    program_id: OneProgram = None,
    bank_account: Annotated[str | None, Query(alias="bankAccount", max_length=80, description="Where the file tells of several.")] = None,
    form: Annotated[
        str | None,
        Query(alias="format", max_length=20, description=f"One of {', '.join(FORMATS)}; detected otherwise."),
    ] = None,
    asset: Annotated[str | None, Query(max_length=12, description="Where the file does not name it.")] = None,
) -> Response:
    """The file is the body. The same file again changes nothing; lines of an overlapping file are kept once, by the bank's reference.

    A file that is cut short or does not carry is refused with line and reason. Missing and doubled statements are named.
    """
    body = await request.body()
    book_account, program = cash_account(account), program_id or call.services.wiring.program_id
    found = await run_in_threadpool(_read, body, file_name, form, asset)
    asked = {
        "programId": program,
        "account": book_account,
        "fileName": file_name,
        "bankAccount": bank_account,
        "sha256": found.sha256,
    }

    def act(conn: Connection[Any]) -> Done:
        made = import_bank_file(
            conn,
            program,
            book_account,
            found,
            file_id=call.make_id("bf"),
            file_name=file_name,
            bank_account=bank_account,
            actor=call.actor,
            now=call.now,
        )
        shown = BankFileImported(
            **_file(made).model_dump(),
            existed=made.existed,
            gaps=[StatementGapView(**gap._asdict()) for gap in made.gaps],
        )
        return Done(made.id, shown, 200 if made.existed else 201)

    return await run_in_threadpool(call.write, "statement.import", act, asked=asked)


def _read(body: bytes, file_name: str, form: str | None, asset: str | None) -> SourceRead:
    name = Path(file_name).name
    if not body:
        raise InvalidInput("file", "a file that holds something")
    with tempfile.TemporaryDirectory(prefix="counterfoil-statement-") as folder:
        path = Path(folder) / (name if name not in ("", ".", "..") else hashlib.sha256(body).hexdigest())
        path.write_bytes(body)
        return read(path, format=form, asset=asset)


def _file(one: BankFile) -> BankFileView:
    return BankFileView(**{**one._asdict(), "sha256": one.sha256.hex()})


@router.get(
    "/reconciliation/statements", response_model=Paged[BankFileView], operation_id="bank_statement_list", summary="List bank statements"
)
def statements(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(BANK_FILE_LIST)],
    program_id: OneProgram = None,
    account: Annotated[str | None, Query(max_length=60)] = None,
) -> Response:
    """Newest first, unless sorted otherwise."""
    also = (ListCondition("t.account = %(account)s", {"account": cash_account(account)}),) if account else ()
    asked = asked._replace(program_id=program_id or call.services.wiring.program_id, also=also)
    return answer_listed(call, page, BANK_FILE_LIST, asked, BankFileView, _file)


@router.post(
    "/client-money",
    response_model=MoneyMade,
    status_code=201,
    operation_id="client_money_create",
    summary="Create a client money statement",
)
def make(body: MoneyRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """What is owed to each owner at the end of a day against what the bank and the providers say they hold. Moves no money.

    The same figures again give the statement that is there. Somebody else signs it.
    """
    program = body.program_id or call.services.wiring.program_id

    def act(conn: Connection[Any]) -> Done:
        made = make_client_money(conn, program, on=body.on, make_id=call.make_id, actor=call.actor, now=call.now)
        return Done(made[0].id, MoneyMade(statements=[_money(one) for one in made]), 201)

    return call.write("client_money.make", act, asked=body, snapshot=True)


@router.get("/client-money", response_model=Paged[MoneyView], operation_id="client_money_list", summary="List client money statements")
def client_money(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(CLIENT_MONEY_LIST)],
    program_id: OneProgram = None,
    on: Annotated[Day | None, Query(alias="date", description="Only of this day.")] = None,
) -> Response:
    """Newest first, unless sorted otherwise."""
    also = (ListCondition("t.on_day = %(on_day)s", {"on_day": on}),) if on else ()
    asked = asked._replace(program_id=program_id or call.services.wiring.program_id, also=also)
    return answer_listed(call, page, CLIENT_MONEY_LIST, asked, MoneyView, _money)


@router.get(
    "/client-money/{statement_id}", response_model=MoneyView, operation_id="client_money_show", summary="Show a client money statement"
)
def show(statement_id: Annotated[str, id_in_path("cm")], call: Annotated[ApiCall, may(READ)]) -> Response:
    """With every owner and every place."""
    with call.reading() as conn:
        return answer(_money(show_client_money(conn, statement_id)))


@router.post(
    "/client-money/{statement_id}/sign",
    response_model=MoneySigned,
    operation_id="client_money_sign",
    summary="Sign a client money statement",
)
def sign(statement_id: Annotated[str, id_in_path("cm")], body: SignRequest, call: Annotated[ApiCall, may(CLOSE_PERIOD)]) -> Response:
    """A controller who did not make it stands for the figures with this hash."""

    def act(conn: Connection[Any]) -> Done:
        signed = sign_client_money(conn, statement_id, sha256=body.sha256, action_taken=body.reason, actor=call.actor, now=call.now)
        return Done(signed.id, MoneySigned(**_money(signed).model_dump()))

    return call.write("client_money.sign", act, asked=body, reason=body.reason)


def _money(one: ClientMoney) -> MoneyView:
    return MoneyView(**{**one._asdict(), "sha256": one.sha256.hex()})
