"""Affiliates: who refers customers, and who stands above whom. A tree for each program."""
