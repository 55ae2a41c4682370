"""A list's values with the titles of their columns, by which they are told on a phone: read off the list's own head."""

from __future__ import annotations

import re

from markupsafe import Markup

from counterfoil.dashboard.web.format import SHORT_MAX, titled_cells

HEAD = (
    '<caption>All</caption><thead><tr><th scope="col">Thing</th><th scope="col" class="num" aria-sort="ascending">'
    '<a href="?sort=amount&amp;x">At <wbr>stake</a> <span aria-hidden="true">▲</span></th><th scope="col">A &#34;why&#34;</th></tr></thead>'
)


def cells(*rows: str) -> list[str]:
    """The opening tags of the values."""
    return re.findall(r"<td[^>]*>", titled_cells(Markup(f"{HEAD}<tbody>{''.join(rows)}</tbody>")))


def test_each_value_has_what_the_head_of_its_column_says() -> None:
    row = '<tr id="a"><th scope="row"><a href="/x">a</a></th><td class="num">1.00</td><td>so</td></tr>'
    one = ['<td data-l="At stake" class="num">', '<td data-l="A &#34;why&#34;">']
    assert cells(row) == one
    assert cells(row, row) == one * 2, "each row begins anew"


def test_a_cell_over_several_columns_moves_the_others_on() -> None:
    assert cells('<tr class="group"><th scope="rowgroup" colspan="3">main</th></tr>', "<tr><th>a</th><td>1</td><td>so</td></tr>")[1:] == [
        '<td data-l="A &#34;why&#34;">'
    ]
    assert cells('<tr><th colspan="2">a</th><td>so</td></tr>') == ['<td data-l="A &#34;why&#34;">']


def test_what_says_nothing_and_what_says_much_is_marked() -> None:
    long = "x" * (SHORT_MAX + 1)
    assert cells(f"<tr><th>a</th><td>–</td><td><b>{long}</b></td></tr>") == [
        '<td data-l="At stake" data-none>',
        '<td data-l="A &#34;why&#34;" data-long>',
    ]
    assert cells("<tr><th>a</th><td><svg></svg></td><td><form></form></td></tr>") == [
        '<td data-l="At stake">',
        '<td data-l="A &#34;why&#34;">',
    ], "a mark or a button says something without a word"


def test_what_stands_in_it_stays_as_it_was_escaped() -> None:
    told = titled_cells(Markup(f"{HEAD}<tbody><tr><th>a</th><td>&lt;td&gt;</td><td>&lt;/td&gt;</td></tr></tbody>"))
    assert isinstance(told, Markup)
    assert told.startswith(HEAD)
    assert "&lt;td&gt;</td>" in told
    assert "&lt;/td&gt;</td></tr></tbody>" in told


def test_a_table_without_a_head_is_as_it_was() -> None:
    table = Markup("<tbody><tr><th>a</th><td>1</td></tr></tbody>")
    assert titled_cells(table) == table
