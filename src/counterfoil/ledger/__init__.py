"""The ledger: programs, books, accounts, journals, postings, holds, periods, balances. The only writer of postings.

A **book** is one program's money in one asset. Accounts are known by name inside their book (`payable:payee:42`); callers
never see internal ids. `conn` is the caller's open transaction; nothing here commits. Amounts are `int` minor units.

Opening (idempotent, by set; `ledger.accounts.accounts`)
    open_program(conn, program_id, *, name, assets: Sequence[Asset], now) -> None
    open_accounts(conn, program_id, accounts: Iterable[str | NewAccount], *, asset, actor, now) -> dict[str, int]
        a plain name takes its normal side and its overdraft rule from the chart of accounts (`ledger.accounts.chart`);
        NewAccount(name, normal="credit", no_overdraft=True) says both. Same name with other rules: AccountDiffers.
    freeze_account / unfreeze_account / close_account / reopen_account(conn, program_id, name, *, asset, reason, actor, now) -> None

Posting (`ledger.journals.journal`)
    Line(debit, credit, minor)          account names and a positive amount; a plain tuple will do
    post(conn, program_id, *, key, kind, lines, asset, actor, now, effective_at=None, narrative=None, source=None) -> Posted
        one atomic journal; `source` is a pair (type, id); `effective_at` is `now` when not given
    NewJournal(key, kind, lines, asset, actor, effective_at=None, narrative=None, source=None)
    post_all(conn, bookings: Sequence[Booking(program_id, journal)], *, now) -> list[Posted]      (`ledger.journals.post_all`)
        what the product itself posts, of any programs and assets, in its key spaces (`ledger.journals.key_spaces`); opens accounts
        of the chart, raises the first refusal; `post_each` returns refusals instead. Facts pass freezes and closed periods.
    post_journals(conn, program_id, journals: Sequence[NewJournal], *, now) -> list[Posted | Problem]
        many at once (up to 8,192), each atomic, a result each in the same order: a refusal is a returned Problem, not raised
    reverse(conn, program_id, journal_id, *, key, reason, actor, now, line=None, effective_at=None) -> Posted
    Posted(journal_id: UUID, recorded_at, effective_at, existed: bool)   existed: same key and same request as before
Bulk (`ledger.journals.bulk`)
    post_many(conn, program_id, bulk: Bulk, movements: Sequence[Movement], *, now) -> BulkPosted
        bulk under one header, an Outcome per movement; Movement(id: 16 bytes of a UUID, debit, credit, minor, ...)
    post_bulks(conn, program_id, bulks: Sequence[PreparedBulk], *, now) -> list[BulkPosted | Problem]
        several that `prepare` looked at ahead, of one asset and kind, transfers alone, written as one, each under its own header
Bulks sent ahead (`ledger.bulk_stream`)
    BulkStream(database, program_id, *, clock).start(); .send(bulk, movements) -> Future[BulkPosted]; .close()
        what waits is written together in one commit of the stream's own; each has its own answer after it
    BulkStreams(database, *, clock): a stream for each program; .send(program_id, bulk, movements, record=None) -> Future[BulkPosted]

Holds (`ledger.holds`)
    take_hold(conn, program_id, *, key, debit, credit, minor, asset, actor, now, expires_at=None, narrative=None, source=None) -> Hold
    post_hold(conn, program_id, hold_id, *, actor, now, minor=None, kind="hold.post", narrative=None) -> Posted   part: the rest returns
    void_hold(conn, program_id, hold_id, *, reason, actor, now) -> None
    expire_holds(conn, program_id, *, actor, now, rows_max=500) -> list[UUID]
        an open hold can always be posted; the job `expire-holds` sweeps (`ledger.expiring`)
    take_promises / post_promises(conn, program_id, ...)     promised holds, many at once, by who has the program alone (`ledger.promises`)
    holds_expiring(conn, program_id, *, now, within: timedelta, rows_max=500) -> list[Hold]

Reading (`ledger.reads.balances`, `ledger.reads.statements`)
    balance(conn, program_id, name, *, asset, as_of=None, clock="recorded") -> Balance(minor, held, available, ...)
    balances(conn, program_id, names, *, asset) -> dict[str, Balance]        now, by set
    trial_balance(conn, program_id, *, asset, as_of=None, clock="recorded", rows_max) -> list[TrialLine]
    journal_by_key(conn, program_id, key) -> Journal | None
    statement(conn, program_id, name, *, asset, start, end, clock, after=None, rows_max) -> Statement
    explain(conn, program_id, name, *, asset, start=None, end=None) -> Explanation

Periods (`ledger.periods`)
    close_period(conn, program_id, *, until, reason, actor, now) -> None     nothing effective before `until` is posted any more
    reopen_period(conn, program_id, *, until, approval_id, reason, maker, checker, now) -> None   two people
    closed_until(conn, program_id) -> datetime | None

Problems: UnknownAccount, UnknownProgram, UnknownAsset, InsufficientFunds, AccountFrozen, AccountClosed, PeriodClosed, KeyReused,
AlreadyReversed, HoldResolved, HoldExpired, LedgerLimit (all in `ledger.problems`), InvalidInput. Two posts that meet queue behind each
other; a caller that posts many in one transaction calls `post_journals` first (it takes the program's lock), single posts after it.
"""
