"""Problems (the caller's) and broken invariants (ours). Each problem is a fact, raised where it is known, mapped once at the edge."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final, Literal

Kind = Literal["invalid", "unauthenticated", "forbidden", "missing", "conflict", "busy", "too_large"]
Fact = str | int | bool | list[str] | None
Tell = Callable[[int, str], str]  # an amount for people: minor units, and the code of their asset
TO_DO: Final[Mapping[Kind, str]] = {
    "invalid": "Correct the field that is named, and send the request again under a new idempotency key.",
    "unauthenticated": "Send a valid API key, or log in again. Nothing of the request was done.",
    "forbidden": "Ask somebody whose role allows it. Nothing of the request was done, and the refusal was recorded.",
    "missing": "Compare the id or the name with the list of such things; another program's are not shown.",
    "conflict": "Read the thing again: the facts say what stands in the way. The same request is refused until that has changed.",
    "busy": "Send the same request with the same idempotency key after a moment; `Retry-After` names the seconds. It is never done twice.",
    "too_large": "Send less at once: the facts name what was too large, and the limit.",
}


def in_minor_units(minor: int, asset: str) -> str:
    """An amount where nobody knows the decimals of its asset: it says what it is counted in."""
    return f"{minor} minor units of {asset}" if asset else f"{minor} minor units"


def told_facts(facts: Mapping[str, Any], amounts: Collection[str], tell: Tell) -> dict[str, Any]:
    """Facts for people: those that are `amounts` are told with their asset, which then does not stand beside them once more."""
    asset = str(facts.get("asset") or "")
    whole = {name for name in amounts if str(facts.get(name)).removeprefix("-").isdecimal()}
    told = {name: tell(int(fact), asset) if name in whole else fact for name, fact in facts.items() if name != "asset" or not whole}
    return {("amount" if name == "minor" else name): fact for name, fact in told.items()}


class Problem(Exception):
    """A request that we understand and refuse."""

    kind: ClassVar[Kind] = "conflict"
    todo: ClassVar[str] = ""  # what to do about it, where its kind does not say enough
    carries: ClassVar[tuple[str, ...]] = ()  # facts that it is given by a table, so that no call spells them out
    amounts: ClassVar[tuple[str, ...]] = ()  # facts that are minor units of the fact `asset`: strings in JSON, told in words to people

    def __init_subclass__(cls, *, kind: Kind | None = None) -> None:
        """Beside its name a problem says of which kind it is, where that is another than of what it comes from."""
        super().__init_subclass__()
        if kind is not None:
            cls.kind = kind

    def __init__(self, **facts: Fact) -> None:
        # Safe to show: names, ids, amounts and limits, never secrets.
        self.facts = {name: str(fact) if name in self.amounts and fact is not None else fact for name, fact in facts.items()}
        super().__init__(self.sentence())

    @classmethod
    def title(cls) -> str:
        """The first sentence of the docstring: what problems of this kind have in common."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]

    @classmethod
    def what_to_do(cls) -> str:
        """What whoever meets it does next."""
        return cls.todo or TO_DO[cls.kind]

    def headline(self) -> str:
        """What is wrong, in one sentence: the same words on the page, in the terminal and over HTTP."""
        return self.title()

    def told(self, tell: Tell = in_minor_units) -> dict[str, Fact]:
        """The facts for people: amounts as `tell` says them."""
        return told_facts(self.facts, self.amounts, tell)

    def sentence(self, tell: Tell = in_minor_units) -> str:
        """Title and facts in one line, for logs, terminals and records; whoever knows the assets says how to `tell` an amount."""
        told = ", ".join(f"{name} {value}" for name, value in self.told(tell).items() if value is not None)
        return f"{self.headline()} ({told})" if told else self.headline()


class InvalidInput(Problem, kind="invalid"):
    """Invalid value for a field."""

    def __init__(self, field: str, limit: str, **facts: Fact) -> None:
        """Name the `field` and the `limit` it breaks; add `line`, `column` and `got` where known."""
        super().__init__(field=field, limit=limit, **facts)

    def headline(self) -> str:
        """With the field's name."""
        return f"Invalid value for {self.facts['field']}."


class AmountOutOfRange(InvalidInput):
    """An amount that cannot be as it stands."""

    amounts = ("got", "difference")


class NotFound(Problem, kind="missing"):
    """Not found."""

    def headline(self) -> str:
        """With what it is, and its id where it has one: `Payout po_… not found.` What is missing for a reason of its own says that."""
        if type(self) is not NotFound:
            return self.title()
        told = {name: str(fact) for name, fact in self.facts.items() if fact is not None}
        what = told.get("what") or next(iter(told), "")
        name = told.get("id") or told.get("path") or ("" if "what" in told else told.get(what, ""))
        said = " ".join(part for part in (what, name, "not found") if part)
        return f"{said[:1].upper()}{said[1:]}."


class NotAllowed(Problem, kind="forbidden"):
    """Your role does not allow this."""


class NotAuthenticated(Problem, kind="unauthenticated"):
    """No valid key or session came with this request."""


class TooLarge(Problem, kind="too_large"):
    """The request is larger than the limit."""


class Busy(Problem, kind="busy"):
    """Another transaction holds what this one needs; try again."""


class DatabaseAway(Busy):
    """The database does not answer; nothing was changed."""


class KeyReused(Problem):
    """This idempotency key was used before, for a different request."""

    todo = (
        "If this is another request, give it a key of its own. If it is the same, send it exactly as before: its first answer comes again."
    )


class TransitionRefused(Problem):
    """This step is not allowed from the present state."""


class ReasonRequired(Problem, kind="invalid"):
    """A person who overrides the machine gives a reason."""


def all_problems() -> list[type[Problem]]:
    """Every kind of problem that has been imported, by name."""
    found: dict[str, type[Problem]] = {}
    waiting = [Problem]
    while waiting:
        for one in waiting.pop().__subclasses__():
            found[one.__name__] = one
            waiting.append(one)
    return [found[name] for name in sorted(found)]


class InvariantBroken(AssertionError):
    """Our own code is wrong, or a record was changed: stop, roll back, page a person.

    Caught below the edge only where one item is set aside, and told, so that it does not stop the others.
    """


def check(holds: bool, statement: str, **facts: object) -> None:
    """Like `assert`, but kept under `python -O`, and it says what should have been true. Raises InvariantBroken."""
    if not holds:
        raise InvariantBroken(f"{statement} {facts}" if facts else statement)
