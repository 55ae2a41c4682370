"""What `counterfoil setup` makes of its answers: rules of the answers, what is still to do, and the writing of it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from psycopg import Connection

from counterfoil.audit.actions import record_action
from counterfoil.base.edge import entropy
from counterfoil.base.encryption.key_file import new_key
from counterfoil.base.money import Asset, asset_code
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.settings import Settings, variable_of
from counterfoil.ledger.accounts.accounts import SCALE_MAX, open_program
from counterfoil.ledger.problems import UnknownProgram
from counterfoil.ledger.reads.listing import ListedProgram, list_programs, show_program
from counterfoil.settlement.fees.fees import RateVersion, list_rates, set_rates
from counterfoil.settlement.fees.rules import check_rates

NONE: Final = "none"
PROVIDERS: Final = ("simulator", NONE)
NAME_MAX: Final = 200
KEY_BYTES: Final = 24
PROGRAMS_TOLD: Final = 10
SECRETS: Final = ("provider_api_key", "provider_webhook_secret")
HIDDEN: Final = (*SECRETS, "encryption_keys")


class SetUpOtherwise(Problem):
    """This installation is set up otherwise; `setup` begins, and changes nothing that is there."""


class Answers(NamedTuple):
    """What was answered; rates in hundredths of a percent, `provider_url` None without a provider."""

    program: str
    name: str
    assets: tuple[Asset, ...]
    platform_bps: int
    validator_bps: int
    holdback_bps: int
    provider: str
    provider_url: str | None
    public_url: str

    @property
    def rates(self) -> tuple[int, int, int]:
        """Of the platform, of the validator, held back."""
        return self.platform_bps, self.validator_bps, self.holdback_bps


def program_id(text: str) -> str:
    """As the setting `program` has it. Raises InvalidInput."""
    return _fitting("program", text)


def name(text: str) -> str:
    """A name for people. Raises InvalidInput."""
    found = text.strip()
    if not 0 < len(found) <= NAME_MAX or not found.isprintable():
        raise InvalidInput("name", f"1 to {NAME_MAX} printable characters", got=found[:40])
    return found


def assets(text: str) -> tuple[Asset, ...]:
    """`EUR:2 JPY:0`. Raises InvalidInput."""
    found = tuple(_asset(one) for one in text.replace(",", " ").split())
    if not found or len({one.code for one in found}) < len(found):
        raise InvalidInput("asset", "one or more different assets, such as EUR:2", got=text[:40])
    return found


def _asset(text: str) -> Asset:
    code, _, scale = text.partition(":")
    if not (scale.isascii() and scale.isdigit() and int(scale) <= SCALE_MAX):
        raise InvalidInput("asset", f"a code and its decimals (0 to {SCALE_MAX}), such as EUR:2", got=text[:40])
    asset_code(code)
    return Asset(code, int(scale))


def bps(text: str) -> int:
    """Hundredths of a percent. Raises InvalidInput."""
    if not (text.isascii() and text.isdigit() and int(text) <= 10_000):
        raise InvalidInput("rate", "a whole number of hundredths of a percent, 0 to 10000", got=text[:40])
    return int(text)


def provider(text: str) -> str:
    """One of those there are. Raises InvalidInput."""
    if text not in PROVIDERS:
        raise InvalidInput("provider", " or ".join(PROVIDERS), got=text[:40])
    return text


def address(text: str) -> str:
    """http or https, a host, perhaps a port; no path is added to it here. Raises InvalidInput."""
    try:
        found = urlsplit(text)
        whole = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:
        whole = False
    if not whole or not text.isprintable() or any(sign in text for sign in " '\"#$@"):
        raise InvalidInput("url", "an address such as https://books.example", got=text[:80])
    return text.rstrip("/")


def refuse_rates(answers: Answers) -> None:
    """Raises InvalidInput: together they are at most 100 %."""
    check_rates(*answers.rates)


def lines_of(answers: Answers) -> dict[str, str | None]:
    """The settings of the answers by variable; None for a secret that is made when there is none yet."""
    found: dict[str, str | None] = {variable_of("program"): answers.program}
    if answers.provider_url is not None:
        found[variable_of("public_url")] = answers.public_url
        found[variable_of("provider_url")] = answers.provider_url
        found |= dict.fromkeys(map(variable_of, SECRETS))
    return found


def made_secret(variable: str) -> str:
    """A secret that nobody knows yet, for the simulator and for us, or for us alone."""
    if variable == variable_of("encryption_keys"):
        return new_key(entropy)
    if variable == variable_of("provider_webhook_secret"):
        return f"whsec_{base64.b64encode(entropy(KEY_BYTES)).decode()}"
    return f"sk_sim_{entropy(KEY_BYTES).hex()}"


def shown(variable: str, value: str) -> str:
    """A value for the eyes; of a secret only that there is one."""
    return "(a new secret)" if variable in map(variable_of, HIDDEN) else value


def to_do(conn: Connection[Any], answers: Answers) -> list[str]:
    """What the database lacks of the answers, in words. Raises SetUpOtherwise."""
    there = _program(conn, answers.program)
    todo = []
    if there is None:
        if others := list_programs(conn, rows_max=PROGRAMS_TOLD + 1):
            known = [one.id for one in others[:PROGRAMS_TOLD]] + ["…"] * (len(others) > PROGRAMS_TOLD)
            advice = "an administrator opens further programs: counterfoil programs create"
            raise SetUpOtherwise(field="program", there=", ".join(known), wanted=answers.program, do=advice)
        kept = ", ".join(f"{one.code} ({one.scale} decimals)" for one in answers.assets)
        todo.append(f"program {answers.program}, “{answers.name}”, with books in {kept}")
    else:
        _refuse_other_program(there, answers)
    rates = _rates(conn, answers.program)
    if rates is None:
        told = zip(("platform", "validator", "held back"), answers.rates, strict=True)
        todo.append("fee rates: " + ", ".join(f"{what} {_percent(rate)}" for what, rate in told))
    elif (rates.platform_bps, rates.validator_bps, rates.holdback_bps) != answers.rates:
        there_now = f"{rates.platform_bps}, {rates.validator_bps}, {rates.holdback_bps}"
        advice = f"an administrator changes them: counterfoil rates set {answers.program}"
        raise SetUpOtherwise(field="rates", there=there_now, wanted=", ".join(map(str, answers.rates)), do=advice)
    return todo


def write(conn: Connection[Any], answers: Answers, *, make_id: Callable[[str], str], actor: str, now: datetime) -> None:
    """Write what the database lacks, and who did it. One `setup` at a time. Raises SetUpOtherwise."""
    conn.execute("select pg_advisory_xact_lock(hashtextextended('setup', 0))")
    if not to_do(conn, answers):
        return
    open_program(conn, answers.program, name=answers.name, assets=list(answers.assets), now=now)
    if _rates(conn, answers.program) is None:
        platform, validator, holdback = answers.rates
        set_rates(conn, answers.program, platform_bps=platform, validator_bps=validator, holdback_bps=holdback, actor=actor, now=now)
    payload = {
        "name": answers.name,
        "assets": [f"{one.code}:{one.scale}" for one in answers.assets],
        "rates": list(answers.rates),
    }
    record_action(
        conn,
        make_id("act"),
        actor=actor,
        role="local",
        verb="program.setup",
        subject_id=answers.program,
        reason=None,
        request_id=make_id("req"),
        payload=payload,
        at=now,
    )


def _refuse_other_program(there: ListedProgram, answers: Answers) -> None:
    if there.name != answers.name:
        raise SetUpOtherwise(field="name", there=there.name, wanted=answers.name)
    kept, wanted = dict(there.assets), {one.code: one.scale for one in answers.assets}
    if kept != wanted:
        told = [", ".join(f"{code}:{scale}" for code, scale in sorted(one.items())) for one in (kept, wanted)]
        advice = f"an administrator adds assets: counterfoil programs create {there.id}"
        raise SetUpOtherwise(field="asset", there=told[0], wanted=told[1], do=advice)


def _program(conn: Connection[Any], program: str) -> ListedProgram | None:
    try:
        return show_program(conn, program)
    except UnknownProgram:
        return None


def _rates(conn: Connection[Any], program: str) -> RateVersion | None:
    """The newest version, whether it is in force yet or not."""
    return next(iter(list_rates(conn, program, rows_max=1)), None)


def _percent(rate: int) -> str:
    whole, rest = divmod(rate, 100)
    return f"{whole}.{rest:02} %" if rest else f"{whole} %"


def _fitting(setting: str, text: str) -> str:
    """A value that this setting may have. Raises InvalidInput."""
    pattern = next(one.pattern for one in Settings.model_fields[setting].metadata if getattr(one, "pattern", None))
    if not re.fullmatch(pattern, text):
        raise InvalidInput(setting, "small letters, digits, - and _; at most 64 characters", got=text[:80])
    return text
