"""MT940's fields and messages: where a tag begins, where a message ends, and what only looks like either inside a text."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final, NamedTuple

HEADER_TAGS: Final = frozenset({"20", "21", "25", "25P", "28", "28C", "13", "13D", "34F", "940", "942"})
BODY_TAGS: Final = frozenset({"60F", "60M", "61", "62F", "62M", "64", "65", "86", "90C", "90D", "NS"})
TAGS: Final = HEADER_TAGS | BODY_TAGS  # anything else that looks like a tag inside a text field is text
FREE_TEXT: Final = frozenset({"86", "61", "NS"})
# Banks wrap `…T16:20:15` in front of the colon, so these can stand at the beginning of a line of text. A line of :61: is too short.
LIKE_A_TIME: Final = frozenset({"13", "20", "21", "25", "28"})
WRAPPED: Final = frozenset({"86", "NS"})
# What follows `:20:` in a message that begins there.
FOLLOWS_20: Final = frozenset({"21", "25", "25P", "28", "28C", "13", "13D", "34F", "60F", "60M"})
OPENS: Final = FOLLOWS_20 | {"20", "940", "942"}
CONTROL: Final = "\x00\x01\x02\x03\x04\x1a\ufeff"

_TAG: Final = re.compile(r":([0-9]{2,3}[A-Z]?|NS):(.*)", re.DOTALL)
_END: Final = re.compile(r"-(?:\}.*|XXX)?\s*")
_BLOCKS: Final = re.compile(r"\{1:.*?(?:\{4:(.*))?$")


class Mt940Field(NamedTuple):
    """One tag with its value; continuation lines are kept apart by newlines."""

    tag: str
    value: str
    line: int


class _Ahead:
    """Lines as they come, with the two filled ones that come next in sight."""

    def __init__(self, lines: Iterable[tuple[int, str]]) -> None:
        self._lines = ((number, raw.strip(CONTROL).rstrip()) for number, raw in lines)
        self._seen: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        while True:
            line = self._seen.popleft() if self._seen else next(self._lines, None)
            if line is None:
                return
            yield line

    def filled(self) -> list[str]:
        """The next two lines that are not blank; fewer at the end."""
        return list(islice((text for _, text in chain(tuple(self._seen), self._more()) if text), 2))

    def _more(self) -> Iterator[tuple[int, str]]:
        for line in self._lines:
            self._seen.append(line)
            yield line


def fields_of(lines: Iterable[tuple[int, str]]) -> Iterator[Mt940Field]:
    """Tags with their continuation lines; an end of message comes as a field with the tag `-`."""
    current: tuple[str, list[str], int] | None = None
    is_open = False  # entries have come and the closing balance has not, so the message cannot end properly yet
    ahead = _Ahead(lines)
    for number, text in ahead:
        tag, blocks = _TAG.match(text), _BLOCKS.match(text)
        in_text = current is not None and current[0] in FREE_TEXT
        if blocks or (_END.fullmatch(text) and not (text == "-" and in_text and is_open and _goes_on(ahead))):
            if current:
                yield Mt940Field(current[0], "\n".join(current[1]), current[2])
            current, is_open = None, False
            yield Mt940Field("-", "", number)
            tag = _TAG.match(blocks[1]) if blocks and blocks[1] else None
            if tag is None:
                continue
        if tag and current and in_text and not _is_tag(tag[1], current[0], ahead):
            tag = None
        if tag:
            if current:
                yield Mt940Field(current[0], "\n".join(current[1]), current[2])
            current = (tag[1], [tag[2]], number)
            is_open = tag[1] == "61" or (is_open and tag[1] not in {"62F", "62M", "20"})
        elif current:
            current[1].append(text)
    if current:
        yield Mt940Field(current[0], "\n".join(current[1]), current[2])


def _goes_on(ahead: _Ahead) -> bool:
    """Does the message go on behind a lone `-`? It ends where nothing follows, or what can only begin another one."""
    following, *after = ahead.filled() or [""]
    if not following or following.startswith("{") or _END.fullmatch(following):
        return False
    tag = _TAG.match(following)
    return tag is None or tag[1] not in OPENS or (tag[1] in LIKE_A_TIME and not _goes_on_as_a_head(after))


def _is_tag(tag: str, within: str, ahead: _Ahead) -> bool:
    """Inside a text, `:20:` and its like are tags only where the next line goes on as a message's head does."""
    if tag not in TAGS:
        return False
    return within not in WRAPPED or tag not in LIKE_A_TIME or _goes_on_as_a_head(ahead.filled())


def _goes_on_as_a_head(following: list[str]) -> bool:
    tag = _TAG.match(following[0]) if following else None
    return tag is not None and tag[1] in FOLLOWS_20


def messages(fields: Iterable[Mt940Field]) -> Iterator[list[Mt940Field]]:
    """Fields by statement. `:20:` opens one; where a bank leaves it out, the account, number or opening balance does."""
    current: list[Mt940Field] = []
    is_begun, is_closed = False, False
    for each in fields:
        opens = each.tag == "20" or (is_closed and each.tag in {"25", "25P", "28", "28C", "60F", "60M"})
        if (each.tag == "-" or opens) and is_begun:
            yield current
            current, is_begun, is_closed = [], False, False
        if each.tag != "-":
            current.append(each)
            is_begun = is_begun or each.tag not in {"940", "942"}
            is_closed = is_closed or each.tag in {"62F", "62M"}
    if is_begun:
        yield current
