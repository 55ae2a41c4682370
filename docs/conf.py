"""How the documentation is built: `make docs`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]

project = "counterfoil"
author = "The counterfoil maintainers"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "generate.py", "measured"]  # measured: parts that reference/measurements.md holds
nitpicky = True

html_theme = "furo"
html_title = "counterfoil"
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """State diagrams stay text: the page loads nothing from elsewhere."""
    app.add_lexer("mermaid", TextLexer)
