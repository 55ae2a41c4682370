"""Text at the edge: one rule for what is refused from people, and for what others report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import cleaned, is_clean, pasted, prose_of, reference_of, refuse_unclean

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


@pytest.mark.parametrize("typed", ["One.\n\nTwo:\n    three", "One.\r\n\r\nTwo:\r\n\tthree\r\n", "\n One. \r\rTwo: \u2028    three\n\n \n"])
def test_a_text_of_paragraphs_is_kept_in_one_form_wherever_it_was_typed(typed: str):
    assert prose_of(typed) == "One.\n\nTwo:\n    three"


@given(st.text())
def test_what_is_kept_of_a_text_of_paragraphs_is_kept_as_it_is(one: str):
    assert prose_of(prose_of(one)) == prose_of(one)


@pytest.mark.parametrize(
    ("given_", "sought"),
    [
        ("po_1\tfailed\r\n  at 12:00\x1b[0m", "po_1 failed    at 12:00 [0m"),
        ("1\u202f808,77\u00a0EUR", "1\u202f808,77\u00a0EUR"),
        ("\ufeffpo_\u200b1\u202e", "po_1"),
        ("pay\u200cee", "pay\u200cee"),
        ("as it is", "as it is"),
    ],
)
def test_what_was_pasted_is_one_line_of_what_is_seen(given_: str, sought: str):
    assert pasted(given_) == sought


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
