"""Amounts as people read them: whole units with their asset."""

from __future__ import annotations

from counterfoil.base.money import format_major
from counterfoil.matching.reading.column_sql import iso_scales
from counterfoil.matching.rules.model import RuleSet


def scale_of(asset: str, rules: RuleSet) -> int:
    """The decimals of an asset; none where nobody told them."""
    return rules.left.scale.get(asset, rules.right.scale.get(asset, iso_scales().get(asset, 0)))


def money(minor: int, asset: str, rules: RuleSet) -> str:
    """`1,234.50 EUR`; an asset whose decimals nobody told is shown in its smallest unit."""
    return f"{format_major(minor, scale_of(asset, rules))} {asset}"
