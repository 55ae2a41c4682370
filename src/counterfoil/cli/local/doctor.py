"""`counterfoil doctor`: look at everything that an installation needs, and say what to do about what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import httpx2
import psycopg
import typer

from counterfoil.base.edge import now, set_up
from counterfoil.base.encryption.key_file import FILE
from counterfoil.base.encryption.standing import check_encryption
from counterfoil.base.migrations.runner import pending
from counterfoil.base.postgres.binaries import find
from counterfoil.base.postgres.fitness import BAD, GOOD, WARNING, Check, check_database
from counterfoil.base.postgres.launcher import running_url
from counterfoil.base.postgres.logins import SERVER
from counterfoil.base.postgres.reach import address_of, connected
from counterfoil.base.problems import Problem
from counterfoil.base.settings import Settings, lacking_secrets, variable_of
from counterfoil.cli.core.connection import server
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Output, show_rows
from counterfoil.cli.local.backup.copying_here import store_of
from counterfoil.cli.local.installation import keys_here, settings_now
from counterfoil.cli.local.providers import MAKERS
from counterfoil.cli.local.setting_up.public_address import public_address
from counterfoil.operations.providers import sepa
from counterfoil.wiring import CONFIDENTIAL

app = typer.Typer(no_args_is_help=True)
TIMEOUT_S: Final = 5
SERVER_TIMEOUT_S: Final = 15  # it waits 5 s for its database before it says that it is away
AWAY: Final = 503


@app.command("doctor")
def doctor(output: Output = TABLE) -> None:
    """Check settings, server, database, clocks, provider and workers, and say what to do. Ends with 1 when something is bad.

    The database is the one that the server says it uses; without a server, the one of this machine's settings.
    """
    found = list(examine())
    show_rows([one._asdict() for one in found], ("how", "what", "said", "do"), output)
    if any(one.how == BAD for one in found):
        raise typer.Exit(NOT_GREEN)


def examine() -> Iterator[Check]:
    """Every check, in the order in which they depend on each other."""
    try:
        settings = settings_now()
    except Problem as problem:
        yield Check("settings", BAD, problem.sentence(), "Correct the variable or the line in .env.")
        return
    yield Check("settings", GOOD, "every COUNTERFOIL_* variable is a setting, within its bounds")
    url, key = server("read", os.environ)
    found = _server(url)
    is_told = found.how == GOOD and key is not None
    yield from _provider(settings, told_by_server=is_told)
    yield from _store(settings)
    yield from public_address(settings, now=now())
    yield found
    if found.how != GOOD:
        yield from _database_here(settings)
    elif key is None:
        yield Check("key", WARNING, "there is none to ask the server with", "Set COUNTERFOIL_API_KEY.")
        yield from _database_here(settings)
    else:
        yield from _told_by_server(settings, url, key)


def _database_here(settings: Settings) -> Iterator[Check]:
    """The database that these settings lead to. One that is stopped is said to be stopped."""
    if settings.database_url is not None:
        where, advice = (
            settings.database_url.get_secret_value(),
            "Is it running, and is COUNTERFOIL_DATABASE_URL right?",
        )
    else:
        try:
            programs = find(str(settings.postgres_bin) if settings.postgres_bin else None)
        except Problem as problem:
            do = "Install counterfoil[embedded] or PostgreSQL 15 or later, or set COUNTERFOIL_DATABASE_URL."
            yield Check("programs", BAD, problem.sentence(), do)
            return
        yield Check("programs", GOOD, f"for a private PostgreSQL: {programs}")
        running = running_url(settings.data_folder, login=SERVER)
        if running is None:
            said = f"the private PostgreSQL in {settings.data_folder} is not running"
            yield Check("database", WARNING, said, "`counterfoil up` starts it, and everything with it.")
            return
        where, advice = running, f"The log is {settings.data_folder / 'postgres' / 'postgres.log'}."
    try:
        with connected(where) as conn:
            yield from check_database(conn, now=now())
            yield from _encryption(conn, settings)
    except Problem as problem:
        yield Check("database", BAD, problem.sentence(), advice)
    except psycopg.Error as error:
        yield Check("database", BAD, f"{address_of(where)}: {str(error).strip().splitlines()[0]}", advice)


def _encryption(conn: psycopg.Connection[Any], settings: Settings) -> Iterator[Check]:
    """With the keys of these settings. Nothing is made here: without a file of keys there are none."""
    if pending(conn):
        return
    if settings.encryption_keys is None and settings.database_url is not None:
        variable = variable_of("encryption_keys")
        yield Check(
            "encryption",
            BAD,
            f"{variable} is not set",
            "Set it as the server has it; `counterfoil encryption add-key` makes one.",
        )
        return
    if settings.encryption_keys is None and not (settings.data_folder / FILE).exists():
        said = f"{settings.data_folder / FILE} is not there"
        yield Check("encryption", WARNING, said, "`counterfoil up` makes it; where one was there before, restore it.")
        return
    try:
        keys = keys_here(settings)
    except Problem as problem:
        yield Check("encryption", BAD, problem.sentence(), "Nothing starts like this.")
        return
    set_up(conn, None, read_only=True)
    try:
        yield check_encryption(conn, CONFIDENTIAL, keys)
    except psycopg.errors.InsufficientPrivilege:
        yield Check("encryption", WARNING, "this login may not look", "Ask with the login of the server.")


def _provider(settings: Settings, *, told_by_server: bool) -> Iterator[Check]:
    """Each provider that is set up in these settings: its secrets, its library, and whether its address answers. That there is none says
    nothing where the server tells which it has."""
    for variable in lacking_secrets(settings):
        if variable == variable_of("encryption_keys"):
            continue  # told with the database
        yield Check("provider", BAD, f"{variable} is not set", "Take it from the provider's dashboard.")
    addresses = {"provider": settings.provider_url}
    if settings.stripe_api_key is not None:
        addresses["stripe"] = settings.stripe_url
    known = [(name, url) for name, url in addresses.items() if url is not None]
    for name, make in MAKERS.items():
        try:
            found = make(settings)
        except Problem as problem:
            yield Check(name, BAD, problem.sentence(), "Correct the setting, or install what is named.")
            continue
        if found is not None and name == sepa.NAME:
            yield Check(name, GOOD, "files of payments are made from this account", "")
    if not known and settings.sepa_debtor_iban is None and settings.chain_url is None and not told_by_server:
        yield Check("provider", WARNING, "none is set, so nothing is paid", "`counterfoil setup` asks for it.")
    for name, url in known:
        yield _answers(name, partial(httpx2.get, url, timeout=TIMEOUT_S, trust_env=False))


def _store(settings: Settings) -> Iterator[Check]:
    """The store of copies: does it answer, does it keep every version, and does it lock?"""
    try:
        store = store_of(settings, looks=True)
    except Problem as problem:
        yield Check("store", BAD, problem.sentence(), problem.what_to_do())
        return
    if store is None:
        do = "Set COUNTERFOIL_STORE_URL: a bucket with Object Lock, or a share of another machine."
        yield Check("store", WARNING, "proofs and backups are copied nowhere: they lie on this machine's disk alone", do)
        return
    for one in store.examine():
        yield Check(one.what, GOOD if one.good else BAD, one.said, one.do)


def _server(url: str) -> Check:
    try:
        answer = httpx2.get(f"{url}/healthz", timeout=SERVER_TIMEOUT_S, trust_env=False)
    except httpx2.TimeoutException:
        return Check("server", BAD, f"{url} takes more than {SERVER_TIMEOUT_S} s to answer", "Its log says why.")
    except httpx2.HTTPError as error:
        said = f"{url} does not answer: {type(error).__name__}"
        return Check("server", WARNING, said, "`counterfoil serve` starts it; COUNTERFOIL_URL says where it is.")
    if answer.status_code == AWAY:
        return Check("server", BAD, f"{url} runs, and its database does not answer it", "Start PostgreSQL again.")
    if answer.status_code != 200:
        return Check("server", BAD, f"{url} answers {answer.status_code}", "Is this counterfoil? Its log says why.")
    return Check("server", GOOD, f"{url} answers")


def _told_by_server(settings: Settings, url: str, key: str) -> Iterator[Check]:
    """What the server says of its own database, and of the workers on it."""
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=SERVER_TIMEOUT_S, trust_env=False) as client:
        answer = client.get("/api/admin/database")
        if answer.status_code == 401:
            yield Check("key", WARNING, "the server does not know ours", "Set COUNTERFOIL_API_KEY.")
            yield from _database_here(settings)
            return
        if answer.status_code != 200:
            yield Check("database", BAD, f"the server answers {answer.status_code} when asked for it", "Its log says why.")
            return
        yield from (Check(one["what"], one["how"], one["said"], one["do"]) for one in answer.json()["checks"])
        providers = client.get("/api/providers").json().get("data", [])
        workers = client.get("/api/workers").json().get("data", [])
        health = client.get("/api/admin/ops/health").json()
        people = client.get("/api/people/lacking").json().get("data")  # who sees one program is not told
    if providers:
        yield Check("provider", GOOD, f"the server pays through {', '.join(one['id'] for one in providers)}")
    else:
        yield Check("provider", WARNING, "the server has none, so nothing is paid", "`counterfoil setup` asks for it.")
    for one in health.get("lacking", []):
        if one["what"].startswith("provider "):
            yield Check("provider", BAD, one["what"], one["do"])
        elif one["what"].startswith("a channel "):
            yield Check("notices", WARNING, f"{one['what']} is not set", one["do"])
        else:
            yield Check("reconciliation", WARNING, one["what"], one["do"])
    yield from (Check("people", WARNING, one["said"], one["do"]) for one in people or ())
    if people == []:
        yield Check("people", GOOD, "enough can log in for all that takes two")
    healthy = sum(one["health"] == "healthy" for one in workers)
    if healthy:
        yield Check("worker", GOOD, f"{healthy} healthy")
    else:
        yield Check("worker", BAD, "none is healthy: nothing is sent, settled or applied", "counterfoil worker")


def _answers(what: str, ask: Callable[[], httpx2.Response]) -> Check:
    try:
        ask()
    except httpx2.HTTPError as error:
        return Check(what, BAD, f"does not answer: {type(error).__name__}", "Is it running, and is the address right?")
    return Check(what, GOOD, "answers")
