"""What a rule set says: two sources, how their columns are read, and the passes that bring their records together. Data only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from counterfoil.matching.rules.names import OWN_FIELDS_MAX, OwnName, names_that_are_wrong

PART_LINES_MAX: Final = 8  # a subset sum longer than this is a coincidence more often than a payment
ASSET: Final = r"^[A-Z][A-Z0-9]{1,11}$"
KeyField = str  # one of KEY_FIELDS, or a name of `key_fields`: `names_that_are_wrong` tells
Compared = Literal["amount", "asset", "status", "date", "counterparty"]
COMPARED: Final[Mapping[Compared, str]] = {
    "amount": "Amounts, or the sums of a group, within the tolerance of the pass.",
    "asset": "Currency or asset; it is compared whether or not it is named, because amounts of two assets are never compared.",
    "status": "The status, after `[left.status]` and `[right.status]`.",
    "date": "The day lies within the window of the pass; a day that is not known is not compared, and the report counts those.",
    "counterparty": "The name of the other side, in capitals.",
}
Normal = Literal["case", "punctuation", "zeros", "digits"]
NORMAL: Final[Mapping[Normal, str]] = {
    "case": "Capitals and small letters are the same: Latin, Greek and Cyrillic ones.",
    "punctuation": "Only letters, of any script, and digits count: `INV-10 400` is `INV10400`.",
    "digits": "Only digits count: `#10400` is `10400`.",
    "zeros": "Noughts before a number do not count: `INV-00042` is `INV-42`.",
}


Limit = Annotated[Decimal | date, Field(union_mode="left_to_right")]  # a figure or a day


class _RuleSetPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Csv(_RuleSetPart):
    """How a delimited file is written. What is left out is detected."""

    delimiter: str | None = Field(default=None, min_length=1, max_length=4, description="Separator of the columns.")
    quote: str | None = Field(default=None, max_length=1, description="Quote character; empty for none.")
    encoding: str | None = Field(default=None, description="utf-8, latin-1, utf-16 or another name that Python knows.")
    skip: int = Field(default=0, ge=0, le=1_000, description="Lines before the header.")
    header: bool = Field(default=True, description="Whether a line of names comes first; columns are column0, column1 … without it.")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        """Python knows it, and it is one of texts: `base64` is a codec too."""
        try:
            if name is not None:
                "x".encode(name)
        except (LookupError, ValueError, UnicodeError):
            raise ValueError(f"a text encoding that Python knows, such as utf-8 or cp1252; not {name!r}") from None
        return name

    @field_validator("delimiter")
    @classmethod
    def _no_line_end(cls, mark: str | None) -> str | None:
        if mark is not None and any(each in "\r\n\0" for each in mark):
            raise ValueError("a mark that can stand within a line")
        return mark

    @model_validator(mode="after")
    def _quote_is_no_delimiter(self) -> Csv:
        if self.quote and self.delimiter and self.quote in self.delimiter:
            raise ValueError("quote and delimiter are different marks")
        return self


class Amount(_RuleSetPart):
    """How an amount is written. `unit` is not guessed: 1250 is 12.50 or 1,250.00, and only you know."""

    column: str | None = Field(default=None, description="The column of the signed amount.")
    debit: str | None = Field(default=None, description="Column of money going out; its figures count as negative.")
    credit: str | None = Field(default=None, description="Column of money coming in.")
    unit: Literal["minor", "major"] = Field(description="minor: whole cents; major: 12.50.")
    decimal: Literal[".", ","] = Field(default=".", description="The decimal mark in major units.")
    group: Literal["", ",", ".", " ", "'"] = Field(default="", description="The mark between thousands.")
    sign: Literal[1, -1] = Field(default=1, description="-1 turns every amount around: the other side's debit is our credit.")
    direction: str | None = Field(default=None, description="A column that says whether the amount goes in or out.")
    negative: tuple[str, ...] = Field(default=(), description="Words in `direction` that mean out.")
    positive: tuple[str, ...] = Field(
        default=(),
        description='Words in `direction` that mean in, `""` for an empty cell; a row with any other word is refused. Without it, all'
        " words but those of banks for a debit mean in.",
        exclude_if=lambda words: not words,
    )
    fee: str | None = Field(default=None, description="A column of fees (same unit) that is added: amount = net + fee.")
    less_ppm: int = Field(
        default=0,
        ge=0,
        lt=1_000_000,
        description="A known fee: so many millionths of each figure, rounded half up, are taken off it (29000 is 2.9 %).",
    )
    less_minor: int = Field(
        default=0,
        ge=-(10**9),
        le=10**9,
        description="A known fee: so many minor units are taken off each figure; below nought, they are added.",
    )
    balance: str | None = Field(
        default=None,
        description="The file's own running balance: every row must lead from one to the next, or the file is refused.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Amount:
        if (self.column is None) == (self.debit is None and self.credit is None):
            raise ValueError("name either `column`, or `debit` and `credit`")
        if self.group and self.group == self.decimal:
            raise ValueError("`group` and `decimal` are different marks")
        if (self.direction is None) != (not self.negative):
            raise ValueError("`direction` and `negative` go together")
        if self.positive and self.direction is None:
            raise ValueError("`positive` needs `direction`")
        out = {word.strip().lower() for word in self.negative}
        if both := [word for word in self.positive if word.strip().lower() in out]:
            raise ValueError(f"a word means in or out, not both: {both[0][:40]!r}")
        return self

    @property
    def has_known_fee(self) -> bool:
        """Is something taken off every figure before it is compared?"""
        return bool(self.less_ppm or self.less_minor)


class Dates(_RuleSetPart):
    """How dates are written, and which of them is compared."""

    formats: tuple[str, ...] = Field(default=(), description="strptime formats, tried in order; ISO 8601 is always understood.")
    compare: Literal["booked_on", "value_on", "event_at"] = Field(default="booked_on", description="The date that windows are measured on.")


class Where(_RuleSetPart):
    """Which rows count: the others are left out before anything is counted, and the report says how many.

    Several `[[left.where]]` must all hold, and so must several conditions of one. Figures are compared in the unit that the file is written
    in, with the decimal mark of its amounts; days by the formats of `[left.dates]`. A cell that is neither stays, so that no row is left
    out because nobody understood it; an empty cell is neither more nor less than anything. A statement's columns are those that its reader
    gives (`status`, `memo`, `amount` in minor units …); what has moved no money is left out without a condition.
    """

    column: str = Field(default="", description="The file's column.")
    field: str | None = Field(
        default=None, description="Or a name in `[left.columns]`, such as a key field: its column.", exclude_if=lambda name: name is None
    )
    values: tuple[str, ...] = Field(default=(), description="The row stays when the column holds one of these.")
    contains: str = Field(default="", description="The row stays when this stands within the text.")
    begins_with: str = Field(default="", description="The row stays when the text begins with this.")
    empty: bool | None = Field(default=None, description="`true`: the row stays when nothing stands there; `false`: when something does.")
    at_least: Limit | None = Field(default=None, description="A figure (100, 12.50) or a day (2026-03-01): the row stays from it on.")
    more_than: Limit | None = Field(default=None, description="The row stays above this figure, or after this day.")
    at_most: Limit | None = Field(default=None, description="The row stays up to this figure or day.")
    less_than: Limit | None = Field(default=None, description="The row stays below this figure, or before this day.")
    negated: bool = Field(default=False, alias="not", description="`true` turns it around: the row stays when the conditions do not hold.")

    @model_validator(mode="after")
    def _says_something(self) -> Where:
        if bool(self.column) == bool(self.field):
            raise ValueError("say of what: `column` (the file's name) or `field` (a name in `columns`)")
        limits = (self.at_least, self.more_than, self.at_most, self.less_than)
        if not (self.values or self.contains or self.begins_with) and self.empty is None and all(each is None for each in limits):
            raise ValueError(
                "say which rows stay: `values`, `contains`, `begins_with`, `empty`, `at_least`, `more_than`, `at_most` or `less_than`"
            )
        return self


class Source(_RuleSetPart):
    """One side: where its columns are and how they are read."""

    name: str = Field(default="", max_length=80, description="What people call it; on reports.")
    format: str | None = Field(
        default=None, description="csv, tsv, ndjson, json, parquet, xlsx, mt940, camt, bai2, ofx …; detected otherwise."
    )
    csv: Csv = Csv()
    sheet: str | None = Field(default=None, description="Which sheet of a workbook; the first that has a column of amounts otherwise.")
    columns: dict[str, str] = Field(default_factory=dict, description="Our name → the file's column, see below.")
    amount: Amount | None = None
    asset: str | None = Field(default=None, pattern=ASSET, description="The asset of every row, where no column says.")
    scale: dict[str, int] = Field(default_factory=dict, description="Decimals of assets that are no ISO currency, such as UVE = 6.")
    dates: Dates = Dates()
    status: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Our word → the file's words.")
    where: tuple[Where, ...] = ()
    expected_within_days: int | None = Field(
        default=None,
        ge=0,
        le=366,
        description="A record of this side may take this long to show on the other; later it is missing.",
    )


class Calendar(_RuleSetPart):
    """Which days count in a window."""

    business_days: bool = Field(default=False, description="Count Monday to Friday without holidays.")
    holidays: tuple[date, ...] = Field(default=(), max_length=2_000, description="Days that do not count, such as 2026-12-25.")


class _Window(_RuleSetPart):
    """How far right may lie from left, in days: right − left from `-before` to `after`."""

    before_days: int = Field(default=0, ge=0, le=3_660, description="So many days may the right record lie before the left one.")
    after_days: int = Field(default=0, ge=0, le=3_660, description="So many days may the right record lie after the left one.")


class _Differing(_Window):
    differing: Literal["break", "later"] = Field(
        default="break",
        description="What belongs together and differs: `break` at once; `later`: it stays open for the passes below, "
        "which may have a tolerance, a wider window or another key, and is a break if none of them takes it.",
    )


class KeyPass(_Differing):
    """Equal keys and equal asset; then amount, status and date are compared, and what differs is the break's fields."""

    kind: Literal["key"]
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="What reports call this pass.")
    left: tuple[KeyField, ...] = Field(
        default=("reference",), min_length=1, description="The columns of the left side that are the key together."
    )
    right: tuple[KeyField, ...] = Field(default=("reference",), min_length=1, description="Those of the right side, in the same order.")
    normalise: tuple[Normal, ...] = Field(default=(), description="What is taken off both keys before they are compared, see below.")
    extract: str | None = Field(default=None, max_length=200, description="A regular expression: what it finds in the key is the key.")
    amount_tolerance: int = Field(default=0, ge=0, description="Minor units by which amounts may differ; each use is recorded.")
    splits: bool = Field(default=True, description="Several records of one key whose sum equals one record of the other side match.")

    @field_validator("extract")
    @classmethod
    def _is_an_expression(cls, pattern: str | None) -> str | None:
        try:
            if pattern is not None:
                re.compile(pattern)
        except re.error as error:
            raise ValueError(f"a regular expression ({error})") from None
        return pattern

    @model_validator(mode="after")
    def _same_width(self) -> KeyPass:
        if len(self.left) != len(self.right):
            raise ValueError("left and right name as many columns")
        return self


