"""A rule set is refused with the line that is wrong."""

from __future__ import annotations

import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.rules.toml_file import lines_of, load_rules, rules_digest
from tests.matching.builders import rules_text


def refusal(text: str) -> dict[str, object]:
    with pytest.raises(InvalidInput) as found:
        load_rules(text)
    return dict(found.value.facts)


def line_with(text: str, words: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if words in line)


@pytest.mark.parametrize(
    ("was", "becomes", "field"),
    [
        ('unit = "minor"', 'unit = "cents"', "left.amount.unit"),
        ('kind = "key"', 'kind = "kee"', "pass.0"),
        ('name = "exact"', 'name = "Exact!"', "pass.0.name"),
        ('name = "exact"', 'name = "exact"\nafter_days = -1', "pass.0.after_days"),
        ('id = "id"', 'identity = "id"', "left.columns.identity"),
        ('delimiter = ","', 'delimeter = ","', "left.csv.delimeter"),
    ],
)
def test_what_is_wrong_is_named_by_field_and_line(was, becomes, field):
    text = rules_text().replace(was, becomes, 1)
    facts = refusal(text)
    assert facts["field"] == field
    near = line_with(text, becomes.splitlines()[-1])
    assert isinstance(facts["line"], int)
    assert facts["line"] in (near, near - 1, near - 2, near - 3)


def test_toml_that_does_not_parse_is_refused_by_line():
    assert refusal('version = 1\nname = "x\n')["line"] == 2


def test_a_rule_set_without_passes_is_refused():
    assert refusal(rules_text(""))["field"] == "pass"


def test_lines_are_found_in_the_second_table_of_an_array():
    assert lines_of('[[pass]]\nkind = "key"\n[[pass]]\nkind = "text"\n')["pass", 1, "kind"] == 4


def test_comments_and_order_do_not_change_what_a_rule_set_means():
    text = rules_text()
    assert rules_digest(load_rules(text)) == rules_digest(load_rules("# a remark\n" + text.replace("[left.csv]", "[left.csv] # here")))
    assert rules_digest(load_rules(text)) != rules_digest(load_rules(text.replace('unit = "minor"', 'unit = "major"', 1)))


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('unit = "minor"', 'unit = "cents"', "one of 'minor', 'major'; not 'cents'"),
        ('unit = "minor"', "", "a value: it is required and not there"),
        ('kind = "key"\n', "", "`kind`: key, embedded, reversal, group, subset, amount or text"),
        ('kind = "key"', 'kind = "kee"', "one of 'key', 'embedded', 'reversal', 'group', 'subset', 'amount', 'text'; not 'kee'"),
        ('name = "exact"', 'name = "Exact!"', "small letters, digits and hyphens, beginning with a letter, at most 40; not 'Exact!'"),
        ('name = "exact"', 'name = "exact"\nafter_days = -1', "0 or more; not -1"),
        ('name = "exact"', 'name = "exact"\nafter_days = "x"', "a whole number; not 'x'"),
        ('name = "exact"', 'name = "exact"\ntolerance = 1', "a name that is known here; did you mean `amount_tolerance`?"),
        ('name = "exact"', 'name = "exact"\nnormalise = "case"', "a list, between [ and ]; not 'case'"),
        ('delimiter = ","', 'delimeter = ","', "a name that is known here; did you mean `delimiter`?"),
        (
            "[left.amount]",
            '[[left.where]]\ncolumn = "a"\nat_least = "x"\n[left.amount]',
            "a figure such as 12.50 or a day such as 2026-03-01",
        ),
        ("[left.amount]", "[left.amount]\nless_ppm = 1000000", "less than 1000000; not 1000000"),
        ("[left]", f'name = "{"x" * 81}"\n[left]', "a text of at most 80 characters; not 'xxx"),
        ('delimiter = ","', 'delimiter = ""', "a text of 1 or more characters; not ''"),
        ("[left]", 'as_of = "soon"\n[left]', "a day such as 2026-03-01; not 'soon'"),
        ('name = "exact"', 'name = "exact"\nleft = []', "1 or more of them"),
        ('name = "exact"', f'name = "exact"\nextract = "{"x" * 201}"', "a text of at most 200 characters; not 'xxx"),
        ("[left]", 'key_fields = ["k"]\n[left]', "names that have a column in [left.columns]"),
        ('id = "id"', "id = 7", "a text between quotes; not 7"),
        ("[left]", "compare = 1.5\n[left]", "a list, between [ and ]; not Decimal('1.5')"),
        ("[left.amount]", '[[left.where]]\ncolumn = "a"\n[left.amount]', "say which rows stay: `values`, `contains`"),
    ],
)
def test_a_mistake_is_told_in_plain_words(was, becomes, said):
    limit = str(refusal(rules_text().replace(was, becomes, 1))["limit"])
    assert limit.startswith(said)
    assert "more)" not in limit or "at_least" in becomes
    assert not any(word in limit for word in ("should", "valid", "pydantic"))
