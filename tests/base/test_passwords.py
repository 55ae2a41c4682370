"""Password files: read as libpq reads them, written whole, and noticed when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from counterfoil.base.postgres.passwords import (
    Line,
    PasswordWatch,
    lines_of,
    login_of,
    password_file,
    passwords_of,
    read_line,
    write_lines,
)


def kept(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "pass"
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("db:5432:books:server:secret", ("db", "5432", "books", "server", "secret")),
        (r"\:\:1:5432:books:server:a\:b\\c", ("::1", "5432", "books", "server", "a:b\\c")),
        ("db:5432:books:server:a:b", ("db", "5432", "books", "server", "a:b")),
        ("*:*:*:*:", ("*", "*", "*", "*", "")),
        ("# db:5432:books:server:secret", ()),
        ("db:5432:books", ()),
        ("", ()),
    ],
)
def test_a_line_is_read_as_libpq_reads_it(text: str, words: tuple[str, ...]) -> None:
    line = read_line(text)
    assert line.words == words
    if words:
        assert read_line(line.with_password("new:\\er").text).words == (*words[:-1], "new:\\er")


def test_the_lines_of_a_login_are_those_that_name_it_or_anybody(tmp_path: Path) -> None:
    file = kept(tmp_path, "db:5432:books:other:no\n*:*:*:server:one\ndb:5433:books:server:no\ndb:5432:books:*:two\n*:*:*:server:one\n")
    assert passwords_of(f"postgresql://server@db/books?passfile={file}") == ["one", "two"]
    assert passwords_of(f"postgresql://server@db:5433/books?passfile={file}") == ["one", "no"]
    assert passwords_of(f"postgresql://nobody@elsewhere/books?passfile={file}") == []


def test_a_socket_is_localhost_and_its_folder() -> None:
    assert login_of("host=/run/postgresql dbname=books user=server", {}).hosts == ("/run/postgresql", "localhost")
    assert login_of("", {"PGUSER": "u", "PGPORT": "1"}) == (("localhost",), ("1",), "u", "u")


def test_an_address_that_holds_its_password_has_no_file(tmp_path: Path) -> None:
    assert password_file("postgresql://server:secret@db/books?passfile=/x", {}) is None
    assert password_file("postgresql://server@db/books", {"PGPASSWORD": "x"}) is None
    assert password_file("service=books user=server", {}) is None, "libpq alone knows where that leads"
    assert password_file("postgresql://server@db/books", {"PGPASSFILE": "/y"}) == Path("/y")
    assert password_file("postgresql://server@db/books", {}) == Path.home() / ".pgpass"


def test_a_file_that_others_can_read_counts_as_none(tmp_path: Path) -> None:
    file = kept(tmp_path, "*:*:*:server:one\n", 0o640)
    assert lines_of(file) == []
    file.chmod(0o600)
    assert [line.password for line in lines_of(file)] == ["one"]
    assert lines_of(tmp_path / "none") == []


def test_a_file_is_put_in_place_whole_and_closed_to_others(tmp_path: Path) -> None:
    file = kept(tmp_path, "# mine\n*:*:*:server:one\n")
    before = os.umask(0)
    try:
        write_lines(file, [*lines_of(file), Line("*:*:*:server:two")])
    finally:
        os.umask(before)
    assert file.read_text() == "# mine\n*:*:*:server:one\n*:*:*:server:two\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_change_of_the_first_password_is_told_once(tmp_path: Path) -> None:
    file = kept(tmp_path, "*:*:*:server:one\n")
    url = f"postgresql://server@db/books?passfile={file}"
    watch = PasswordWatch(url)
    assert watch.watches
    assert not watch.changed()
    write_lines(file, [read_line("*:*:*:server:one"), read_line("*:*:*:server:two")])
    assert not watch.changed(), "who connects takes the first as before"
    write_lines(file, [read_line("*:*:*:server:two")])
    assert watch.changed()
    assert not watch.changed()
    file.unlink()
    assert not watch.changed(), "a file that is gone changes nothing for who is connected"
    assert not PasswordWatch(url).watches
