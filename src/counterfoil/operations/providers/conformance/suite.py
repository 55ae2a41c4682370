"""Running the suite: every check, whatever another found; green only when each that applies was made and passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from counterfoil.operations.providers.conformance.checks import CHECKS, Subject
from counterfoil.operations.providers.conformance.file_checks import FILE_CHECKS, FileSandbox
from counterfoil.operations.providers.conformance.proxy import FaultProxy
from counterfoil.operations.providers.conformance.sandbox import CannotCheck, CheckResult, DoesNotApply, NotSo, Sandbox

TIMEOUT_S: Final = 2.0
On = TypeVar("On", Subject, FileSandbox)


def name_of(check: Callable[[On], None]) -> str:
    """How a check is called by people: `same key again`."""
    return check.__name__.replace("_", " ")


def run_suite(
    sandbox: Sandbox,
    *,
    now: Callable[[], datetime],
    checks: Sequence[Callable[[Subject], None]] = CHECKS,
    timeout_s: float = TIMEOUT_S,
) -> Iterator[CheckResult]:
    """Each check's result as soon as it is there."""
    proxy = FaultProxy(sandbox.url, is_order=sandbox.is_order)
    try:
        subject = Subject(sandbox, sandbox.make(proxy.url, timeout_s), proxy, timeout_s, now)
        for check in checks:
            yield run_check(check, subject)
    finally:
        proxy.close()


def run_file_suite(sandbox: FileSandbox) -> Iterator[CheckResult]:
    """As `run_suite`, of a provider that takes orders in files."""
    for check in FILE_CHECKS:
        yield run_check(check, sandbox)


def run_check(check: Callable[[On], None], subject: On) -> CheckResult:
    """One check. An adapter that raises has failed it: no call of a provider's may raise what the provider did."""
    says = (check.__doc__ or "").strip().split("\n")[0]
    try:
        check(subject)
    except CannotCheck as why:
        return CheckResult(name_of(check), says, "not checked", str(why))
    except DoesNotApply as why:
        return CheckResult(name_of(check), says, "does not apply", str(why))
    except NotSo as why:
        return CheckResult(name_of(check), says, "failed", str(why))
    except Exception as error:  # noqa: BLE001 - whatever it is, the adapter let it through
        return CheckResult(name_of(check), says, "failed", f"it raised {type(error).__name__}: {error}")
    return CheckResult(name_of(check), says, "passed")
