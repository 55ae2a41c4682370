"""Bank files: payments that go to the bank in files. Downloaded here, and answered by the bank's reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.bodies import attachment, file_answer, file_body
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import FileName, Minor, OneProgram, ProgramId, id_in_path
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, Paged, ViewModel, WriteResult, answer, found_again, shows
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.operations.providers import FileProvider, sepa
from counterfoil.operations.providers.sepa.reports import read_report
from counterfoil.payouts.payment_files.files import (
    PAYMENT_FILE_LIST,
    FileOrder,
    PaymentFile,
    cancel_payment_file,
    download_payment_file,
    orders_of,
    show_payment_file,
)
from counterfoil.payouts.payment_files.filing import file_all_due
from counterfoil.payouts.payment_files.reporting import take_report

router = routes("Bank files")
XML: Final = "application/xml"
FileId = Annotated[str, id_in_path("pf")]


@shows(PaymentFile)
class BankPaymentFileView(ViewModel):
    """A file of payments for the bank, and where its orders stand now."""

    id: str = Field(description="Also the message id in the file: the bank takes it once.")
    amount: Minor = Field(description="The sum of its orders.")
    sha256: str = Field(description="Of the file as it was made and is downloaded.")
    downloaded_at: datetime | None = Field(description="The first time; from then on the bank may have it.")
    state: str = Field(description="made, downloaded, reported or cancelled.")
    orders_paid: int = Field(description="Orders that the bank has paid.")
    orders_failed: int = Field(description="Orders that are over and did not pay, or came back.")
    orders_open: int = Field(description="Orders of which the bank has still to tell.")


@shows(FileOrder)
class BankPaymentOrderView(ViewModel):
    """An order in the file."""

    provider_payout_id: str = Field(description="Also its end-to-end id, by which the bank's reports name it.")


class BankPaymentFileDetail(BankPaymentFileView):
    """With its orders, at most 10,000."""

    lines: list[BankPaymentOrderView]


class BankFilesMade(WriteResult):
    """How many queued attempts were taken up; those that cannot stand in a file are refused, and fail."""

    handled: int
    failed: int = Field(description="Put back after a mistake of ours; tried again.")


class BankFileCancelled(WriteResult):
    """The file is cancelled; `ended` are the attempts whose money is owed again."""

    id: str
    state: str
    ended: list[str]


class BankReportTaken(WriteResult):
    """What a report of the bank led to."""

    id: str
    format: str
    file_id: str | None = Field(description="Of which file it speaks, where it names one.")
    said: dict[str, int] = Field(description="How many orders it calls pending, paid, failed, returned.")
    unknown: list[str] = Field(description="References that it names and that are none of ours, at most 1,000.")
    silent: int = Field(description="Orders of the file of which it says nothing: they stay as they are.")
    existed: bool = Field(description="This very report was taken before, and nothing was done.")


@router.get("/bank-files", response_model=Paged[BankPaymentFileView], operation_id="bank_file_list", summary="List bank files")
def bank_files(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(PAYMENT_FILE_LIST)],
    program_id: OneProgram = None,
    state: Annotated[str | None, Query(pattern="^(made|downloaded|reported|cancelled)$", examples=["made"])] = None,
) -> Response:
    """Newest first, unless sorted otherwise. `made` ones wait for somebody to bring them to the bank."""
    return answer_listed(call, page, PAYMENT_FILE_LIST, asked._replace(program_id=program_id, state=state), BankPaymentFileView, _shown)


@router.post("/bank-files", response_model=BankFilesMade, operation_id="bank_file_create", summary="Make bank files now")
def make(call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Make files of all that is queued for the bank, without waiting until more has gathered. What is paused stays queued."""
    wiring = call.services.wiring
    provider = wiring.providers.get(sepa.NAME)
    if call.dry_run:
        raise InvalidInput("dryRun", "absent: a tick has transactions of its own")
    if not isinstance(provider, FileProvider):
        raise NotFound(what="provider", id=sepa.NAME)

    def act() -> Done:
        runner = wiring.runner(call.services.owner)
        tally = file_all_due(runner, provider, wiring.make_id, silent_after=wiring.silent_after)
        return Done(sepa.NAME, BankFilesMade(handled=tally.handled, failed=tally.failed))

    return call.write_outside("bank_file.make", act, asked={"provider": sepa.NAME})


