"""Why a login by the provider is refused; each reason is the true one, and none shows what was sent."""

from __future__ import annotations

from typing import Final

from counterfoil.base.problems import NotAuthenticated, Problem

STATE: Final = "this answer belongs to no login that was begun here"
BROWSER: Final = "another browser began this login"
REPLAYED: Final = "this login was finished before"
LATE: Final = "this login was begun more than 10 minutes ago"
MIXED_UP: Final = "another provider than ours answers"
CODE: Final = "no code came with the answer"
ALGORITHM: Final = "the identity is not signed in a way that is taken here"
SHORT_KEY: Final = "the identity is signed with a key that is shorter than is asked for here"
SIGNATURE: Final = "the identity is not signed with a key of the provider"
FORM: Final = "the identity is no signed token"
ISSUER: Final = "the identity is of another issuer"
AUDIENCE: Final = "the identity was made for somebody else"
EXPIRED: Final = "the identity is not valid any more"
FUTURE: Final = "the identity is not valid yet"
NONCE: Final = "the identity belongs to another login"
ACCESS_TOKEN: Final = "the identity belongs to another access token"  # noqa: S105 - a sentence
WEAK: Final = "you logged in at the provider less strongly than is asked for here"
LONG_AGO: Final = "you logged in at the provider longer ago than is allowed here"
LACKS: Final = "the identity lacks a claim that it must have"


class ProviderLoginRefused(NotAuthenticated):
    """The login by the provider is refused."""


class ProviderDenied(ProviderLoginRefused):
    """The provider did not let you in."""


class SubjectUnknown(ProviderLoginRefused):
    """The provider knows you, and nobody here said who you are; an administrator links your subject to you."""


class ProviderAway(Problem, kind="busy"):
    """The provider that people log in by does not answer, or not as OpenID says."""

    todo = "Try again in a minute. Meanwhile people who have a password log in with it."
