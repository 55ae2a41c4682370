"""A bank's file may hold anything: what is stored of it commands no terminal, turns no line around and holds no NUL."""

from __future__ import annotations

from pathlib import Path

from counterfoil.base.text import is_clean
from counterfoil.statements.reading import read

MT940 = (
    ":20:S\x1b[2J1\r\n:25:DE1\u202e2\r\n:28C:1/1\r\n:60F:C260101EUR0,00\r\n"
    ":61:2601020102C1,00NTRFNON\x1bREF//B\x01K\r\n:86:pay \x1b]0;pwned\x07 now \u202eevil\r\n:62F:C260102EUR1,00\r\n-\r\n"
)


def test_no_text_of_a_statement_is_unclean_once_it_was_read(tmp_path: Path):
    file = tmp_path / "a.sta"
    file.write_text(MT940, "utf-8", newline="")
    found = read(file)
    (row,) = found.lines.to_pylist()
    texts = [value for value in row.values() if isinstance(value, str)]
    texts += [value for info in found.statements for value in info if isinstance(value, str)]
    assert any("␛" in text for text in texts), "the fault was in the file, and is shown"
    assert [text for text in texts if not is_clean(text, lines=True)] == []
