"""What the simulator takes and gives over HTTP. Amounts are strings of whole minor units: a JSON number would pass through floats."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Amount = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,17}$"), Field(examples=["125000"])]
AmountOrZero = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,17})$"), Field(examples=["30"])]
AssetCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]{1,11}$"), Field(examples=["USD"])]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+$")]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Body(BaseModel):
    """A request that holds what it may hold and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ChargeBody(Body):
    """A customer pays."""

    reference: Name = Field(description="What is paid: an invoice's id.")
    amount: Amount
    asset: AssetCode
    fee: AmountOrZero | None = Field(None, description="The provider's fee; left out, its rate applies.")
    capture: bool = Field(True, description="False: only reserved on the card, until it is captured.")


class ChargebackBody(Body):
    """A customer's bank takes a charge back."""

    amount: Amount | None = Field(None, description="Left out: all that is left of the charge.")
    fee: AmountOrZero = Field("0", description="What the provider takes for it.")
    reason: Name = "fraudulent"


class OutcomeBody(Body):
    """The bank decides."""

    outcome: Literal["won", "lost"]
    fee_back: bool = Field(False, description="With won: the provider gives its fee back, too.")


class PayoutBody(Body):
    """Pay out. A destination that begins with `unknown`, `closed` or `returning` behaves as it says."""

    amount: Amount
    asset: AssetCode
    destination: Name
    reference: Name = Field(description="Your own id of it; it is on the statement.")


class EndpointBody(Body):
    """Where webhooks go."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2_000)]
    secret: Annotated[str, StringConstraints(max_length=200)] = Field(description="whsec_ and base64 of 16 bytes or more.")
    style: Literal["standard", "stripe"] = Field(
        "standard", description="Events and signatures as Standard Webhooks has them, or as Stripe has them."
    )


class FaultBody(Body):
    """A fault to plant."""

    fault: str = Field(examples=["timeout_after_accepting"])
    match: Glob = Field("*", description="Glob on the idempotency key, the reference or the object's id.")
    on: Glob | None = Field(None, description="Glob on the operation, the event type or the statement's line type.")
    count: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="How often; left out: once, or without end when a probability is given."
    )
    probability_ppm: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1_000_000, description="In millionths.")
    params: dict[str, int | str] = Field(default_factory=dict)


class AdvanceBody(Body):
    """Move the clock on."""

    ms: Annotated[int, Field(ge=1, le=86_400_000 * 400)]


class SimulatedPayoutView(BaseModel):
    """A payout. `amount` was asked; `amount_paid` went out, and is null until it did."""

    id: str
    object: str
    idempotency_key: str
    reference: str
    destination: str
    amount: str
    amount_paid: str | None
    asset: str
    fee: str
    status: str = Field(description="pending, paid, failed or returned")
    failure_code: str | None
    created_at: str
    updated_at: str


class SimulatedChargeView(BaseModel):
    """A customer's payment."""

    id: str
    object: str
    idempotency_key: str
    reference: str
    account: str = Field(description="Which of your accounts it was paid into.")
    amount: str
    asset: str
    fee: str
    net: str
    status: str
    created_at: str


class ErrorFacts(BaseModel):
    """What was wrong."""

    code: str = Field(description="Stable.")
    message: str
    field: str | None = None
    limit: str | None = None


class Error(BaseModel):
    """A refusal or a failure."""

    error: ErrorFacts