class EmbeddedPass(_Differing):
    """The reference of one side stands as a word within the text of the other."""

    kind: Literal["embedded"]
    name: str = Field(default="embedded", pattern=r"^[a-z][a-z0-9-]{0,39}$", description="What reports call this pass.")
    min_length: int = Field(default=6, ge=4, le=40, description="Shorter references are found by chance.")
    amount_tolerance: int = Field(default=0, ge=0, description="Minor units by which amounts or sums may differ; each use is recorded.")


class ReversalPass(_Window):
    """A record and its opposite on the same side, with the same reference: together they are nothing."""

    kind: Literal["reversal"]
    name: str = Field(default="reversal", pattern=r"^[a-z][a-z0-9-]{0,39}$", description="What reports call this pass.")


class GroupPass(_Window):
    """Many to one and one to many: the sum over a batch equals one record of the other side."""

    kind: Literal["group"]
    name: str = Field(default="group", pattern=r"^[a-z][a-z0-9-]{0,39}$", description="What reports call this pass.")
    before_days: int = Field(
        default=7, ge=0, le=3_660, description="So many days may the right sum lie before the left one, by their last days."
    )
    after_days: int = Field(
        default=31, ge=0, le=3_660, description="So many days may the right sum lie after the left one, by their last days."
    )
    left: KeyField = Field(default="batch", description="The column of the left side that gathers a sum.")
    right: KeyField = Field(default="batch", description="The same of the right side.")
    amount_tolerance: int = Field(default=0, ge=0, description="Minor units by which amounts or sums may differ; each use is recorded.")


