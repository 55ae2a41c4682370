"""Which seconds can be recovered, decided without a database; and which bases go."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.backups.backups import Backup
from counterfoil.backups.keys import BackupDamaged
from counterfoil.backups.recovery.bases import damaged_bases, reaches_in
from counterfoil.backups.recovery.job import bases_to_prune
from counterfoil.backups.recovery.reach import BaseCopy, SecondNotReached, reach_for, reach_of
from counterfoil.backups.recovery.segments import Segment, header_says, segment_named
from counterfoil.backups.store import FORMAT, MANIFEST, BackupFolder, read_backup

T = datetime(2026, 11, 20, tzinfo=UTC)
MB = 1 << 20


class Kept(NamedTuple):
    segment: Segment
    until: datetime | None
    partial: bool = False


def at(minutes: int) -> datetime:
    return T + timedelta(minutes=minutes)


def kept(*numbers: int, timeline: int = 1) -> list[Kept]:
    """Segment n holds everything of before minute n + 1."""
    return [Kept(Segment(timeline, number), at(number + 1)) for number in numbers]


def base(number: int, timeline: int = 1) -> BaseCopy:
    return BaseCopy(f"bkp_{number}", "7", timeline, 16 * MB, number, at(number))


def test_it_reaches_as_far_as_the_log_has_no_gap() -> None:
    assert reach_of(base(3), kept(1, 2, 3, 4, 6))[1:] == (at(3), at(5), range(3, 5), Segment(1, 5))
    assert reach_of(base(3), kept(3, 4, 5)).missing is None
    assert reach_of(base(3), kept(4, 5))[2:] == (at(3), range(3, 3), Segment(1, 3)), "older than the log that is kept"
    assert reach_of(base(3), []).missing is None
    assert reach_of(base(3), kept(3, timeline=2)).until == at(3), "another timeline's log is another log"


def test_a_segment_that_is_partial_ends_it_and_the_whole_one_goes_before_it() -> None:
    half = Kept(Segment(1, 4), at(4), partial=True)
    assert reach_of(base(3), [*kept(3), half])[2:] == (at(4), range(3, 5), None)
    assert reach_of(base(3), [*kept(3), half, *kept(5)]).missing == Segment(1, 4), "the rest of it"
    assert reach_of(base(3), [*kept(3, 4, 5), half]).until == at(6)


@pytest.mark.parametrize(
    ("minute", "because", "before", "after"),
    [
        (1, "before the end of the first base", "none", at(2)),
        (5, "segment 000000010000000000000004 of the log is missing behind bkp_2", at(4) - timedelta(microseconds=1), at(8)),
        (12, "the log in the store ends before it", at(10) - timedelta(microseconds=1), "none"),
    ],
)
def test_a_second_that_is_not_there_is_refused_with_its_reason_and_the_nearest(
    minute: int, because: str, before: object, after: object
) -> None:
    log = kept(2, 3, 5, 8, 9)
    reaches = [reach_of(base(number), log) for number in (2, 8)]
    with pytest.raises(SecondNotReached) as refused:
        reach_for(reaches, at(minute))
    told = refused.value.facts
    assert because in str(told["because"])
    assert [told["nearest_before"], told["nearest_after"]] == [
        one.isoformat() if isinstance(one, datetime) else one for one in (before, after)
    ]


@given(
    log=st.sets(st.integers(0, 20)),
    bases=st.sets(st.integers(0, 20), max_size=5),
    minute=st.integers(-2, 25),
)
def test_what_is_promised_has_a_base_before_it_and_every_segment_up_to_it(log: set[int], bases: set[int], minute: int) -> None:
    reaches = [reach_of(base(number), kept(*log)) for number in bases]
    wanted = at(minute) + timedelta(seconds=30)
    possible = [number for number in bases if number <= minute and set(range(number, minute + 1)) <= log]
    if possible:
        assert reach_for(reaches, wanted).base == base(max(possible))
        return
    with pytest.raises(SecondNotReached) as refused:
        reach_for(reaches, wanted)
    for name in ("nearest_before", "nearest_after"):
        told = str(refused.value.facts[name])
        if told != "none":
            assert reach_for(reaches, datetime.fromisoformat(told)), "each that is named can be reached"


@pytest.mark.parametrize("name", ["server", "timeline", "segment_bytes", "start", "sha256", "bytes", "snapshot_at", "size"])
def test_a_base_whose_manifest_is_damaged_takes_nothing_from_the_others(tmp_path: Path, name: str) -> None:
    good, bad = (f"bkp_01KA000000000000000000000{digit}" for digit in "12")
    for each in (good, bad):
        told = {
            "format": FORMAT,
            "id": each,
            "kind": "base",
            "server": {"system": "7", "timeline": 1, "segment_bytes": 1 << 24, "start": "0/2000028"},
            "file": {"bytes": 1, "sha256": "00", "key_id": "k"},
            "log": {"size": 0, "root": ""},
            "snapshot_at": T.isoformat(),
            "origin": "o",
            "server_version": 180000,
            **dict.fromkeys(("checkpoint", "forked")),
        }
        text = json.dumps(told)
        (tmp_path / each).mkdir()
        (tmp_path / each / MANIFEST).write_text((text.replace(f'"{name}"', '"?"') if each == bad else text) + "\n\n-")
    assert [one.base.id for one in reaches_in(BackupFolder(tmp_path))] == [good]
    [damaged] = damaged_bases(BackupFolder(tmp_path))
    assert (damaged.facts["id"], bool(damaged.facts["because"])) == (bad, True), "it is passed over, and that is said"


@pytest.mark.parametrize("name", ["origin", "tables", "books", "migrations", "log", "file", "snapshot_at", "forked"])
def test_a_dump_whose_manifest_does_not_say_what_it_must_is_damaged_and_the_place_is_named(tmp_path: Path, name: str) -> None:
    told: dict[str, Any] = {
        "format": FORMAT,
        "id": "bkp_01KA0000000000000000000001",
        "origin": "o",
        "server_version": 180000,
        "checkpoint": None,
        "forked": None,
        "snapshot_at": T.isoformat(),
        "file": {"bytes": 1, "sha256": "00", "key_id": "k"},
        "log": {"size": 0, "root": ""},
        "tables": {},
        "books": [],
        "migrations": {},
    }
    folder = tmp_path / told["id"]
    folder.mkdir()
    (folder / MANIFEST).write_text(json.dumps(told) + "\n\n-")
    assert read_backup(folder).id == told["id"]
    (folder / MANIFEST).write_text(json.dumps({**told, name: 7}) + "\n\n-")
    with pytest.raises(BackupDamaged, match=f"does not say, or not as it must: {name}"):
        read_backup(folder)


def a_base(days: int) -> Backup:
    none = [None] * 9
    return Backup(f"bkp_{days:02}", "base", "t", None, T, T, T - timedelta(days=days), *none[:8], "kept")  # type: ignore[arg-type]


@given(ages=st.sets(st.integers(0, 60), max_size=8), window=st.integers(1, 30), proven=st.integers(0, 60))
def test_no_base_goes_that_a_second_of_the_window_needs(ages: set[int], window: int, proven: int) -> None:
    bases = [a_base(days) for days in ages]
    going = bases_to_prune(bases, window=timedelta(days=window), proven_id=f"bkp_{proven:02}", now=T)
    gone = {one.id for one in going}
    staying = sorted(days for days in ages if f"bkp_{days:02}" not in gone)
    if proven not in ages:
        assert going == []
    for days in range(window + 1):  # whatever second had a base before it has one still
        if any(each >= days for each in ages):
            assert any(each >= days for each in staying)
            assert min(each for each in ages if each >= days) in staying
    assert all(days > proven for days in ages if f"bkp_{days:02}" in gone)


def test_a_segment_is_known_by_its_name_and_its_first_page() -> None:
    segment = Segment(3, 0x1_23)
    assert segment.name(16 * MB) == "000000030000000100000023"
    assert segment_named("000000030000000100000023", 16 * MB) == segment
    assert segment_named("00000003.history", 16 * MB) is None
    assert header_says(b"", segment, system="7", segment_bytes=16 * MB) == "it is too short"
