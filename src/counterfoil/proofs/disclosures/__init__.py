"""What one payee is given out of a package: their entries, each with the proof that it is in the log, and nothing of others."""
