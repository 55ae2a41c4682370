"""What may be paid out: by rule, or in a batch that people approved exactly as it is."""
