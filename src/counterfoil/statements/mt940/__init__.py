"""MT940 and MT942: SWIFT's customer statements."""
