"""The treasury of fees: what came in, what went to validators, what the house withdrew, what is held."""
