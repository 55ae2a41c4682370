"""Routes that follow from a declaration."""
