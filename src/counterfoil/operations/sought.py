"""What a noun declares for the search: by what one of its things is found beside its id."""

from __future__ import annotations

from typing import Literal, LiteralString, NamedTuple


class FoundBy(NamedTuple):
    """A column of a noun's table that is compared with what somebody looks for, whole, and why the thing is shown then.

    `kind`: an `amount` is one of the asset beside it, a `size` one without its sign. `recent`: no index has it, so it is looked for among
    the things of the last days alone, which the page says.
    """

    column: LiteralString
    why: str
    kind: Literal["word", "amount", "size"] = "word"
    recent: bool = False
