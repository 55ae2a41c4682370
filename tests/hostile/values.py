"""Hostile values, made from families: what is typed, pasted or sent to break whoever reads it. Each has a name: a failure says which."""

from __future__ import annotations

from typing import Any, Final

NESTED_LEVELS: Final = 200


def _nested(levels: int) -> Any:
    found: Any = "x"
    for _ in range(levels):
        found = {"x": [found]}
    return found


_CONTROLS: Final = {f"control {ord(one):#x}": f"a{one}b" for one in "\0\x01\x07\x08\t\n\r\x1b\x7f\x85\u2028\u202e\u200b\ufeff\ufffe"}
_NUMBERS: Final = {
    f"number {text[:24]}": text
    for text in (
        *(
            "0",
            "-0",
            "-1",
            "00",
            "01",
            "+1",
            "1.",
            ".1",
            "1e3",
            "1E400",
            "1_000",
            "1,000.00",
            "1.000,00",
            "0x10",
            "0b1",
            "1/2",
            "١٢٣",
            "１２",
        ),
        *("NaN", "nan", "Infinity", "-inf", "9" * 18, "9" * 19, "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
        *("1" * 400, "1" * 5000, "0." + "0" * 400 + "1", "²", "½", "1 000", "--1", "1-"),
    )
}
_DATES: Final = {
    f"date {text}": text
    for text in (
        *("0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "2026-02-30", "2026-13-01", "2026-W01-1", "20260101", "-2026-01-01"),
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-23:59", "2026-01-01T24:00:00Z"),
        *("2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00+99:99", "infinity", "-infinity", "epoch", "today", "now"),
    )
}
_TEXTS: Final = {
    "empty": "",
    "a space": " ",
    "sql": "' or 1=1; drop table payout; --",
    "sql closing": "x'); select pg_sleep(10); --",
    "sql placeholder": "%s %(id)s %% :id $1",
    "sql like": "%_\\%",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)',
    "template": "{{ 7*7 }}{% for x in y %}${7*7}#{7*7}<%= 7*7 %>",
    "format": "{0.__class__.__mro__} {x!r:>999999999} %n%n%x",
    "formula": "=cmd|' /C calc'!A0",
    "formula at": "@SUM(1+1)*cmd|'x'!A0",
    "path": "../../../../etc/passwd",
    "path windows": "..\\..\\windows\\system32\\config",
    "path encoded": "%2e%2e%2f%00",
    "header": "x\r\nSet-Cookie: a=b",
    "jndi": "${jndi:ldap://127.0.0.1/a}",
    "shell": "$(touch /tmp/x); `id` | cat &&",
    "xml": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    "long": "a" * 4_000,
    "very long": "a" * 90_000,
    "wide": "😀" * 1_000,
    "combining": "e" + "\u0301" * 500,
    "surrogate": "a\ud800b",
    "mapped": "ﬁ Ⅷ ℌ ＜script＞",
    "casing": "İıſK",
    "an id of nobody": "po_01KA0000000000000000000000",
    "an id of another kind": "key_01KA0000000000000000000000",
    "an id too long": "po_" + "Z" * 5_000,
    "uuid": "00000000-0000-0000-0000-000000000000",
    "null as text": "null",
}
TEXTS: Final[dict[str, str]] = _CONTROLS | _NUMBERS | _DATES | _TEXTS
OTHERS: Final[dict[str, Any]] = {
    "null": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "beyond 64 bits": 2**63,
    "beyond 400 digits": 10**400,
    "a fraction": 0.1,
    "huge": 1e308,
    "nan": float("nan"),
    "infinity": float("inf"),
    "a list": [],
    "a list of lists": [[[]]],
    "many": [1] * 2_000,
    "an object": {},
    "dunder": {"__class__": "x", "__proto__": {"a": 1}, "constructor": {"prototype": 1}},
    "deep": _nested(NESTED_LEVELS),
}
VALUES: Final[dict[str, Any]] = TEXTS | OTHERS
BODIES: Final[dict[str, bytes]] = {
    "nothing": b"",
    "a nul": b"\0",
    "not utf-8": b'{"reason": "\xff\xfe\xc3("}',
    "overlong utf-8": b'{"reason": "\xc0\xaf"}',
    "utf-16": '{"reason": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"reason": "x"}',
    "half a document": b'{"reason": "x',
    "two documents": b"{}{}",
    "the same key twice": b'{"reason": "a", "reason": "b"}',
    "deeper than any stack": b"[" * 20_000,
    "deep and whole": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    "a number without end": b'{"amount": ' + b"9" * 20_000 + b"}",
    "an exponent": b'{"amount": 1e999999999}',
    "nan": b'{"amount": NaN}',
    "a list at the top": b"[]",
    "a text at the top": b'"x"',
    "xml": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><l>&b;</l>',
}