class SubsetPass(_Window):
    """No batch id: a few records of one counterparty add up to one of the other side, in one way only.

    Exact sums are looked for first; within a tolerance, only where no exact one is. A record without a counterparty is no part of any, and
    a sum of more records than `parts_max` is not looked for.
    """

    kind: Literal["subset"]
    name: str = Field(default="subset", pattern=r"^[a-z][a-z0-9-]{0,39}$", description="What reports call this pass.")
    parts_max: int = Field(default=6, ge=2, le=PART_LINES_MAX, description="Of how many records a sum may be made.")
    amount_tolerance: int = Field(default=0, ge=0, description="Minor units by which the sum may differ; each use is recorded.")
    candidates_max: int = Field(default=20, ge=2, le=24, description="A record with more candidates is left open, and the report says so.")


class AmountPass(_Window):
    """No common key: equal amount and asset within the window, one to one. Suggests, unless you say that it confirms."""

    kind: Literal["amount"]
    name: str = Field(default="amount", pattern=r"^[a-z][a-z0-9-]{0,39}$", description="What reports call this pass.")
    same_counterparty: bool = Field(default=False, description="Only records whose counterparties are equal.")
    confirms: bool = Field(default=False, description="Only where amounts are as good as unique: there is no other evidence.")


class TextPass(_Window):
    """What is left, linked by rare words, amounts and dates. How much each says is counted from the files: no weights to set."""

    kind: Literal["text"]
    name: str = Field(default="text", pattern=r"^[a-z][a-z0-9-]{0,39}$", description="What reports call this pass.")
    open_max: int = Field(
        default=2_000_000,
        ge=1_000,
        description="With more open records on a side the pass is left out, and the report says so.",
    )
    amount_off_percent: int = Field(default=30, ge=0, le=100, description="Pairs whose amounts lie further apart are no candidates.")
    lead_bits: int = Field(
        default=3, ge=0, le=20, description="How much likelier a pair must be than the next best: 3 bits are 8 times, 4 are 16 times."
    )
    false_per_mille: int = Field(
        default=2,
        ge=0,
        le=100,
        description="How many of a thousand links may be chance, as far as decoys tell (records moved to days without their partner).",
    )
    amount_tolerance: int = Field(
        default=0,
        ge=0,
        description="Minor units by which amounts of a pair may differ; beyond that the pair is a break.",
    )