@router.get("/bank-files/{file_id}", response_model=BankPaymentFileDetail, operation_id="bank_file_show", summary="Show a bank file")
def bank_file(file_id: FileId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """The file's facts and its orders, each with where it stands."""
    with call.reading() as conn:
        one, orders = show_payment_file(conn, file_id), orders_of(conn, file_id)
    lines = [BankPaymentOrderView(**each._asdict()) for each in orders]
    return answer(BankPaymentFileDetail(**_shown(one).model_dump(), lines=lines))


@router.post(
    "/bank-files/{file_id}/download",
    operation_id="bank_file_download",
    summary="Download a bank file",
    response_class=Response,
    responses=file_answer(XML),
)
def download(file_id: FileId, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """The file as it was made, as often as it is asked for. From the first time on the bank may have it, and it cannot be cancelled."""
    if call.dry_run:
        raise InvalidInput("dryRun", "absent: whoever has the file may bring it to the bank")
    body: list[bytes] = []

    def act(conn: Connection[Any]) -> Done:
        body.append(download_payment_file(conn, file_id, actor=call.actor, now=call.now))
        return Done(file_id, WriteResult())

    call.write("bank_file.download", act, remembered=False)
    return attachment(body[0], XML, f"{file_id}.xml")


@router.post(
    "/bank-files/{file_id}/cancel", response_model=BankFileCancelled, operation_id="bank_file_cancel", summary="Cancel a bank file"
)
def cancel(file_id: FileId, body: Because, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Only while nobody has downloaded it. Its orders fail for certain, and their money is owed to the payees again."""

    def act(conn: Connection[Any]) -> Done:
        ended = cancel_payment_file(conn, file_id, reason=body.reason, actor=call.actor, now=call.now)
        return Done(file_id, BankFileCancelled(id=file_id, state="cancelled", ended=ended))

    return call.write("bank_file.cancel", act, asked=body, reason=body.reason)


@router.post(
    "/bank-files/reports",
    response_model=BankReportTaken,
    responses=found_again(BankReportTaken),
    status_code=201,
    operation_id="bank_report_import",
    summary="Import a report of the bank",
    openapi_extra=file_body(),
)
async def import_report(
    request: Request,
    call: Annotated[ApiCall, may(OPERATE, key=True)],
    file_name: FileName,
    program_id: Annotated[ProgramId | None, Query(alias="programId", description="Only orders of this program.")] = None,
) -> Response:
    """pain.002, camt.053 or camt.054 as the body: what it says of our orders is booked. The same report again changes nothing."""
    body = await request.body()
    report = await run_in_threadpool(read_report, body)
    wiring = call.services.wiring
    bank = wiring.providers.get(sepa.NAME)
    if bank is None:  # what it cannot do decides what a refusal means: guessed, money would wait for a look-up that nobody can make
        raise NotFound(what="provider", id=sepa.NAME)

    def act(conn: Connection[Any]) -> Done:
        taken = take_report(
            conn,
            call.make_id("brp"),
            provider=sepa.NAME,
            capabilities=bank.capabilities,
            format=report.format,
            message_id=report.message_id,
            orders=report.orders,
            rest=report.rest,
            body=body,
            file_name=file_name,
            program_id=program_id,
            silent_after=wiring.silent_after,
            actor=call.actor,
            now=call.now,
        )
        told = {name: value for name, value in taken._asdict().items() if name != "sha256"}
        return Done(taken.id, BankReportTaken(**told), 200 if taken.existed else 201)

    asked = {"fileName": file_name, "programId": program_id, "format": report.format}
    return await run_in_threadpool(call.write, "bank_report.import", act, asked=asked)


def _shown(one: PaymentFile) -> BankPaymentFileView:
    return BankPaymentFileView(**{**one._asdict(), "sha256": one.sha256.hex()})
