"""The fenced blocks of a page of documentation, and what stands beside them about running them.

A block is one of these:

- `console`: lines that begin with `$ ` are typed (`mira$ ` by Mira, with her own login); what follows a line is what it prints.
- with a name after its language (`toml bank.toml`): a file that the page shows.
- after `<!-- output -->`: what the command before it prints.
- after `<!-- not run: REASON -->`: nothing that can be run here, and why. The same at the top of a page speaks of all its blocks.

`<!-- ends: 1 -->` says with which code the commands of the next block end; `<!-- po_… is PATH of: COMMAND -->` what stands for an id
that a reader has and the page has not: a path into the answer of that command, as JSON.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from tests.house.tree import ROOT

PAGES: Final = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    *sorted((ROOT / "docs" / "how-to").glob("*.md")),
    *sorted((ROOT / "docs" / "reference").glob("*.md")),
]
_FENCE: Final = re.compile(r"^(?P<fence>`{3,})(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)
_MARKS: Final = re.compile(r"(?:<!--(?:(?!-->).)*-->\s*)+\Z", re.DOTALL)
_TOP: Final = re.compile(r"(?:<!--(?:(?!-->).)*-->\s*)+", re.DOTALL)
_MARK: Final = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)
_PROMPT: Final = re.compile(r"^(?P<who>[a-z]*)\$ (?P<typed>.*)$")


class Typed(NamedTuple):
    """A command line, who types it, and what the page says that it prints."""

    who: str
    command: str
    printed: list[str]


class Block(NamedTuple):
    """A fenced block: where it stands, its language, the name of its file, its text, the marks before it."""

    where: str
    language: str
    name: str
    text: str
    marks: list[str]

    def mark(self, word: str) -> str | None:
        """What stands after this word in a mark before the block."""
        return next((one[len(word) :].strip() for one in self.marks if one.startswith(word)), None)

    @property
    def ids(self) -> dict[str, str]:
        """What stands for each placeholder: the path and the command."""
        return dict(one.split(" is ", 1) for one in self.marks if " is " in one and " of: " in one)

    @property
    def typed(self) -> list[Typed]:
        """The command lines of a console block, continued ones as one."""
        found: list[Typed] = []
        goes_on = False
        for line in self.text.splitlines():
            if goes_on:
                found[-1] = found[-1]._replace(command=f"{found[-1].command[:-1]} {line.strip()}")
            elif prompt := _PROMPT.match(line):
                found.append(Typed(prompt["who"], prompt["typed"], []))
            elif found:
                found[-1].printed.append(line)
            goes_on = bool(found) and found[-1].command.endswith("\\")
        return found


def blocks_of(page: Path) -> list[Block]:
    """Every block of a page, in order; what a page-wide mark says stands with each."""
    text = page.read_text("utf-8")
    top = _TOP.match(text)
    wide = [one for one in _MARK.findall(top[0] if top else "") if one.startswith("not run:")]
    found = []
    for fence in _FENCE.finditer(text):
        language, _, name = fence["info"].strip().partition(" ")
        before = _MARKS.search(text, 0, fence.start())
        marks = [*(" ".join(one.split()) for one in _MARK.findall(before[0] if before else "")), *wide]
        where = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, fence.start()) + 1}"
        found.append(Block(where, language, name.strip(), fence["text"], marks))
    return found
