"""A first rule set out of two files."""
