"""The reconciliation report of a period, and its files."""
