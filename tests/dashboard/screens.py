"""What every page must be on every screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.dashboard.test_in_a_browser import CONTRAST, PICTURES, SCHEMES, WIDTHS


def is_whole_on_every_screen(page: Any, address: str, *, picture: str = "") -> None:
    """In both themes it fits the widths, every word stands out from its ground, and tables say what they are.

    It leaves a `picture` of each of them, where somebody asked for pictures.
    """
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, width
            if PICTURES and picture:
                page.screenshot(path=Path(PICTURES) / f"{picture}-{width}-{scheme}.png", full_page=True)
        found = page.evaluate(CONTRAST)
        assert len(found) > 5
        assert [one for one in found if one[0] < 4.5] == [], scheme
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("svg:not([aria-hidden]):not([aria-label])").count() == 0
