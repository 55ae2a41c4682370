"""Fee rates by version, and what a settlement takes."""
