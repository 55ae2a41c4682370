"""Journals: one, many, and batches of movements; decided purely, written by set."""
