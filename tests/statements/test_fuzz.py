"""Harmed files: never anything but a refusal or rejected rows, and never fewer entries without one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil import statements as sources
from counterfoil.base.problems import TooLarge
from counterfoil.statements import SourceBroken
from tests.soak import examples
from tests.statements.samples import DATA, SAMPLES, rows, sample, written

FORMATS = {name: sources.detect(DATA / name) for name in SAMPLES}
HELD = [name for name in SAMPLES if FORMATS[name] in {"mt940", "bai2", "camt.053", "simulator", "stripe-summary"}]
SHARED_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(60))


@pytest.mark.parametrize("name", SAMPLES)
@SHARED_FOLDER
@given(data=st.data())
def test_a_harmed_file_is_refused_or_read_with_its_rows_counted(tmp_path: Path, name: str, data: st.DataObject) -> None:
    content = bytearray((DATA / name).read_bytes())
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[data.draw(st.integers(0, 20)) : len(content) - data.draw(st.integers(0, len(content)))])
    kind = data.draw(st.sampled_from([None, FORMATS[name]]))
    try:
        read = sources.read(written(tmp_path, cut, name), format=kind)
    except (SourceBroken, TooLarge):
        return
    assert read.lines.schema == sources.schema()
    assert [number for (number,) in rows(read, "row")] == list(range(1, read.lines.num_rows + 1))
    assert all(info.carries is not False for info in read.statements) or read.notes


@pytest.mark.parametrize("name", HELD)
def test_a_file_that_ends_anywhere_is_refused_unless_no_entry_is_lost(tmp_path: Path, name: str) -> None:
    content = (DATA / name).read_bytes()
    whole = rows(sample(name), "amount", "asset", "external_id")
    refused = 0
    for end in range(1, len(content)):
        try:
            read = sources.read(written(tmp_path, content[:end], name), format=FORMATS[name])
        except SourceBroken:
            refused += 1
            continue
        if read.statements and rows(read, "amount", "asset", "external_id") != whole:
            assert _ends_between_statements(content[:end], whole, rows(read, "amount", "asset", "external_id")), end
    assert refused > len(content) // 2


def _ends_between_statements(content: bytes, whole: list[object], left: list[object]) -> bool:
    """A file of several statements may end behind one of them: each is whole, and the next one's absence shows by `follow_on`."""
    return left == whole[: len(left)] and content.count(b":62") > 0


@SHARED_FOLDER
@given(st.binary(max_size=2_000), st.sampled_from([*sources.FORMATS, None]))
def test_noise_is_refused_or_gives_nothing_but_rows(tmp_path: Path, noise: bytes, kind: str | None) -> None:
    try:
        read = sources.read(written(tmp_path, noise, "noise.bin"), format=kind, asset="EUR")
    except SourceBroken:
        return
    assert read.sha256
