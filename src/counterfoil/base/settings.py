"""Every knob of an installation, once: read from COUNTERFOIL_* and `.env` at start, then frozen and passed down as plain values.

What an operator changes while it runs is a row with history, not a setting.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import psycopg
from dotenv import dotenv_values
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from counterfoil.base.encryption.keys import ID_BYTES, parse_keys
from counterfoil.base.environment.backup_settings import BackupSettings
from counterfoil.base.environment.chain_settings import ChainSettings
from counterfoil.base.environment.login_settings import LoginSettings
from counterfoil.base.environment.other_variables import OTHER_VARIABLES
from counterfoil.base.environment.store_settings import StoreSettings
from counterfoil.base.postgres.way import may_be_read
from counterfoil.base.problems import Problem
from counterfoil.base.secret import Secret, SigningSecret, WeakSecret

PREFIX: Final = "COUNTERFOIL_"
ENV_FILE: Final = ".env"

Minutes = Annotated[int, Field(gt=0, le=1_440)]
Milliseconds = Annotated[int, Field(gt=0, le=60_000)]


class UnknownSetting(Problem, kind="invalid"):
    """A variable begins with COUNTERFOIL_ and is no setting: most likely a typo, so nothing starts."""


class SettingRefused(Problem, kind="invalid"):
    """A setting has a value that it cannot have."""


class SecretMissing(Problem, kind="invalid"):
    """A secret that this installation needs is not set, so nothing starts; there is no default that anybody could know."""


class Settings(ChainSettings, BackupSettings, LoginSettings, StoreSettings):
    """The settings of one installation; see the reference for each one's variable, unit and bounds."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding="utf-8",
        extra="ignore",  # `load_settings` refuses what is unknown, and leaves other programs' lines of `.env` alone
        frozen=True,
        hide_input_in_errors=True,
    )

    database_tls: bool = Field(False, description="Addresses of PostgreSQL over a network have `sslmode=verify-full`, or are refused.")
    database_url: SecretStr | None = Field(
        None, description="PostgreSQL 15 or later, as a URL or conninfo. Absent: a private one in the data folder."
    )
    data_folder: Path = Field(Path(".counterfoil"), description="Where the private PostgreSQL, exports and the demo's keys lie.")
    encryption_keys: SecretStr | None = Field(
        None,
        description="Keys with which destinations, bank lines and received webhooks are encrypted: base64 of 32 random bytes each, "
        "with commas. The first encrypts, all of them open. Absent: for the private database, those in `encryption.keys` in the "
        "data folder, made once.",
    )
    encryption_keys_lost: str = Field(
        "",
        max_length=1_000,
        description="Ids of keys that are lost for good, with commas: what they encrypted stays unreadable, and nothing waits for them.",
    )
    postgres_bin: Path | None = Field(
        None, description="Folder of the programs for the private PostgreSQL. Absent: the newest that is found."
    )
    database_prepares: bool = Field(
        True,
        description="Plan a statement once per connection. Turn it off behind a pooler that swaps connections between "
        "transactions and does not know prepared statements (PgBouncer before 1.21, or with max_prepared_statements = 0).",
    )
    connections_max: int = Field(
        10, ge=2, le=200, description="Connections of one process; PostgreSQL allows 100 to all of them by default."
    )
    accounts_remembered_max: int = Field(
        200_000,
        ge=10_000,
        le=10_000_000,
        description="Accounts of one program and asset whose totals a server's writer of bulks remembers, half a kilobyte each. Where "
        "more are in use, it reads them again and again.",
    )
    host: str = Field("127.0.0.1", min_length=1, max_length=255, description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65_535, description="Port to listen on; 0 takes a free one and prints it.")
    body_bytes_max: int = Field(1_000_000, ge=10_000, le=100_000_000, description="Largest body of a request that is no file, in bytes.")
    import_bytes_max: int = Field(
        100_000_000, ge=10_000, le=2_000_000_000, description="Largest file that may be sent for import, in bytes."
    )
    server_connections_max: int = Field(
        1_000, ge=10, le=100_000, description="Connections that a server holds; the next are refused with 503."
    )
    key_requests_max: int = Field(
        1_000, ge=1, le=1_000_000, description="Requests of one API key or login within a second, in all processes."
    )
    address_requests_max: int = Field(
        20_000, ge=1, le=1_000_000, description="Requests of one address within a second, whoever asks there, in all processes."
    )
    trusted_proxies: str = Field(
        "",
        max_length=1_000,
        description="Addresses or networks of the proxies in front, with commas. Only they may say (`X-Forwarded-For`) from where "
        "somebody comes.",
    )
    dashboard_refresh_s: int = Field(30, ge=5, le=3_600, description="Seconds between refreshes of a dashboard page.")
    dashboard_https: bool = Field(
        False,
        description="Browsers reach the dashboard by https, through a proxy in front: its cookie then travels by nothing else.",
    )
    program: str = Field(
        "main",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="The program that money is booked to when it names no invoice of ours.",
    )
    provider_url: str | None = Field(
        None, pattern=r"^https?://", description="Address of the payment provider. Absent: the simulator of the demo."
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Where others reach this server, such as https://books.example: the provider's webhooks go to "
        "`/webhooks/{provider}` there. Absent: `host` and `port`.",
    )
    provider_api_key: SecretStr | None = Field(None, description="With which key the provider is asked.")
    provider_webhook_secret: SecretStr | None = Field(None, description="With what the provider signs its webhooks (`whsec_…`).")
    stripe_api_key: SecretStr | None = Field(
        None,
        description="Stripe is a provider, asked with this key (a restricted one for transfers, payouts, charges, events and the balance "
        "will do). Absent: it is none. Needs the extra `counterfoil[stripe]`.",
    )
    stripe_webhook_secret: SecretStr | None = Field(
        None, description="With what Stripe signs the webhooks that it sends to `/api/webhooks/stripe`."
    )
    stripe_url: str = Field(
        "https://api.stripe.com",
        pattern=r"^https?://",
        description="Address of Stripe's API; the simulator's and `/stripe` speaks the part of it that is used.",
    )
    sepa_debtor_iban: str | None = Field(
        None,
        max_length=34,
        description="Our account at the bank that pays by files of SEPA orders, then the provider `sepa`. Absent: none does. Needs "
        "the extra `counterfoil[bank-files]`.",
    )
    sepa_debtor_name: str | None = Field(None, max_length=70, description="Whose account that is, as the bank knows it.")
    sepa_debtor_bic: str | None = Field(None, max_length=11, description="The bank's BIC, where it wants to see it.")
    sepa_gather_minutes: int = Field(
        60,
        ge=0,
        le=10_080,
        description="A file for the bank is made when its oldest order has waited for so long, or as soon as it is full; 0: at once.",
    )
    sepa_orders_max: int = Field(1_000, ge=1, le=10_000, description="How many orders a file for the bank carries at most.")
    provider_timeout_ms: Milliseconds = Field(
        10_000, description="A provider that is silent for so long has an unknown outcome, never a failed one."
    )
    provider_horizon_s: int = Field(
        900,
        ge=1,
        le=86_400,
        description="For so long after it was announced, an order may still reach the provider: the life of a connection and the "
        "provider's longest processing. Until then nothing of it is tried anew. More than `provider_timeout_ms`.",
    )
    destination_cooling_hours: int = Field(
        72,
        ge=0,
        le=8_760,
        description="For so long nothing is paid to a destination that was changed, unless the payout policy of the asset says otherwise.",
    )
    provider_silent_s: int = Field(600, ge=1, le=86_400, description="After so long without news of a sent payout, the provider is asked.")
    provider_circuit_failures_max: int = Field(
        5,
        ge=1,
        le=1_000,
        description="After so many calls in a row that failed, a provider is not called until one call has shown that it works again.",
    )
    provider_circuit_rest_s: int = Field(
        30,
        ge=1,
        le=3_600,
        description="How long such a provider is left alone before one call tries; doubled with each try that fails, up to 5 minutes.",
    )
    intent_timeout_minutes: Minutes = Field(10, description="An intent without progress for so long is shown as stuck.")
    worker_poll_ms: Milliseconds = Field(1_000, description="Longest rest between two looks for due work; a notification ends it early.")
    worker_lease_s: int = Field(
        60,
        ge=2,
        le=3_600,
        description="A worker that does not finish within this loses its work to another. At least 2 s more than "
        "`provider_timeout_ms`, or nothing starts.",
    )
    worker_rows_max: int = Field(500, ge=1, le=10_000, description="Rows that one tick takes on.")
    reconcile_full_cron: str = Field(
        "0 2 * * *",
        max_length=100,
        description="When (UTC) everything is reconciled, and client money drawn up: five fields of cron.",
    )
    reconcile_recent_cron: str | None = Field(
        None,
        max_length=100,
        description="When (UTC) what is new since then is reconciled. Absent: only with everything.",
    )
    sentinel_full_cron: str = Field("0 2 * * *", max_length=100, description="When (UTC) every check is asked of everything.")
    sentinel_recent_cron: str = Field(
        "0 * * * *",
        max_length=100,
        description="When (UTC) every check is asked of what is new since the last run.",
    )
    sentinel_monitors_s: int = Field(60, ge=5, le=3_600, description="How often the monitors are asked: workers, queues, schedules, calls.")
    metrics_namespace: str = Field("counterfoil", pattern=r"^[a-z][a-z0-9_]{0,62}$", description="What the names of metrics begin with.")
    notice_channels: SecretStr | None = Field(
        None,
        description="Where people are told of alerts and incidents: name=address, with spaces between, the addresses as Apprise writes "
        "them (slack://…, discord://…, mailtos://…). name:critical=address, or name:warning=…, takes nothing below that level; by "
        "name:owners=…, a mail account without recipients, owners of endpoints are written to. Needs the extra `notices`.",
    )
    notice_heartbeat_cron: str = Field(
        "0 6 * * *", max_length=100, description="When (UTC) every channel is told how things stand, also when all is well; empty: never."
    )
    health_url: str = Field(
        "", max_length=300, description="The server's `/healthz`, asked by the worker each minute; absent: availability is not measured."
    )
    heartbeat_url: SecretStr | None = Field(
        None,
        description="Called by the worker every minute: a dead-man's switch outside, which raises the alarm when calls stop.",
    )
    runbook_folder: Path | None = Field(
        None, description="Where your own runbooks lie, *.toml; one of a name that comes with counterfoil goes before it."
    )
    proof_folder: Path | None = Field(
        None,
        description="Where checkpoints of the log and proofs lie, best on a disk or share that the database's owner cannot write to. "
        "Absent: `proofs` in the data folder. Servers and workers share it.",
    )
    proof_quorum: int = Field(2, ge=1, le=5, description="So many people in different roles sign the proof of a period.")
    drill_folder: Path | None = Field(
        None,
        description="Drills only: at the point of a payment that the file `armed` in this folder names, server and worker "
        "write the file `reached` and wait to be killed. Absent: no drill.",
    )
    server_name: str = Field(
        "here",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$",
        description="How this server is called by its peers.",
    )
    peers: SecretStr | None = Field(
        None,
        description="Other counterfoil servers whose agents take part in transactions with ours: name, URL and the secret (`whsec_…`) that "
        "both share, with commas between servers. The name is the one by which that server calls itself.",
    )
    webhook_networks: str = Field(
        "", max_length=1_000, description="Networks that are told by webhooks although they are not public, with commas; also by http."
    )
    watttime_username: str | None = Field(
        None, min_length=1, max_length=200, description="Our user at WattTime, who says what grids emit. Absent: no carbon figures are had."
    )
    watttime_password: SecretStr | None = Field(None, description="Its password.")
    watttime_url: str = Field("https://api.watttime.org", pattern=r"^https?://", description="Address of WattTime's API, version 3.")
    carbon_window_hours: int = Field(
        48,
        ge=1,
        le=720,
        description="For so long after a day's end the source of carbon figures may still change them: what differs is lag, then a break.",
    )
    carbon_sync_minutes: int = Field(60, ge=5, le=1_440, description="How often the source of carbon figures is asked.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")

    @field_validator("database_url", "replication_url")
    @classmethod
    def _is_an_address(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None:
            try:
                if not conninfo_to_dict(given.get_secret_value()):  # it would lead to whatever answers at libpq's defaults
                    raise psycopg.ProgrammingError
            except psycopg.Error:
                raise ValueError("a PostgreSQL URL or conninfo, such as postgresql://user@host/database") from None
        return given

    @field_validator("trusted_proxies", "webhook_networks")
    @classmethod
    def _are_networks(cls, given: str) -> str:
        for one in filter(None, map(str.strip, given.split(","))):
            try:
                ipaddress.ip_network(one, strict=False)
            except ValueError:
                raise ValueError("must be addresses or networks with commas, such as 10.0.0.0/8") from None
        return given

    @field_validator("encryption_keys")
    @classmethod
    def _are_keys(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None:
            try:
                parse_keys(given.get_secret_value())
            except WeakSecret as weak:
                raise ValueError(f"must be {weak.facts['limit']}") from None
        return given

    @field_validator("encryption_keys_lost")
    @classmethod
    def _are_ids_of_keys(cls, given: str) -> str:
        if any(not re.fullmatch(rf"[0-9a-f]{{{2 * ID_BYTES}}}", one) for one in lost_keys(given)):
            raise ValueError(f"must be ids of keys with commas, each of {2 * ID_BYTES} digits and letters a to f")
        return given

    @field_validator("provider_api_key", "provider_webhook_secret", "stripe_api_key", "stripe_webhook_secret", "chain_private_key")
    @classmethod
    def _cannot_be_guessed(cls, given: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if given is not None:
            name = str(info.field_name)
            try:
                _SECRETS[name](given.get_secret_value(), name)
            except WeakSecret as weak:
                raise ValueError(f"must be {weak.facts['limit']}") from None
        return given


_SECRETS: Final[Mapping[str, type[Secret]]] = {
    "provider_api_key": Secret,
    "provider_webhook_secret": SigningSecret,
    "stripe_api_key": Secret,
    "stripe_webhook_secret": Secret,
    "chain_private_key": Secret,
}


def lost_keys(given: str) -> list[str]:
    """The ids in `encryption_keys_lost`."""
    return [one.strip() for one in given.split(",") if one.strip()]


def lacking_secrets(settings: Settings) -> list[str]:
    """The variables of secrets that this installation needs as it is set, and does not have. `doctor` says so; nothing starts."""
    needed: tuple[str, ...] = ("provider_api_key", "provider_webhook_secret") if settings.provider_url is not None else ()
    needed += ("stripe_webhook_secret",) if settings.stripe_api_key is not None else ()
    needed += ("chain_private_key",) if settings.chain_url is not None else ()
    needed += ("watttime_password",) if settings.watttime_username is not None else ()
    if settings.database_url is not None:  # a private database keeps its keys in its own folder
        needed += ("encryption_keys",)
    return [variable_of(name) for name in needed if getattr(settings, name) is None]


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def unknown_settings(names: Iterable[str], *, also: Iterable[str] = OTHER_VARIABLES) -> list[str]:
    """COUNTERFOIL_* names that are neither a setting nor one of `also`, in order."""
    known = {*map(variable_of, Settings.model_fields), *also}
    return sorted(name for name in names if name.upper().startswith(PREFIX) and name.upper() not in known)


def load_settings(environ: Mapping[str, str], **given: Any) -> Settings:
    """The settings of this process; `given` (options of the command line) go over the environment, that over `.env`.

    Raises UnknownSetting with the closest name, SettingRefused with every field and limit; neither shows a value.
    """
    in_file = dotenv_values(ENV_FILE, interpolate=False)
    for place, unknown in (("environment", unknown_settings(environ)), (ENV_FILE, unknown_settings(in_file, also=()))):
        if unknown:
            close = difflib.get_close_matches(unknown[0].upper(), map(variable_of, Settings.model_fields), n=1)
            raise UnknownSetting(variable=unknown[0], place=place, did_you_mean=close[0] if close else None, all=unknown)
    try:
        made = Settings(**given)
    except ValidationError as error:
        told = [f"{variable_of(str(one['loc'][0]))}: {one['msg']}" for one in error.errors()]
        raise SettingRefused(problems=told) from None
    for name in ("database_url", "replication_url") if made.database_tls else ():
        if (url := getattr(made, name)) is not None and may_be_read(url.get_secret_value()):
            raise SettingRefused(problems=[f"{variable_of(name)}: an address with sslmode=verify-full, which database_tls demands"])
    return made
