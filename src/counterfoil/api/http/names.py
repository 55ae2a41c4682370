"""snake_case to camelCase, as on the wire."""

from __future__ import annotations


def camel(name: str) -> str:
    """`sent_stuck10m` is `sentStuck10m`: only the first letter of a word is raised."""
    first, *others = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in others)
