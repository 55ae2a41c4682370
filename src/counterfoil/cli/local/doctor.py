"""`counterfoil doctor`: look at everything that an installation needs, and say what to do about what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final, NamedTuple

import httpx2
import psycopg
import typer

from counterfoil.base.edge import now
from counterfoil.base.migrations.runner import pending
from counterfoil.base.postgres.binaries import find
from counterfoil.base.problems import Problem
from counterfoil.base.settings import Settings, lacking_secrets
from counterfoil.cli.core.connection import server
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Output, show_rows
from counterfoil.cli.local.installation import settings_now

app = typer.Typer(no_args_is_help=True)
TIMEOUT_S: Final = 5
SKEW_MAX: Final = timedelta(seconds=5)  # webhooks are refused beyond 300 s; what is beyond 5 s grows
POSTGRES_MIN: Final = 150_000
GOOD, WARNING, BAD = "good", "warning", "bad"


class Found(NamedTuple):
    """What was looked at, how it is, and what to do."""

    what: str
    how: str
    said: str
    do: str = ""


@app.command("doctor")
def doctor(output: Output = TABLE) -> None:
    """Check settings, database, migrations, clock, provider and server, and say what to do. Ends with 1 when something is bad."""
    found = list(examine())
    show_rows([one._asdict() for one in found], ("how", "what", "said", "do"), output)
    if any(one.how == BAD for one in found):
        raise typer.Exit(NOT_GREEN)


def examine() -> Iterator[Found]:
    """Every check, in the order in which they depend on each other."""
    try:
        settings = settings_now()
    except Problem as problem:
        yield Found("settings", BAD, problem.sentence(), "Correct the variable or the line in .env.")
        return
    yield Found("settings", GOOD, "every COUNTERFOIL_* variable is a setting, within its bounds")
    yield from _database(settings)
    yield from _provider(settings)
    yield from _server()


def _database(settings: Settings) -> Iterator[Found]:
    if settings.database_url is None:
        try:
            where = find(str(settings.postgres_bin) if settings.postgres_bin else None)
            yield Found("database", GOOD, f"a private PostgreSQL in {settings.data_folder}, programs of {where}")
        except Problem as problem:
            do = "Install counterfoil[embedded] or PostgreSQL 15 or later, or set COUNTERFOIL_DATABASE_URL."
            yield Found("database", BAD, problem.sentence(), do)
        return
    try:
        with psycopg.connect(settings.database_url.get_secret_value(), connect_timeout=TIMEOUT_S) as conn:
            yield from _schema(conn)
            yield _clock(conn)
    except psycopg.Error as error:
        said = str(error).strip().splitlines()[0]
        yield Found("database", BAD, said, "Is it running, and is COUNTERFOIL_DATABASE_URL right?")


def _schema(conn: psycopg.Connection[Any]) -> Iterator[Found]:
    version = conn.info.server_version
    told = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version < POSTGRES_MIN:
        yield Found("database", BAD, told, "PostgreSQL 15 or later is needed.")
        return
    yield Found("database", GOOD, told)
    off = conn.execute(
        "select current_setting('fsync') = 'off' or current_setting('full_page_writes') = 'off'"
    ).fetchone()
    if off == (True,):
        yield Found(
            "durability", BAD, "fsync or full_page_writes is off", "Turn both on: a crash loses money otherwise."
        )
    else:
        yield Found("durability", GOOD, "fsync and full_page_writes are on")
    try:
        lacking = pending(conn)
    except Problem as problem:
        yield Found(
            "migrations", BAD, problem.sentence(), "Run the version of counterfoil that migrated it, or a newer one."
        )
        return
    if lacking:
        yield Found("migrations", BAD, f"{len(lacking)} are missing: {', '.join(lacking)}", "counterfoil migrate")
    else:
        yield Found("migrations", GOOD, "all are applied")


def _clock(conn: psycopg.Connection[Any]) -> Found:
    began = now()
    row = conn.execute("select clock_timestamp()").fetchone()
    ended = now()
    skew = abs((row[0] if row else ended) - (began + (ended - began) / 2))
    told = f"{skew / timedelta(milliseconds=1):.0f} ms between this machine and the database"
    if skew > SKEW_MAX:
        return Found("clock", BAD, told, "Run NTP on both: leases, webhooks and effective dates depend on it.")
    return Found("clock", GOOD, told)


def _provider(settings: Settings) -> Iterator[Found]:
    if settings.provider_url is None:
        yield Found("provider", WARNING, "none is set", "Set COUNTERFOIL_PROVIDER_URL, or start `counterfoil demo`.")
        return
    for variable in lacking_secrets(settings):
        yield Found("provider", BAD, f"{variable} is not set", "Take it from the provider's dashboard.")
    yield _answers("provider", lambda: httpx2.get(settings.provider_url or "", timeout=TIMEOUT_S, trust_env=False))


def _server() -> Iterator[Found]:
    url, key = server("read", os.environ)
    found = _answers("server", lambda: httpx2.get(f"{url}/healthz", timeout=TIMEOUT_S, trust_env=False), need=200)
    if found.how != GOOD:
        yield Found("server", WARNING, found.said, "`counterfoil serve` starts it; COUNTERFOIL_URL says where it is.")
        return
    yield found
    if key is None:
        yield Found("key", WARNING, "there is none to ask with", "Set COUNTERFOIL_API_KEY.")
        return
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx2.get(f"{url}/api/workers", headers=headers, timeout=TIMEOUT_S, trust_env=False)
    if answer.status_code == 401:
        yield Found("key", WARNING, "the server does not know ours", "Set COUNTERFOIL_API_KEY.")
        return
    healthy = sum(one["health"] == "healthy" for one in answer.json().get("data", []))
    if healthy:
        yield Found("worker", GOOD, f"{healthy} healthy")
    else:
        yield Found("worker", BAD, "none is healthy: nothing is sent, settled or applied", "counterfoil worker")


def _answers(what: str, ask: Callable[[], httpx2.Response], *, need: int | None = None) -> Found:
    try:
        answer = ask()
    except httpx2.HTTPError as error:
        return Found(what, BAD, f"does not answer: {type(error).__name__}", "Is it running, and is the address right?")
    if need is not None and answer.status_code != need:
        return Found(what, BAD, f"answers {answer.status_code}", "Its log says why.")
    return Found(what, GOOD, "answers")
