"""From settings to what a process runs with: database, providers, wiring."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
from psycopg import Connection

from counterfoil.backups.keys import BackupKeys, kept_backup_keys, parse_backup_keys
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.backups.recovery.receiving import WalArchive
from counterfoil.base.edge import Database, SharedClock, entropy, make_id, now, set_up
from counterfoil.base.encryption.key_file import FILE, kept_keys, new_key
from counterfoil.base.encryption.keys import EncryptionKeys, parse_keys
from counterfoil.base.encryption.standing import refuse_unknown_keys
from counterfoil.base.logs import start_logging
from counterfoil.base.migrations.runner import migrate, pending
from counterfoil.base.postgres.fitness import refuse_unless_fit
from counterfoil.base.postgres.launcher import DATABASE, PrivatePostgres, running_url
from counterfoil.base.postgres.logins import SERVER, make_logins
from counterfoil.base.postgres.reach import connected, refuse_unless_reached
from counterfoil.base.problems import Busy, DatabaseAway, InvalidInput, Problem
from counterfoil.base.secret import EncryptionKey
from counterfoil.base.settings import SecretMissing, Settings, lacking_secrets, load_settings, lost_keys, variable_of
from counterfoil.cli.local.backup.copying_here import copying_of
from counterfoil.cli.local.crash_drill import take_part_in_drills
from counterfoil.cli.local.providers import providers_of
from counterfoil.drills.running import DrillMeans
from counterfoil.operations.credentials import note_login
from counterfoil.operations.notices.channels import parse_channels
from counterfoil.operations.providers import WritesOrders
from counterfoil.operations.webhooks_out.addresses import networks_of
from counterfoil.operations.work.circuit_rules import CircuitLimits
from counterfoil.operations.work.runner import refuse_short_lease
from counterfoil.reconciliation.runs.schedule import valid_cron
from counterfoil.treasury.carbon.model import CarbonMeans
from counterfoil.treasury.carbon.watttime import WattTime
from counterfoil.treasury.two_phase.peers import parse_peers
from counterfoil.wiring import CONFIDENTIAL, INVARIANTS, Wiring

LOOK_EVERY_S: Final = 1.0
_log = structlog.get_logger("counterfoil.start")


class NotMigrated(Problem):
    """This database lacks migrations; run `counterfoil migrate`."""

    todo = "Run `counterfoil migrate`."


class Installation(NamedTuple):
    """What one process runs with."""

    settings: Settings
    wiring: Wiring
    database: Database
    url: str
    owner: str


def settings_now(**given: object) -> Settings:
    """The settings of this process; options that were not given do not count."""
    return load_settings(os.environ, **{name: value for name, value in given.items() if value is not None})


def keys_here(settings: Settings) -> EncryptionKeys:
    """The encryption keys: the setting, or for a private database those in its folder, made once.

    Raises SecretMissing, KeyFileOpen, WeakSecret.
    """
    if settings.encryption_keys is not None:
        return _keys(settings, parse_keys(settings.encryption_keys.get_secret_value()))
    if settings.database_url is not None:  # its rows would be readable from this folder only
        raise SecretMissing(variables=[variable_of("encryption_keys")])
    return _keys(settings, kept_keys(settings.data_folder, entropy))


def keys_for(conn: Connection[Any], settings: Settings) -> EncryptionKeys:
    """As `keys_here`, for this database: where rows are under a key that is gone, none is made in its place.

    Raises EncryptionKeysUnset, too.
    """
    refuse_to_replace_keys(conn, settings)
    keys = keys_here(settings)
    refuse_unknown_keys(conn, CONFIDENTIAL, keys)
    return keys


def has_keys(settings: Settings) -> bool:
    """Are there keys, in the setting or for a private database in its folder?"""
    return settings.encryption_keys is not None or (settings.database_url is None and (settings.data_folder / FILE).exists())


def refuse_to_replace_keys(conn: Connection[Any], settings: Settings) -> None:
    """Raises EncryptionKeysUnset when there are no keys here and rows are encrypted: a new key does not open them."""
    if not has_keys(settings):
        refuse_unknown_keys(conn, CONFIDENTIAL, _keys(settings, parse_keys(new_key(entropy))))


def _keys(settings: Settings, keys: Sequence[EncryptionKey]) -> EncryptionKeys:
    lost = [bytes.fromhex(one) for one in lost_keys(settings.encryption_keys_lost)]
    return EncryptionKeys(keys, entropy, lost=lost)


class Addresses(NamedTuple):
    """Where the database is: for who migrates, and for who serves and works. One login with a setting, two where we make them."""

    migrating: str
    serving: str


@contextmanager
def addresses(settings: Settings, *, keep: bool = False) -> Iterator[Addresses]:
    """Where the database is: the setting, or the private PostgreSQL in the data folder, which runs for as long as the block.

    Whoever started it stops it. `keep`: a process that stays starts it again, when a command that ended took it along.
    """
    if settings.database_url is not None:
        yield Addresses(*[settings.database_url.get_secret_value()] * 2)
        return
    binaries = str(settings.postgres_bin) if settings.postgres_bin else None
    with PrivatePostgres(settings.data_folder, binaries=binaries) as postgres:
        ended = threading.Event()
        keeper = threading.Thread(target=_keep_running, args=(postgres, ended), daemon=True)
        if keep:
            keeper.start()
        try:
            yield Addresses(postgres.url, postgres.url_of(DATABASE, login=SERVER))
        finally:
            ended.set()
            if keep:
                keeper.join()


def _keep_running(postgres: PrivatePostgres, ended: threading.Event) -> None:
    while not ended.wait(LOOK_EVERY_S):
        if postgres.pid is None:
            _log.warning("the private PostgreSQL ended with the command that had started it; it is started again")
            try:
                postgres.start()
            except (Problem, OSError) as error:
                _log.warning("it did not start; the next look tries again", error=str(error))


@contextmanager
def serving_url(settings: Settings, *, keep: bool = False) -> Iterator[str]:
    """Where a process of this installation serves from, migrated when it is the private one. Never as a superuser."""
    with addresses(settings, keep=keep) as found:
        if settings.database_url is None:  # the private database has nobody else to look after it
            migrate(found.migrating)
            make_logins(found.migrating)
        yield found.serving


@contextmanager
def local_database(settings: Settings) -> Iterator[Database]:
    """The database, for one command on this machine. Raises DatabaseAway within 3 s, NotMigrated."""
    with serving_url(settings) as url:
        _refuse_unless_ready(url)
        database = Database(url, connections_max=2, prepares=settings.database_prepares).open()
        try:
            yield database
        finally:
            database.close()


def _refuse_unless_ready(url: str) -> None:
    with connected(url) as conn:
        if lacking := pending(conn):
            raise NotMigrated(missing=lacking)


def refuse_unless_settings_agree(settings: Settings) -> None:
    """Raises LeaseTooShort, InvalidInput: pairs of settings with which a payout could be sent twice, or no log be kept, start nothing."""
    timeout = timedelta(milliseconds=settings.provider_timeout_ms)
    refuse_short_lease(timedelta(seconds=settings.worker_lease_s), timeout)
    if timedelta(seconds=settings.provider_horizon_s) <= timeout:
        limit = f"more than provider_timeout_ms, {settings.provider_timeout_ms} ms"
        raise InvalidInput("provider_horizon_s", limit, got=settings.provider_horizon_s)
    if settings.base_backup_cron and settings.database_url is not None and settings.replication_url is None:
        raise InvalidInput("replication_url", "set, where base_backup_cron is: a login with REPLICATION")


@contextmanager
def installed(settings: Settings, *, migrating: bool = False) -> Iterator[Installation]:
    """Everything a server or a worker needs, opened and closed again. Raises SecretMissing, and NotMigrated unless it may migrate."""
    start_logging(settings.log_level, gather=True)
    if lacking := lacking_secrets(settings):
        raise SecretMissing(variables=lacking)
    refuse_unless_settings_agree(settings)
    pid = os.getpid()
    if settings.drill_folder is not None:
        take_part_in_drills(settings.drill_folder, pid)
    with serving_url(settings, keep=True) as url:
        if migrating and settings.database_url is not None:
            refuse_unless_reached(url)
            migrate(url)
        keys = _fit_with_keys(url, settings)
        database = Database(url, connections_max=settings.connections_max, prepares=settings.database_prepares, keys=keys).open()
        clock = SharedClock(database).start()
        with suppress(Busy, DatabaseAway), database.transaction() as conn:  # away: this process waits for it, and notes it next time
            note_login(conn, now=clock())
        try:
            yield Installation(settings, _wiring(settings, database, url, clock), database, url, process_name(pid))
        finally:
            clock.close()
            database.close()


def process_name(pid: int) -> str:
    """How this process names its leases and its heartbeat."""
    return f"{socket.gethostname()}:{pid}"


def crons_of(settings: Settings) -> dict[str, str]:
    """When what a schedule wants is due, by its name: which scope is reconciled, which run the sentinel makes. Raises InvalidInput."""
    given = {
        "full": ("reconcile_full_cron", settings.reconcile_full_cron),
        "recent": ("reconcile_recent_cron", settings.reconcile_recent_cron),
        "sentinel-full": ("sentinel_full_cron", settings.sentinel_full_cron),
        "heartbeat": ("notice_heartbeat_cron", settings.notice_heartbeat_cron),
        "sentinel-recent": ("sentinel_recent_cron", settings.sentinel_recent_cron),
        "backup": ("backup_cron", settings.backup_cron),
        "base-backup": ("base_backup_cron", settings.base_backup_cron),
    }
    return {name: valid_cron(cron, field) for name, (field, cron) in given.items() if cron}


def _wiring(settings: Settings, database: Database, url: str, clock: SharedClock) -> Wiring:
    providers = providers_of(settings)
    for one in providers.values():
        if isinstance(one, WritesOrders):
            one.reads_by(lambda: database.transaction(read_only=True))
    return Wiring(
        database=database,
        providers=providers,
        program_id=settings.program,
        clock=clock,
        make_id=make_id,
        silent_after=timedelta(seconds=settings.provider_silent_s),
        lease=timedelta(seconds=settings.worker_lease_s),
        rows_max=settings.worker_rows_max,
        call_limit=timedelta(milliseconds=settings.provider_timeout_ms),
        circuits=CircuitLimits(settings.provider_circuit_failures_max, timedelta(seconds=settings.provider_circuit_rest_s)),
        run_folder=settings.data_folder / "reconciliation",
        proof_folder=proof_folder(settings),
        proof_quorum=settings.proof_quorum,
        crons=crons_of(settings),
        cooling=timedelta(hours=settings.destination_cooling_hours),
        carbon=_carbon(settings),
        runbook_folder=settings.runbook_folder,
        login_issuer=settings.login_issuer,
        backups=(made := backups_of(settings, database, url, clock)),
        wal=wal_of(settings, made),
        drills=drills_of(settings, made),
        copying=copying_of(settings, proofs=lambda: proof_folder(settings), backups=lambda: backup_folder(settings)),
        peers=parse_peers(settings.peers.get_secret_value() if settings.peers else "", ours=settings.server_name, providers=providers),
        webhook_networks=networks_of(settings.webhook_networks),
        channels=parse_channels(settings.notice_channels.get_secret_value() if settings.notice_channels else ""),
        health_url=settings.health_url,
        monitors_every_s=settings.sentinel_monitors_s,
        metrics_namespace=settings.metrics_namespace,
        heartbeat_url=settings.heartbeat_url.get_secret_value() if settings.heartbeat_url else "",
    )


@contextmanager
def backups_here(settings: Settings) -> Iterator[Backups]:
    """What a command of this machine makes and restores backups with. Raises NotMigrated, SecretMissing, DatabaseNotFit."""
    with serving_url(settings) as url:
        _refuse_unless_ready(url)
        with connected(url) as conn:
            refuse_unless_fit(conn, now=now())
            set_up(conn, "counterfoil_app", read_only=True)
            keys = keys_for(conn, settings)
        database = Database(url, connections_max=3, prepares=settings.database_prepares, keys=keys).open()
        try:
            yield backups_of(settings, database, url, now)
        finally:
            database.close()


def backups_of(settings: Settings, database: Database, url: str, clock: Callable[[], datetime]) -> Backups:
    """What backups of this database are made with."""
    return Backups(
        database=database,
        url=url,
        folder=backup_folder(settings),
        keys=lambda: backup_keys(settings),
        make_id=make_id,
        clock=clock,
        policy=KeepPolicy(settings.backup_keep_days, settings.backup_keep_weeks, settings.backup_keep_months),
        programs=str(settings.postgres_bin) if settings.postgres_bin else None,
        proof_folder=proof_folder(settings),
    )


def drills_of(settings: Settings, backups: Backups) -> DrillMeans:
    """What drills are run with on this machine."""
    from counterfoil.cli.local.drills.faults import PAYMENT_DRILLS  # they start installations of their own, which begin here

    return DrillMeans(backups, INVARIANTS, settings.data_folder / "scratch", PAYMENT_DRILLS)


def wal_of(settings: Settings, backups: Backups) -> WalArchive:
    """What recovery to a second is kept with."""
    return WalArchive(
        backups,
        lambda: replication_url(settings),
        settings.data_folder / "wal-spool",
        timedelta(days=settings.recovery_window_days),
    )


def replication_url(settings: Settings) -> str | None:
    """Where the whole server is copied from: the setting, or the private PostgreSQL, while it runs."""
    if settings.replication_url is not None:
        return settings.replication_url.get_secret_value()
    return None if settings.database_url is not None else running_url(settings.data_folder, login="postgres")


def proof_folder(settings: Settings) -> Path:
    """Where proofs and checkpoints lie."""
    return settings.proof_folder or settings.data_folder / "proofs"


def backup_folder(settings: Settings) -> Path:
    """Where backups lie."""
    return settings.backup_folder or settings.data_folder / "backups"


def backup_keys(settings: Settings) -> BackupKeys:
    """The keys of backups: the setting, or for a private database those in its folder, made once. Raises BackupKeysUnset."""
    if settings.backup_keys is not None:
        return parse_backup_keys(settings.backup_keys.get_secret_value())
    return BackupKeys([]) if settings.database_url is not None else kept_backup_keys(settings.data_folder)


def _carbon(settings: Settings) -> CarbonMeans:
    user, password = settings.watttime_username, settings.watttime_password
    source = WattTime(user, password.get_secret_value(), url=settings.watttime_url) if user and password else None
    return CarbonMeans(source, timedelta(hours=settings.carbon_window_hours), timedelta(minutes=settings.carbon_sync_minutes))


def _fit_with_keys(url: str, settings: Settings) -> EncryptionKeys:
    """The keys for this database, once it was found fit to work on."""
    try:
        with connected(url) as conn:
            if lacking := pending(conn):
                raise NotMigrated(missing=lacking)
            for one in refuse_unless_fit(conn, now=now()):
                _log.warning("the database is not as it should be", what=one.what, said=one.said, do=one.do)
            set_up(conn, "counterfoil_app", read_only=True)
            return keys_for(conn, settings)
    except DatabaseAway as away:
        # It may be starting, too. A process that waits for its database serves sooner than one that must be started again.
        _log.warning("the database does not answer yet; this process waits for it", **away.facts)
        return keys_here(settings)
