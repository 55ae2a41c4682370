"""The journal on disk: what is told is safe, what is torn is cut, what is damaged is refused."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.simulator.journal import (
    FILE_NAME,
    JournalDamaged,
    JournalInUse,
    SimulatorJournal,
    decode,
    encode,
    read_entries,
)
from counterfoil.simulator.rules import facts as f
from tests.loops import run_in_loop


def an_entry(number: int) -> f.FactEntry:
    return f.FactEntry(number, number * 1_000, [f.ClockAdvanced(number), f.RuleCleared("flt_ü\n")])


def lines(count: int) -> list[bytes]:
    return [encode(an_entry(number)) for number in range(1, count + 1)]


def write(folder: Path, data: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / FILE_NAME).write_bytes(data)


def test_an_entry_survives_its_line():
    assert decode(encode(an_entry(7))) == an_entry(7)


def test_a_fact_of_an_unknown_shape_is_refused_and_not_guessed():
    with pytest.raises(TypeError):
        f.from_json({"number": 1, "at_us": 1, "facts": [{"kind": "ClockAdvanced", "by_us": 1, "why": "later version"}]})


def test_a_journal_cut_at_any_byte_keeps_every_whole_line_and_nothing_else(tmp_path):
    whole = b"".join(lines(3))
    ends = [len(b"".join(lines(count))) for count in range(4)]
    for cut in range(len(whole) + 1):
        write(tmp_path, whole[:cut])
        read = read_entries(tmp_path)
        kept = sum(end <= cut for end in ends) - 1
        assert [entry.number for entry in read.entries] == list(range(1, kept + 1))
        assert read.torn_bytes == cut - ends[kept]


@settings(deadline=None)  # it writes files, and the machine may be busy
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_byte_refuses_wherever_it_is_and_only_a_missing_newline_is_a_torn_end(place, flip, tmp_path_factory):
    folder = tmp_path_factory.mktemp("journal")
    data = bytearray(b"".join(lines(3)))
    place %= len(data)
    data[place] ^= flip
    write(folder, bytes(data))
    if place < len(data) - 1:
        with pytest.raises(JournalDamaged):
            read_entries(folder)
    else:
        assert len(read_entries(folder).entries) == 2


def test_a_line_that_is_missing_in_the_middle_refuses(tmp_path):
    write(tmp_path, lines(3)[0] + lines(3)[2])
    with pytest.raises(JournalDamaged):
        read_entries(tmp_path)


def test_opening_cuts_the_torn_end_so_that_the_next_line_is_whole(tmp_path):
    write(tmp_path, lines(1)[0] + lines(2)[1][:20])

    async def go_on() -> None:
        journal = SimulatorJournal(tmp_path)
        assert journal.cut_bytes == 20
        journal.start(asyncio.get_running_loop())
        journal.append(an_entry(2))
        await journal.durable()
        journal.close()

    run_in_loop(go_on())
    assert read_entries(tmp_path).entries == [an_entry(1), an_entry(2)]


def test_two_journals_cannot_write_to_one_folder(tmp_path):
    first = SimulatorJournal(tmp_path)
    with pytest.raises(JournalInUse):
        SimulatorJournal(tmp_path)
    first.close()
    SimulatorJournal(tmp_path).close()


def test_nothing_is_durable_before_the_sync_returns_and_one_sync_serves_all_that_wait(tmp_path):
    may_sync, syncs = threading.Event(), []

    def slow_sync(file: int) -> None:
        assert may_sync.wait(10)
        syncs.append(os.fstat(file).st_size)

    async def story() -> None:
        journal = SimulatorJournal(tmp_path, sync=slow_sync)
        journal.start(asyncio.get_running_loop())
        waits = []
        for number in range(1, 51):
            journal.append(an_entry(number))
            waits.append(asyncio.ensure_future(journal.durable()))
        await asyncio.sleep(0.05)
        assert not any(wait.done() for wait in waits)
        may_sync.set()
        await asyncio.gather(*waits)
        assert read_entries(tmp_path).entries[-1].number == 50
        journal.close()

    run_in_loop(story())
    assert 1 <= len(syncs) < 10
    assert syncs[-1] == len(b"".join(lines(50)))


def test_close_writes_out_what_still_waits(tmp_path):
    async def story() -> None:
        journal = SimulatorJournal(tmp_path)
        journal.start(asyncio.get_running_loop())
        for number in range(1, 21):
            journal.append(an_entry(number))
        journal.close()

    run_in_loop(story())
    assert len(read_entries(tmp_path).entries) == 20


def test_a_line_can_be_checked_by_hand():
    head, text = encode(f.FactEntry(1, 5, [f.ClockAdvanced(3)])).split(b" ", 1)
    assert len(head) == 8
    assert json.loads(text) == {"number": 1, "at_us": 5, "facts": [{"kind": "ClockAdvanced", "by_us": 3}]}
