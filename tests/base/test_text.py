"""Text at the edge: one rule for what is refused from people, and for what others report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import cleaned, is_clean, reference_of, refuse_unclean

UNCLEAN = ["\x00", "\x1b[31m", "\x9b0m", "\x7f", "\u202egnp.exe", "a\u2066b", "\ud800"]


@pytest.mark.parametrize("text", UNCLEAN)
def test_what_commands_a_terminal_or_turns_a_line_is_refused_and_shown_harmlessly(text: str):
    assert not is_clean(text)
    with pytest.raises(InvalidInput) as refused:
        refuse_unclean(f"a{text}", "reason", line=7)
    assert (refused.value.facts["field"], refused.value.facts["line"]) == ("reason", 7)
    assert is_clean(str(refused.value.facts["got"]))


@pytest.mark.parametrize("text", ["", "Mira Ö. ∑ 漢字 🙂", "שלום", "مرحبا", "a\u00a0b", "\u200fעברית", "zero\u200djoiner"])
def test_what_people_write_in_any_script_is_clean(text: str):
    assert is_clean(text)
    assert cleaned(text) == text


def test_lines_are_welcome_where_a_text_has_several():
    assert is_clean("a\r\nb\tc", lines=True)
    assert not is_clean("a\nb")
    assert not is_clean("a\x1bb", lines=True)


@given(st.text())
def test_what_is_cleaned_is_clean_and_stays_so(one: str):
    assert is_clean(cleaned(one), lines=True)
    assert cleaned(cleaned(one)) == cleaned(one)


def test_ids_that_differ_by_a_control_character_still_differ():
    assert cleaned("A\x01B") != cleaned("A\x02B")
    assert (cleaned("\x1b[2J"), cleaned("\u202e")) == ("␛[2J", "<U+202E>")


@pytest.mark.parametrize("text", ["NOTPROVIDED", "not provided", "Null", "None", "n/a", "NA", "-null-", "nan", "unknown", "NONREF", "tbd"])
def test_a_word_that_stands_for_nothing_is_no_reference(text: str):
    with pytest.raises(InvalidInput, match="stands for nothing"):
        reference_of(f" {text} ")


@pytest.mark.parametrize("text", ["nana", "none-7", "nullius", "0", "R-1", "anna", "missing-link", "Navarra"])
def test_a_reference_with_such_a_word_in_it_is_one(text: str):
    assert reference_of(text) == text
