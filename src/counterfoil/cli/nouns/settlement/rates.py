"""`counterfoil rates …`"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from counterfoil.base.problems import InvalidInput
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Given, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import major, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Output, say_done, show_one
from counterfoil.settlement.fees.fees import RATE_LIST

app = command_group("A program's fee rates.")
Program = Annotated[str, typer.Argument(help="The program.")]
LIMITS = ("asset", "fixed", "minimum", "maximum")
OF = Given("program", "The program.", bare=True)
PER_ASSET = "ASSET=AMOUNT"
FEE = "the platform's fee, once for each asset."


@app.command("set")
def set_(
    program: Program,
    platform_bps: Annotated[int, typer.Option("--platform-bps", help="Hundredths of a percent: 500 is 5 %.")],
    validator_bps: Annotated[int, typer.Option("--validator-bps", help="Hundredths of a percent.")],
    holdback_bps: Annotated[int, typer.Option("--holdback-bps", help="Hundredths of a percent.")] = 0,
    holdback_days: Annotated[int, typer.Option("--holdback-days", help="How long a holdback is kept.")] = 30,
    fixed: Annotated[
        list[str] | None, typer.Option("--fixed", metavar=PER_ASSET, help="Added to the platform's fee; once for each asset.")
    ] = None,
    minimum: Annotated[
        list[str] | None, typer.Option("--minimum", metavar=PER_ASSET, help="The platform's fee at least; once for each asset.")
    ] = None,
    maximum: Annotated[
        list[str] | None, typer.Option("--maximum", metavar=PER_ASSET, help="The platform's fee at most; once for each asset.")
    ] = None,
    effective_at: Annotated[str | None, typer.Option("--effective-at", help="From when it is in force; from now, if absent.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Add the next version of the rates. Settlements from its moment on use it; earlier ones keep theirs."""
    body: dict[str, Any] = {
        "platformBps": platform_bps,
        "validatorBps": validator_bps,
        "holdbackBps": holdback_bps,
        "holdbackDays": holdback_days,
        **({"effectiveAt": effective_at} if effective_at else {}),
    }
    with asked("administer") as client:
        limits = _limits({"fixed": fixed, "minimum": minimum, "maximum": maximum})
        done = client.post(f"/api/programs/{program}/rates", {**body, "limits": limits}, dry_run=dry_run)
    say_done(done, output, f"{program} has version {done['version']} of its rates, in force from {done['effectiveAt']}.")


def _limits(given: Mapping[str, Sequence[str] | None]) -> list[dict[str, str]]:
    """What was typed as ASSET=AMOUNT, by asset. Raises InvalidInput for another shape, and for an asset that one option names twice."""
    limits: dict[str, dict[str, str]] = {}
    for name, typed in given.items():
        for one in typed or ():
            asset, equals, amount = (part.strip() for part in one.partition("="))
            if not (asset and equals and amount):
                raise InvalidInput(f"--{name}", f"{PER_ASSET}, such as EUR=0.30", got=one[:40])
            limit = limits.setdefault(asset, {"asset": asset})
            if name in limit:
                raise InvalidInput(f"--{name}", f"once for each asset; {asset} is named twice", got=one[:40])
            limit[name] = to_minor(amount, asset, f"--{name}")
    return list(limits.values())


@app.command("show")
def show(program: Program, output: Output = TABLE) -> None:
    """The rates that settlements use now."""
    with asked("read") as client:
        show_one(client.get(f"/api/programs/{program}/rates"), output, parts=(("limits", LIMITS),))


def _limit_text(one: Mapping[str, str | None]) -> str:
    """The limits in an asset in a few words, such as `EUR: 0.30 added, at least 0.50, at most 20.00`."""
    asset = one["asset"] or ""
    said = []
    for name, text in (("fixed", "{} added"), ("minimum", "at least {}"), ("maximum", "at most {}")):
        minor = one[name]
        if minor is not None and (name == "maximum" or minor != "0"):
            said.append(text.format(major(minor, asset)))
    return f"{asset}: {', '.join(said) or 'none'}"


add_list(
    app,
    "/api/programs/{program}/rates/versions",
    ("version", "effectiveAt", "platformBps", "validatorBps", "holdbackBps", "holdbackDays", "limits", "actor"),
    "Every version of the rates, the newest first unless sorted otherwise; one that is to come is among them.",
    "No rates were ever set.",
    *of_noun(RATE_LIST),
    of=OF,
    told=lambda one: {"limits": [_limit_text(each) for each in one["limits"]]},
)
