"""Rules of the whole tree: no address of a registry, no path of a machine, nothing that is left for later."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, text_of, tracked

BINARY = {".png", ".jpg", ".ico", ".woff2", ".parquet", ".xlsx", ".pdf", ".gz", ".zip"}

# A letter of each stands in brackets, so that this file does not hold what it looks for.
FORBIDDEN = {
    "an address of a registry": r"pythonhoste[d]|pyp[i]\.org|registry\.npmj[s]|deb\.debia[n]\.org",
    "a path of a machine": r"(?<![a-z])/wor[k]/|/hom[e]/[a-z]|/roo[t]/|/User[s]/[a-z]",
    "something left for later": r"\bTOD[O]\b|\bFIXM[E]\b|#.*\bXX[X]\b|NotImplemente[d]",
    "a document outside of this repository": r"\bspec[/][0-9a-z]|STYL[E]\.md|DEPENDENCIE[S]\.md|DESIG[N]\.md",
    "a conflict of a merge": r"^<{6}[<] |^>{6}[>] ",
}
SAMPLES = [
    "https://pyp?.org/simple".replace("?", "i"),
    "/roo?/x".replace("?", "t"),
    "# TOD? later".replace("?", "O"),
    "<" * 7 + " HEAD",
]


def texts() -> list[Path]:
    """Files that people write: no binaries, and none of the samples that tests read."""
    return [path for path in tracked() if path.suffix not in BINARY and not {"data", "samples", "files"} & set(path.parts)]


def test_no_file_holds_what_does_not_belong_here() -> None:
    found = [
        f"{path}:{text_of(path).count(chr(10), 0, hit.start()) + 1}: {what}: {hit[0]}"
        for path in texts()
        for what, pattern in FORBIDDEN.items()
        for hit in re.finditer(pattern, text_of(path), re.MULTILINE)
    ]
    assert found == []


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_search_finds_what_it_looks_for(sample: str) -> None:
    assert any(re.search(pattern, sample, re.MULTILINE) for pattern in FORBIDDEN.values())


def test_files_end_with_a_line_and_hold_no_carriage_returns() -> None:
    bad = []
    for path in texts():
        text = text_of(path)
        if text and not text.endswith("\n"):
            bad.append(f"{path}: no line end at its end")
        if "\r" in text:
            bad.append(f"{path}: carriage returns")
    assert bad == []


def test_what_is_run_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK), "chmod +x .ci/run"


def test_the_front_page_is_short() -> None:
    lines = text_of(Path("README.md")).count("\n")
    assert lines <= 120, f"README.md has {lines} lines; move the rest into docs/"
