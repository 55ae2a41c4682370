"""What the environment says, beside the settings themselves: the knobs of one part, and names that are no settings."""
