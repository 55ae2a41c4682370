"""The `.json` view: the same answer as the page, in camelCase; amounts are strings of minor units beside their asset."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from counterfoil.base.money import Money
from counterfoil.base.text import camel


def as_json(value: Any) -> Any:
    """Any answer of a page as JSON: rows become objects, times ISO 8601, spans milliseconds, digests hexadecimal, amounts
    `{minor, asset}`."""
    match value:
        case Money(minor, asset):
            return {"minor": str(minor), "asset": asset}
        case datetime() | date():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes():
            return value.hex()
        case timedelta():
            return int(value / timedelta(milliseconds=1))
        case Mapping():
            return {str(key): as_json(one) for key, one in value.items()}
        case tuple() if hasattr(value, "_fields"):
            return {camel(name): as_json(one) for name, one in _named(value)}
        case tuple() | list():
            return [as_json(one) for one in value]
    return value


def _named(row: Any) -> list[tuple[str, Any]]:
    """The fields of a row and the judgements on it (its properties)."""
    told = [name for name, kind in vars(type(row)).items() if isinstance(kind, property)]
    return [(name, getattr(row, name)) for name in (*row._fields, *told)]
