"""Pairs of settings with which a payout could be sent twice: nothing starts with them."""

from __future__ import annotations

import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.base.settings import Settings
from counterfoil.cli.local.installation import refuse_unless_settings_agree
from counterfoil.operations.work.runner import LeaseTooShort


def test_what_is_set_when_nothing_is_set_agrees():
    refuse_unless_settings_agree(Settings())


@pytest.mark.parametrize(("lease_s", "timeout_ms"), [(12, 10_000), (10, 10_000), (2, 1_000), (60, 60_000)])
def test_a_lease_that_a_call_could_outlast_starts_nothing(lease_s: int, timeout_ms: int):
    with pytest.raises(LeaseTooShort):
        refuse_unless_settings_agree(Settings(worker_lease_s=lease_s, provider_timeout_ms=timeout_ms))


def test_a_horizon_within_a_calls_own_time_starts_nothing():
    with pytest.raises(InvalidInput, match="provider_horizon_s"):
        refuse_unless_settings_agree(Settings(provider_horizon_s=10, provider_timeout_ms=10_000))
    refuse_unless_settings_agree(Settings(provider_horizon_s=11, provider_timeout_ms=10_000))
