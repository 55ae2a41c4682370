"""What a problem says of itself: which field, which thing; in the words that people know."""

from __future__ import annotations

import pytest

from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.payouts.provider_payouts.outcomes import PayoutNotOurs


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (InvalidInput("amount", "more than 0", got="-1"), "Invalid value for amount."),
        (NotFound(what="payout", id="po_1"), "Payout po_1 not found."),
        (NotFound(what="API key", id="key_1"), "API key key_1 not found."),
        (NotFound(what="address", path="/api/nothing"), "Address /api/nothing not found."),
        (NotFound(file="x.csv"), "File x.csv not found."),
        (NotFound(what="finding", run="rec_1", number=3), "Finding not found."),
        (PayoutNotOurs(provider="simulator", key="k"), "The provider speaks of a payout that we did not ask for."),
    ],
)
def test_a_problem_names_what_is_wrong(problem: Problem, says: str) -> None:
    assert problem.headline() == says
    assert problem.sentence().startswith(says)


def test_the_kind_of_a_problem_is_described_without_any_of_its_facts() -> None:
    assert (InvalidInput.title(), NotFound.title()) == ("Invalid value for a field.", "Not found.")
