"""Proofs: the log of everything that was entered, its checkpoints, who signs, and the package of a period that anybody can verify."""
