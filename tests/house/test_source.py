"""Rules of the source: sizes, and what only the edge may do."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.house.tree import ROOT, SOURCE, Function, functions_of, text_of, tree_of

LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FOLDER_FILES_MAX = 16

# What is called, and what to do instead.
BANNED: Mapping[str, str] = {
    "float": "amounts are whole minor units; use int, or Money",
    "print": "log it, or return it to the edge",
    "commit": "the edge ends the transaction",
    "rollback": "the edge ends the transaction; raise instead",
    "datetime.now": "take `now`",
    "datetime.utcnow": "take `now`",
    "datetime.today": "take `now`",
    "date.today": "take `now`",
    "time.time": "take `now`",
    "time.time_ns": "take `now`",
    "os.urandom": "take `entropy`",
    "os.getrandom": "take `entropy`",
    "uuid.uuid1": "take an id",
    "uuid.uuid4": "take an id",
    "uuid4": "take an id",
    "uuid.uuid7": "take an id",
}
BANNED_IMPORTS: Mapping[str, str] = {
    "random": "take `entropy`, or a seed",
    "secrets": "take `entropy`",
}

# Where a rule does not hold, and why. The words of a line are exact: remove a line when its reason is gone.
ALLOWED: Mapping[tuple[str, str], str] = {
    ("src/counterfoil/base/edge.py", "datetime.now"): "the edge is where the clock is read",
    ("src/counterfoil/base/edge.py", "os.urandom"): "the edge is where randomness is drawn",
    ("src/counterfoil/client/transport.py", "uuid.uuid4"): "it makes the idempotency keys of somebody else's process",
    ("src/counterfoil/simulator/__main__.py", "time.time_ns"): "the edge of another process, which stands alone",
    ("src/counterfoil/simulator/__main__.py", "os.urandom"): "the same",
    ("src/counterfoil/simulator/__main__.py", "print"): "the same: its first line says where it listens",
}


def named(node: ast.expr) -> Iterator[str]:
    """What a call calls: `datetime.now` and `now` of `datetime.datetime.now(...)`, `commit` of `conn.commit()`."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        if node.attr in ("commit", "rollback"):
            yield node.attr
        inner = node.value
        if isinstance(inner, ast.Name):
            yield f"{inner.id}.{node.attr}"
        elif isinstance(inner, ast.Attribute):
            yield f"{inner.attr}.{node.attr}"


def banned_in(path: Path) -> set[tuple[str, int]]:
    """The banned words of a file, each with its line."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            found |= {(word, node.lineno) for word in named(node.func) if word in BANNED}
        elif isinstance(node, ast.Import):
            found |= {(alias.name, node.lineno) for alias in node.names if alias.name in BANNED_IMPORTS}
        elif isinstance(node, ast.ImportFrom) and node.module in BANNED_IMPORTS:
            found.add((node.module, node.lineno))
    return found


@pytest.mark.parametrize("path", SOURCE, ids=str)
def test_a_file_is_short_enough_to_be_read_at_once(path: Path) -> None:
    lines = text_of(path).count("\n")
    assert lines <= LINES_MAX, f"{path} has {lines} lines: split it along a seam named in docs/why/parts.md"


@pytest.mark.parametrize("path", SOURCE, ids=str)
def test_a_function_is_short_enough_to_be_read_at_once(path: Path) -> None:
    long = {one.name: length(one) for one in functions_of(path) if length(one) > FUNCTION_LINES_MAX}
    assert long == {}, f"at most {FUNCTION_LINES_MAX} lines each: take a step of it out, and name it"


def test_a_folder_holds_few_enough_files_to_be_seen_at_once() -> None:
    files = Counter(str(path.parent) for path in SOURCE if path.name != "__init__.py")
    crowded = {folder: count for folder, count in files.items() if count > FOLDER_FILES_MAX}
    assert crowded == {}, f"at most {FOLDER_FILES_MAX} files in a folder: give those that belong together a room of their own"


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@pytest.mark.parametrize("path", SOURCE, ids=str)
def test_only_the_edge_reads_clocks_draws_numbers_ends_transactions_and_prints(path: Path) -> None:
    words = {**BANNED, **BANNED_IMPORTS}
    found = [
        f"{path}:{line}: {word}: {words[word]}"
        for word, line in sorted(banned_in(path), key=lambda hit: hit[1])
        if (str(path), word) not in ALLOWED
    ]
    assert found == [], "if it must be, add it to ALLOWED in tests/house/test_source.py with its reason"


def test_every_exception_is_still_needed() -> None:
    stale = [key for key in ALLOWED if not any(word == key[1] for word, _ in banned_in(Path(key[0])))]
    assert stale == [], "remove them from ALLOWED"


def test_the_search_for_banned_words_finds_them(tmp_path: Path) -> None:
    """This test looks at the rule itself: each word is found where it is called, and only there."""
    for word in BANNED:
        call = f"conn.{word}()" if word in ("commit", "rollback") else f"{word}()"
        file = tmp_path / f"{word}.py"
        file.write_text(f'"""{call}"""\nx = {call}\n')
        assert {name for name, line in banned_in(file) if line == 2} >= {word}
        assert {line for _, line in banned_in(file)} == {2}
    for word in BANNED_IMPORTS:
        file = tmp_path / f"{word}_import.py"
        file.write_text(f"import {word}\nfrom {word} import x\n")
        assert banned_in(file) == {(word, 1), (word, 2)}


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path) for path in SOURCE if not ast.get_docstring(tree_of(path)) and text_of(path).strip()]
    assert silent == [], "give the file a first line that says what it is for"
    assert (ROOT / "src" / "counterfoil" / "py.typed").exists()


def test_canonical_json_is_written_in_one_place() -> None:
    alone = "src/counterfoil/proofs/packages/verify"  # what a package carries imports nothing of ours
    own = ("src/counterfoil/base/formats/canonical.py", f"{alone}.py", f"{alone}_base.py", f"{alone}_log.py", f"{alone}_disclosed.py")
    found = [str(path) for path in SOURCE if re.search(r"json\.dumps\([^)]*sort_keys", text_of(path)) and str(path) not in own]
    assert found == [], "use canonical_json: what is hashed or compared has one form"
