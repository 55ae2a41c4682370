"""Which texts have paragraphs is declared at the noun: over HTTP these take ends of lines, and no other text does."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from counterfoil.api.http.verbs import body_of
from counterfoil.integrity.incidents.machine import POST_MORTEM_MAX
from counterfoil.operations.verbs import Noun, Verb
from counterfoil.wiring import NOUNS

VERBS = [pytest.param(noun, verb, id=f"{noun.name}-{verb.name}") for noun in NOUNS for verb in noun.verbs]
LINES = "One.\r\n\r\nTwo:\r\n\tthree\r\n"


def said_of(noun: Noun, verb: Verb, **given: Any) -> dict[str, str]:
    """What is said of each field of its body that is given."""
    try:
        body_of(noun, verb)(**given)
    except ValidationError as refused:
        return {str(one["loc"][0]): one["msg"] for one in refused.errors()}
    return {}


@pytest.mark.parametrize(("noun", "verb"), VERBS)
def test_only_what_is_declared_as_a_text_of_paragraphs_takes_ends_of_lines(noun: Noun, verb: Verb):
    named = {name: one.alias or name for name, one in body_of(noun, verb).model_fields.items()}
    texts = {name for name in named if name == "reason" or name in {one.name for one in verb.takes if one.kind in ("text", "prose")}}
    told = said_of(noun, verb, **{named[name]: LINES for name in texts})
    assert {name for name in texts if named[name] not in told} == set(verb.prose)


def test_a_text_of_paragraphs_has_a_limit_counted_as_it_is_kept_and_no_other_control_character():
    incidents = next(one for one in NOUNS if one.name == "incident")
    write = incidents.verb("write")
    full = "x\r\n" * (POST_MORTEM_MAX // 2 - 1) + "xx"
    assert said_of(incidents, write, text=full) == {}
    assert body_of(incidents, write)(text=LINES).text == "One.\n\nTwo:\n    three"
    assert f"{POST_MORTEM_MAX} characters" in said_of(incidents, write, text=full + "x")["text"]
    assert said_of(incidents, write, text="a\x1bb")["text"] == "text without control characters other than ends of lines"
    assert "at least 1" in said_of(incidents, write, text=" \r\n ")["text"]
