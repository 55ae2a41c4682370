"""The shape of a row is derived from it: what is declared is only what is described, hidden, or goes over the wire in another form."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from pydantic import Field

from counterfoil.api.http.fields import Minor
from counterfoil.api.http.schemas import ViewModel, WriteResult, shows
from counterfoil.base.problems import InvariantBroken


class Parcel(NamedTuple):
    id: str
    worth: int
    note: str | None
    secret: str


@shows(Parcel, hidden=("secret",))
class ParcelView(ViewModel):
    """A parcel."""

    worth: Minor
    note: str | None = Field(description="What was written on it.")


@shows(Parcel, hidden=("secret",))
class ParcelSent(WriteResult):
    """A parcel that was sent."""

    heavy: bool


ONE = Parcel("p1", 12_00, None, "x")


def test_a_view_has_the_fields_of_its_row_in_their_order_and_nothing_that_is_hidden() -> None:
    assert ParcelView.of(ONE).model_dump(mode="json", by_alias=True) == {"id": "p1", "worth": "1200", "note": None}
    assert list(ParcelView.model_fields) == ["id", "worth", "note"]


def test_what_is_declared_keeps_its_words_and_its_form() -> None:
    schema = ParcelView.model_json_schema(mode="serialization")
    assert schema["description"] == "A parcel."
    assert schema["properties"]["note"]["description"] == "What was written on it."
    assert schema["properties"]["worth"]["type"] == "string"
    assert schema["required"] == ["id", "worth", "note"]


def test_the_answer_to_a_write_is_derived_too_and_may_have_fields_of_its_own() -> None:
    assert list(ParcelSent.model_fields) == ["dry_run", "id", "worth", "note", "heavy"]


def test_only_a_field_of_the_row_is_hidden() -> None:
    with pytest.raises(InvariantBroken):
        shows(Parcel, hidden=("colour",))(ParcelView)
