"""Backups: dumps of the database that are encrypted, signed for, read back, pruned by policy, and restored."""
