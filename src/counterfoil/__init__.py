"""counterfoil: a self-hosted back office for platforms that hold other people's money."""

__version__ = "0.1.0"
