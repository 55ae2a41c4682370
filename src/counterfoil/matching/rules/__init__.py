"""What a rule set says, how it is read from TOML, and its reference."""
