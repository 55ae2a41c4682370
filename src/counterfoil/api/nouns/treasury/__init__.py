"""Routes of the treasury of agents."""
