"""Verifying a package with nothing but the package and the keys that the caller trusts. Knows no database."""
