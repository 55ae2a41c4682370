"""Commands of proofs and their signers."""
