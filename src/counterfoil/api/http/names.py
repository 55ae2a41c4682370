"""snake_case to camelCase, as on the wire."""

from counterfoil.base.text import camel

__all__ = ["camel"]
