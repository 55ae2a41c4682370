"""Commands of the treasury of agents."""
