"""A moment has one form, and both verifiers take no other."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.proofs.packages import verify_base
from counterfoil.proofs.verifying.reading import is_moment

FORM = "2026-11-30T06:02:17.741378Z"


@given(st.datetimes())
def test_every_moment_that_is_written_in_the_one_form_is_one(moment: datetime):
    written = f"{moment.isoformat(timespec='microseconds')}Z"
    assert is_moment(written)
    assert verify_base.is_moment(written)


@given(
    st.text(alphabet="0123456789-:.TZ+ ٣", min_size=20, max_size=28)
    | st.sampled_from(range(len(FORM))).map(lambda at: FORM[:at] + "6" + FORM[at + 1 :])
)
def test_what_is_read_and_written_otherwise_is_none(text: str):
    try:
        same = f"{datetime.fromisoformat(text).isoformat(timespec='microseconds')[:-6]}Z" == text
    except ValueError:
        same = False
    assert is_moment(text) == same == verify_base.is_moment(text)


@pytest.mark.parametrize(
    "wrong",
    [
        *("2026-02-30T06:02:17.741378Z", "2026-11-30T24:00:00.000000Z", "2026-11-30T06:60:17.741378Z", "0000-11-30T06:02:17.741378Z"),
        *("2026-11-30T06:02:17Z", "2026-11-30T06:02:17.741Z", "2026-11-30 06:02:17.741378Z", "2026-11-30T06:02:17.741378+00:00"),
        *("20261130T060217.741378Z", "2026-W49-1T06:02:17.741378Z", "٢026-11-30T06:02:17.741378Z", FORM + "\n", "", None, 7, b"x"),
    ],
)
def test_another_form_is_none(wrong: object):
    assert not is_moment(wrong)
    assert not verify_base.is_moment(wrong)
