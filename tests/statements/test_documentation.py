"""The page on sources names every format, column and limit, with the value that the code has."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfoil import statements as sources
from counterfoil.statements import RejectedRow, SequenceGap, StatementInfo, shape
from counterfoil.statements.camt import xml_nodes
from counterfoil.statements.continuity import folders

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "sources.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [*sources.FORMATS, *sources.schema().names, *StatementInfo._fields, *RejectedRow._fields, *SequenceGap._fields],
)
def test_every_format_and_field_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("TEXT_BYTES_MAX", shape.TEXT_BYTES_MAX, f"{shape.TEXT_BYTES_MAX // 1024**3} GiB"),
        ("TABLE_BYTES_MAX", shape.TABLE_BYTES_MAX, f"{shape.TABLE_BYTES_MAX // 1024**2} MiB"),
        ("WORKBOOK_BYTES_MAX", shape.WORKBOOK_BYTES_MAX, f"{shape.WORKBOOK_BYTES_MAX // 1024**2} MiB"),
        (
            "WORKBOOK_UNPACKED_BYTES_MAX",
            shape.WORKBOOK_UNPACKED_BYTES_MAX,
            f"{shape.WORKBOOK_UNPACKED_BYTES_MAX // 1024**3} GiB unpacked",
        ),
        ("LINE_CHARS_MAX", shape.LINE_CHARS_MAX, f"{shape.LINE_CHARS_MAX:,}"),
        ("ROWS_MAX", shape.ROWS_MAX, f"{shape.ROWS_MAX:,}"),
        ("DEPTH_MAX", xml_nodes.DEPTH_MAX, f"nested {xml_nodes.DEPTH_MAX} deep"),
        ("NODES_MAX", xml_nodes.NODES_MAX, f"{xml_nodes.NODES_MAX:,}"),
        ("FILES_MAX", folders.FILES_MAX, f"{folders.FILES_MAX:,}"),
    ],
)
def test_every_limit_is_on_the_page_with_its_value(name: str, value: int, shown: str) -> None:
    assert value > 0
    assert any(f"`{name}`" in line and shown in line for line in PAGE.splitlines())
