"""Lists as parameters: whatever stands in them, the server reads what was given, and is told the type that psycopg tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import DataError
from psycopg.adapt import PyFormat, Transformer
from psycopg.types.array import ListDumper

from counterfoil.base.edge import Database
from counterfoil.base.postgres.lists import PlainListDumper

ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
TEXTS = st.lists(ANY_TEXT | st.sampled_from(["", "null", '"', "\\", "{,}", '","']))
NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1))
LONG_AGO, LAST = datetime.fromisoformat("0001-01-03"), datetime.fromisoformat("9999-12-29")
MOMENTS = st.lists(st.datetimes(LONG_AGO, LAST, timezones=st.just(UTC)))
OF_KIND: dict[str, Any] = {"text": TEXTS, "bigint": NUMBERS, "timestamptz": MOMENTS}


@pytest.mark.parametrize("kind", OF_KIND)
def test_the_server_reads_what_was_given(database: Database, kind: str) -> None:
    with database.transaction(read_only=True) as conn:

        @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
        @given(given=OF_KIND[kind])
        def asked(given: list[Any]) -> None:
            assert conn.execute(f"select %s::{kind}[]", [given]).fetchone() == (given,)
            assert conn.execute(f"select array(select unnest(%s::{kind}[]))", [[*given, None]]).fetchone() == ([*given, None],)

        asked()


PLAIN: list[list[Any]] = [["a"], [1], [2**40], [-1, 2**70], [datetime.now(UTC)]]
OTHERS: list[list[Any]] = [[None], [], [True], [1.5], [["a"], ["b"]], ["a", None]]


@pytest.mark.parametrize("given", [*PLAIN, *OTHERS])
def test_the_type_is_the_one_that_psycopg_tells(given: list[Any]) -> None:
    def told(kind: type[ListDumper]) -> tuple[int, Any]:
        dumper = kind(list, Transformer(None)).upgrade(given, PyFormat.TEXT)
        return dumper.oid, bytes(dumper.dump(given) or b"").replace(b'"', b"")

    assert told(PlainListDumper) == told(ListDumper)


def test_a_text_with_a_nul_is_refused_and_numbers_are_no_truths(database: Database) -> None:
    with database.transaction(read_only=True) as conn:
        with pytest.raises(DataError, match="NUL"):
            conn.execute("select %s::text[]", [["a", "b\0"]])
        with pytest.raises(DataError, match="mixed types"):
            conn.execute("select %s", [[1, True]])
        assert conn.execute("select %s::boolean[]", [[True, False]]).fetchone() == ([True, False],)
