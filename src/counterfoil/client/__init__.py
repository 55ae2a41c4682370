"""A client of a counterfoil server. Stands alone: it needs httpx2 and nothing else of this package."""

from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem, Unreachable

__all__ = ["ApiProblem", "Client", "Unreachable"]
