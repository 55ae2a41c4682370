"""Text at the edge, one way everywhere: what people type is refused when it is unclean, what others report is kept and made harmless.

Unclean is what commands a terminal (control characters, ESC among them), what no record can hold (NUL, lone surrogates), and what
shows a line in another order than it is read (Unicode's embeddings, overrides and isolates, UAX #9).
"""

from __future__ import annotations

import re
import unicodedata
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Final

from counterfoil.base.problems import InvalidInput

CLEAN: Final = "text without control characters"
CLEAN_LINES: Final = "text without control characters other than ends of lines"
NO_PLACEHOLDER: Final = "what it is called, not a word that stands for nothing"
LINES: Final = "\t\n\r"
PROSE_TAB: Final = 4  # blanks that a tab becomes
JOINERS: Final = "\u200c\u200d"
REFERENCE_MAX: Final = 200
EMAIL_MAX: Final = 254  # RFC 5321, 4.5.3.1.3
_EMAIL_PART: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+")
_LINE_END: Final = re.compile("\r\n|[\n\r\u2028\u2029]")
_TURNS: Final = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
_SHOWN: Final = frozenset("\t\n\r\u00a0\u2028")


def is_clean(text: str, *, lines: bool = False) -> bool:
    """Neither control characters, nor lone surrogates, nor what turns a line around. `lines`: tabs and ends of lines are welcome."""
    return text.isprintable() or not any(_is_unclean(one) and not (lines and one in LINES) for one in text)


def refuse_unclean(text: str, field: str, *, lines: bool = False, **where: int | str) -> None:
    """Raise InvalidInput, which names the field and shows the text harmlessly; `where`: a line, a column."""
    if not is_clean(text, lines=lines):
        raise InvalidInput(field, CLEAN, got=printable(text)[:80], **where)


def prose_of(given: str) -> str:
    """A text of paragraphs as it is kept, whoever's machine it was typed at: its lines end with LF and without blanks, a tab is blanks, and
    no empty line comes first or last."""
    lines = [line.replace("\t", " " * PROSE_TAB).rstrip() for line in _LINE_END.split(given)]
    return "\n".join(lines).strip()


def cleaned(text: str) -> str:
    """What somebody else reported, so that it can be stored and shown: each unclean character becomes a sign that stands for it alone.

    So two ids that differ still differ: ESC is `␛`, and what turns a line around is `<U+202E>`. Tabs and ends of lines stay.
    """
    if text.isprintable():
        return text
    return "".join(_sign(one) if _is_unclean(one) and one not in LINES else one for one in text)


def printable(text: str) -> str:
    """For a terminal or a spreadsheet: whatever is no printable character becomes �, but for tabs and ends of lines."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in _SHOWN else "\N{REPLACEMENT CHARACTER}" for one in text)


def reference_of(given: str) -> str:
    """A reference of a bank or a provider, without the spaces around it, as it is looked up and kept. Raises InvalidInput."""
    if not 0 < len(given.strip()) <= REFERENCE_MAX:
        raise InvalidInput("reference", f"1 to {REFERENCE_MAX} characters", got=given[:40])
    refuse_placeholder(given, "reference")
    return given.strip()


def pasted(given: str) -> str:
    """What somebody pasted to look for it, in one line: ends of lines and control characters are blanks; what nobody sees is nothing, but
    for the joiners that belong to words. The spaces that stand in amounts stay."""
    return "".join(" " if _is_end(one) else "" if _is_unseen(one) else one for one in given) if not given.isprintable() else given


def placeholder_words(marks: str) -> tuple[str, ...]:
    """What stands where nothing was given, as regular expressions; `marks`: what may be between their words."""
    return (
        f"not{marks}(provided|available|applicable|specified|given|set)",  # NOTPROVIDED is ISO 20022's word
        f"no(n|t)?{marks}ref(erence)?",  # NONREF is SWIFT's
        f"n{marks}a",
        *("nan", "null", "nil", "none", "unknown", "undefined", "unspecified", "unassigned", "tbd", "tba", "empty", "blank", "missing"),
    )


_MARKS: Final = r"[\W_]*"
_PLACEHOLDER: Final = re.compile(f"{_MARKS}({'|'.join(placeholder_words(_MARKS))}){_MARKS}", re.IGNORECASE)


def is_placeholder(given: str) -> bool:
    """Does it stand where nothing was given? Two of it are not the same thing."""
    return _PLACEHOLDER.fullmatch(given) is not None


def refuse_placeholder(given: str, field: str) -> None:
    """It names something. Raises InvalidInput."""
    if is_placeholder(given):
        raise InvalidInput(field, NO_PLACEHOLDER, got=given[:40])


def email_address_of(given: str, field: str) -> str:
    """An e-mail address of one person, as it is written to: no name beside it, no list, no quotes. Raises InvalidInput."""
    said = given.strip()
    name, _, domain = said.rpartition("@")
    try:
        plain = str(Address(addr_spec=said)) == said and _EMAIL_PART.fullmatch(name) and _EMAIL_PART.fullmatch(domain)
    except (HeaderParseError, ValueError, IndexError):
        plain = None
    if not plain or len(said) > EMAIL_MAX:
        raise InvalidInput(field, f"one e-mail address of at most {EMAIL_MAX} characters", got=printable(said)[:80])
    return said


def _is_end(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Zl", "Zp")


def _is_unseen(one: str) -> bool:
    return one not in JOINERS and unicodedata.category(one) in ("Cf", "Cs", "Co", "Cn")


def _is_unclean(one: str) -> bool:
    return unicodedata.category(one) in ("Cc", "Cs") or unicodedata.bidirectional(one) in _TURNS


def _sign(one: str) -> str:
    code = ord(one)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"<U+{code:04X}>"


def camel(name: str) -> str:
    """snake_case to camelCase, as on the wire: `sent_stuck10m` is `sentStuck10m`, only the first letter of a word is raised."""
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)
