"""Proofs of periods and their signers, over HTTP."""
