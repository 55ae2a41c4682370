"""PDF: a template of Typst and what it says, as JSON. The same of both gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import Problem


class PdfNotInstalled(Problem):
    """Writing a PDF needs the extra `reports`: pip install 'counterfoil[reports]'."""


def write_pdf(template: bytes, name: str, told: Mapping[str, Any]) -> bytes:
    """The template as a PDF; it finds what is told as JSON in its input `name`. Raises PdfNotInstalled."""
    try:
        import typst
    except ImportError:
        raise PdfNotInstalled from None
    return bytes(typst.compile(template, format="pdf", sys_inputs={name: canonical_json(told)}))
