"""DuckDB's dialect as Spark's: the vetted SQL goes through sqlglot, and where the two read the same words otherwise, it is written out."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import sqlglot
from sqlglot import expressions as exp

_BACK_REFERENCE: Final = re.compile(r"\\([0-9])")
_END: Final = re.compile(r"(\\.|\[\^?\]?(?:\\.|[^\]\\])*\])|\$")
_DAY: Final = r"\A *[0-9]{1,7}([-/ \\])[0-9]{1,2}\1[0-9]{1,2} *\z"  # what DuckDB takes for a day; Spark takes a year or a month, too
# Spark has no function for it; the library that compares its texts does. Whatever its answer to null is, it is not asked.
_COMPOSED: Final = "reflect('com.ibm.icu.text.Normalizer', 'compose', coalesce({}, ''), false)"


@lru_cache(maxsize=1_000)
def in_spark(sql: str) -> str:
    """A statement or expression of ours in Spark's words, with the same answer."""
    return sqlglot.parse_one(sql, read="duckdb").transform(_in_spark).sql(dialect="spark")


def _in_spark(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.RegexpReplace):
        replacement = node.args.get("replacement")
        if isinstance(replacement, exp.Literal):
            replacement.set("this", _BACK_REFERENCE.sub(r"$\1", replacement.this))
        _end_is_the_end(node)
    elif isinstance(node, exp.RegexpLike | exp.RegexpExtract):
        _end_is_the_end(node)
    elif isinstance(node, exp.RegexpFullMatch):
        _end_is_the_end(node)
        whole = exp.Literal.string(rf"\A(?:{node.expression.this})\z")
        return exp.RegexpLike(this=node.this, expression=whole)
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "strlen":
        return exp.Anonymous(this="octet_length", expressions=node.expressions)
    elif isinstance(node, exp.Anonymous) and node.name.lower() == "nfc_normalize":
        return _spark(_COMPOSED.format(_told(node.expressions[0])))
    elif isinstance(node, exp.TryCast) and node.to.this == exp.DataType.Type.DATE and not _is_day(node.this):
        text = _told(node.this)
        day = rf"try_cast(regexp_replace(trim({text}), '[/ \\\\]', '-') as date)"
        return _spark(f"case when {text} rlike {_told(exp.Literal.string(_DAY))} then {day} end")
    return node


def _is_day(node: exp.Expr) -> bool:
    return isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.DATE


def _end_is_the_end(node: exp.Expr) -> None:
    """In Java `$` also stands before a line break at the end."""
    pattern = node.args.get("expression")
    if isinstance(pattern, exp.Literal):
        pattern.set("this", _END.sub(lambda found: found[1] or r"\z", pattern.this))


def _told(node: exp.Expr) -> str:
    return node.sql(dialect="spark")


def _spark(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, read="spark")