Pass = Annotated[KeyPass | EmbeddedPass | ReversalPass | GroupPass | SubsetPass | AmountPass | TextPass, Field(discriminator="kind")]


class Severity(_RuleSetPart):
    """From which amount, in minor units, a break is high or critical; smaller ones are low under `low_below`."""

    low_below: int = Field(default=100, ge=0, description="A break of less is low.")
    high_from: int = Field(default=100_000, ge=0, description="A break of so much is high.")
    critical_from: int = Field(default=1_000_000, ge=0, description="A break of so much is critical.")


class RuleSet(_RuleSetPart):
    """Everything that decides a reconciliation. The same files and the same rule set give the same bytes."""

    version: Literal[1] = Field(default=1, description="Of this notation.")
    name: str = Field(default="reconciliation", max_length=80, description="What reports call it.")
    as_of: date | None = Field(
        default=None, description="The watermark: the last day that both sources cover; the latest date seen otherwise."
    )
    compare: tuple[Compared, ...] = Field(
        default=("amount", "asset", "status", "date"),
        description="What must agree in a match, see below. Left out: what both sides have a column for.",
    )
    key_fields: tuple[OwnName, ...] = Field(
        default=(),
        max_length=OWN_FIELDS_MAX,
        description="Names of your own for further columns that tell records apart, such as `invoice`: small letters, digits and "
        "underscores. `[left.columns]` and `[right.columns]` say which columns they are; passes and `where` take them, reports show them.",
        exclude_if=lambda names: not names,
    )
    left: Source = Source(name="left")
    right: Source = Source(name="right")
    calendar: Calendar = Calendar()
    passes: tuple[Pass, ...] = Field(alias="pass", min_length=1, max_length=40, description="The passes, in the order in which they work.")
    severity: Severity = Severity()

    @model_validator(mode="after")
    def _pass_names_differ(self) -> RuleSet:
        names = [step.name for step in self.passes]
        if len(set(names)) != len(names):
            raise ValueError("every pass has a name of its own")
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> RuleSet:
        if wrong := names_that_are_wrong(self):
            raise ValidationError.from_exception_data("RuleSet", wrong)
        return self
